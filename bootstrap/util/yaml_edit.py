"""Adds entries to a section of a YAML document, and leaves every other character of it as it is.

A parser and a writer of YAML can't do that: anchors, quotes, blank lines and odd indentation would come out as the writer likes
them. Here, new text is put at a place that the parser's marks name, and the caller's data is compared afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")  # YAML 1.1's line breaks, which PyYAML counts
_STEP = 2  # columns


class NotEditable(ValueError):
    """The section is written in a way that nothing can be added to: an alias of another one, or no mapping."""


@dataclass(frozen=True)
class Entry:
    """What is added to a section: `lines` as in a block, not indented; `flow` is the same on one line, `key: value`.

    `comments` stand before it. Without `flow`, all of it are comments.
    """

    comments: tuple[str, ...]
    lines: tuple[str, ...] = ()
    flow: str = ""


@dataclass(frozen=True)
class Node:
    """Where a value stands: `end` is where its last character does, comments after it left out. `items`: a mapping's."""

    kind: str
    start: int
    end: int
    column: int
    flow: bool = False
    items: list[tuple[Node, str, Node]] = field(default_factory=list)

    def value(self, key: str) -> Node | None:
        """The value of a key."""
        return next((value for _, name, value in self.items if name == key), None)


def read(text: str) -> Node:
    """The document's mapping, with the places of all in it. The text has been parsed before."""
    events: Iterator[Any] = iter(_Loader(text).get_event, None)
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent):
            return _node(next(events), events)
    raise NotEditable("there is no document")


def _node(event: Any, events: Iterator[Any]) -> Node:
    start, end, column = event.start_mark.index, event.end_mark.index, event.start_mark.column
    if isinstance(event, yaml.AliasEvent):
        return Node("alias", start, end, column)
    if isinstance(event, yaml.ScalarEvent):
        return Node("scalar", start, end, column)
    items: list[tuple[Node, str, Node]] = []
    mapping = isinstance(event, yaml.MappingStartEvent)
    while not isinstance(inner := next(events), yaml.MappingEndEvent | yaml.SequenceEndEvent):
        key = _node(inner, events)
        name = getattr(inner, "value", None) if mapping else None
        value = _node(next(events), events) if mapping else key
        items.append((key, name if isinstance(name, str) else "", value))
    flow = bool(event.flow_style)
    closing: Any = inner
    last = closing.end_mark.index if flow else max((value.end for *_, value in items), default=end)
    return Node("mapping" if mapping else "sequence", start, last, column, flow, items)


def add(text: str, section: str, entries: Sequence[Entry], *, comments: bool = True) -> str:
    """`text` with the entries at the end of a top-level section, which is made where there is none. Raises NotEditable.

    `comments`: False leaves out theirs.
    """
    if not entries:
        return text
    top = read(text)
    if top.kind != "mapping":
        raise NotEditable("the document is no mapping")
    said = [each if comments else Entry((), each.lines, each.flow) for each in entries]
    found = top.value(section)
    if found is None:
        return _new_section(text, top, section, said)
    if found.kind == "mapping" and found.flow and not (text[found.start : found.end] == "{}" and not top.flow):
        return _into_flow(text, found, said)
    if found.kind == "mapping" and not found.flow:
        return _into_block(text, found, said)
    if text[found.start : found.end] in {"", "~", "null", "{}"} and not top.flow:
        return _into_nothing(text, top, found, said)
    raise NotEditable(f"`{section}` is an alias, or no mapping")


def _new_section(text: str, top: Node, section: str, entries: Sequence[Entry]) -> str:
    if top.flow:
        inside = _flow("", entries, " " * _STEP * 2)
        return _into_flow(text, top, [Entry((), (), f'"{section}": {{{inside}{_flow_end(inside)}}}')])
    column = top.items[0][0].column if top.items else 0
    head = (
        f"{section}:" if any(each.lines for each in entries) else f"# {section}:"
    )  # without an entry it would be null
    lines = [head, *_block(entries, _STEP)]
    at = _document_end(text, top)
    return _with_lines(text, at, [*_apart(text, top), *(" " * column + line for line in lines)])


def _apart(text: str, before: Node) -> list[str]:
    """A blank line, but not where it would be part of a text of several lines."""
    return [] if _begins_line(text, before.end) else [""]


def _document_end(text: str, top: Node) -> int:
    """Where the document ends: at a line `...`, or with the text."""
    found = re.compile(r"^\.\.\.(?=\s|\Z)", re.MULTILINE).search(text, top.end)
    return found.start() if found else len(text)


def _into_block(text: str, found: Node, entries: Sequence[Entry]) -> str:
    column = found.items[0][0].column
    at = _behind(text, found.end, column)
    apart = len(found.items) > 1 and _is_blank_before(text, found.items[1][0].start)
    lines = _block(entries, column, apart=apart)
    return _with_lines(text, at, [*_apart(text, found), *lines[1:]] if apart else lines)


def _is_blank_before(text: str, position: int) -> bool:
    """True if a blank line stands above the line of a position, or above the comments over it."""
    for line in reversed(text[: _line_start(text, position)].splitlines()):
        if not line.strip():
            return True
        if not line.lstrip().startswith("#"):
            return False
    return False


def _into_nothing(text: str, top: Node, found: Node, entries: Sequence[Entry]) -> str:
    """Below a section without a value."""
    emptied = text[: found.start] + text[found.end :]
    column = top.items[0][0].column + _STEP
    return _with_lines(emptied, _behind(emptied, found.start, column), _block(entries, column))


def _block(entries: Sequence[Entry], column: int, *, apart: bool = False) -> list[str]:
    lines: list[str] = []
    for entry in entries:
        lines += [""] if apart else []
        lines += [" " * column + line for line in (*(f"# {each}" for each in entry.comments), *entry.lines)]
    return lines


def _into_flow(text: str, found: Node, entries: Sequence[Entry]) -> str:
    """Before the closing brace."""
    at = found.end - 1
    inside = _flow(_separator(text, found), entries, " " * _STEP)
    before = text[:at].rstrip(" ")
    newline = _newline(text)
    return before + inside.replace("\n", newline) + newline + text[at:]


def _flow(separator: str, entries: Sequence[Entry], indent: str) -> str:
    text = separator
    for number, entry in enumerate(entries):
        comments = "".join(f"\n{indent}# {each}" for each in entry.comments)
        if not entry.flow:
            text += comments
            continue
        rest = "," if any(each.flow for each in entries[number + 1 :]) else ""
        text += f"{comments}\n{indent}{entry.flow}{rest}"
    return text


def _flow_end(inside: str) -> str:
    return "\n" + " " * _STEP if inside else ""


def _separator(text: str, found: Node) -> str:
    """What has to stand before a further item: nothing after `{`, or after a comma that ends the last one."""
    if not found.items:
        return ""
    rest = re.sub(r"(?:(?<=\s)|^)#.*", "", text[found.items[-1][2].end : found.end - 1])
    return "" if "," in rest else ","


def _behind(text: str, end: int, column: int) -> int:
    """Where the line begins that follows a value, and the comments that are indented as what is in its section."""
    at = end if _begins_line(text, end) else _next_line(text, end)
    position = at
    while position < len(text):
        after = _next_line(text, position)
        line = text[position:after]
        bare = line.lstrip(" ")
        if bare.startswith("#") and len(line) - len(bare) >= max(column, 1):
            at = after
        elif bare.strip():
            break
        position = after
    return at


def _with_lines(text: str, at: int, lines: Sequence[str]) -> str:
    newline = _newline(text)
    start = "" if _begins_line(text, at) else newline
    return text[:at] + start + "".join(line + newline for line in lines) + text[at:]


def _begins_line(text: str, at: int) -> bool:
    return at == 0 or _BREAK.fullmatch(text[at - 1]) is not None


def _next_line(text: str, position: int) -> int:
    found = _BREAK.search(text, position)
    return found.end() if found else len(text)


def _line_start(text: str, position: int) -> int:
    while position > 0 and not _BREAK.fullmatch(text[position - 1]):
        position -= 1
    return position


def _newline(text: str) -> str:
    """How the lines of this text end."""
    return "\r\n" if "\r\n" in text else "\n"


def replace_comments(
    text: str, section: str, wanted: Callable[[str], Sequence[str] | None], is_ours: Callable[[str], bool]
) -> str:
    """Replace those of the comments over the keys of a section that are `ours`; where there are none, nothing is put there.

    `wanted`: a key's comments, without `# `; None leaves those that are there. `is_ours` takes a comment without `# `, too.
    """
    top = read(text)
    found = top.value(section)
    if found is None or found.kind != "mapping" or found.flow:
        return text
    head = next(key.end for key, name, _ in top.items if name == section)
    ends = [head, *(value.end for *_, value in found.items)]
    for (key, name, _), before in reversed(list(zip(found.items, ends, strict=False))):
        comments = wanted(name)
        if comments is not None:
            text = _replaced(text, key, before, comments, is_ours)
    return text


def _replaced(text: str, key: Node, before: int, comments: Sequence[str], is_ours: Callable[[str], bool]) -> str:
    begin = _line_start(text, key.start)
    if text[begin : key.start].strip(" "):
        return text
    lines: list[tuple[int, int]] = []  # of ours: where each begins and ends
    end = begin
    while end > before:
        start = _line_start(text, end - 1)
        if start > 0 and text[start:end] == "\n" and text[start - 1] == "\r":  # of one break, the second half
            start = _line_start(text, start - 1)
        line = text[start:end].strip()
        if start < before or not line.startswith("#"):
            break
        if is_ours(line.removeprefix("#").strip()):
            lines.append((start, end))
        elif lines:
            break
        end = start
    if not lines:
        return text
    newline = _newline(text)
    new = "".join(f"{' ' * key.column}# {each}{newline}" for each in comments)
    return text[: lines[-1][0]] + new + text[lines[0][1] :]
