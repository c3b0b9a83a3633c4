"""Edits single options of an ini file that Airflow reads, and leaves every other byte of it as it is."""

from __future__ import annotations

import configparser
import io
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec, module_from_spec
from typing import TYPE_CHECKING, TypeAlias

from bootstrap.domain.secret import foreign
from bootstrap.errors import AirflowError

if TYPE_CHECKING:
    from configupdater import ConfigUpdater

BOM = "\ufeff"
_TEXT_LINE = r"^(?=.*\S)"
_INDENTED = re.compile(r"^[ \t]+\[", re.MULTILINE)
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
Values: TypeAlias = Mapping[str, Mapping[str, str]]  # section → option → value as it stands in the file
Wanted: TypeAlias = Mapping[str, Mapping[str, "str | None"]]  # None: the option must not be there


@dataclass(frozen=True)
class Edit:
    """An edited text, and what was put before each section that was appended to it."""

    text: str
    gaps: Mapping[str, str]


@dataclass(frozen=True)
class Span:
    """A section as it stands in a text: from its header to the next one's."""

    start: int
    end: int


@lru_cache(maxsize=8)
def values(text: str, file: object) -> Values:
    """Every value as Airflow's own parser reads it: a strict ConfigParser that keeps the case of options.

    Of a text that was read before, the same again. Raises AirflowError, which names the line of `file`, and nothing that stands there.
    """
    parser = configparser.RawConfigParser()
    parser.optionxform = str  # type: ignore[method-assign,assignment]  # as configparser's manual says
    try:
        parser.read_file(io.StringIO(text.removeprefix(BOM), newline=None), source=str(file))
    except (configparser.DuplicateSectionError, configparser.DuplicateOptionError) as err:
        option = getattr(err, "option", None)
        what = f"the key {foreign(option)!r}" if option else "the section"
        message = f"{file}:{err.lineno}: {what} of [{foreign(err.section)}] appears twice; Airflow refuses that"
        raise AirflowError(message, "keep one of them") from err
    except configparser.Error as err:
        line = getattr(err, "lineno", None) or next((number for number, _ in getattr(err, "errors", [])), 1)
        message = f"{file}:{int(line)}: not a valid ini file"
        raise AirflowError(message, "fix that line; Airflow can't read it either") from err
    return {name: dict(options) for name, options in parser.items()}


def find(text: str, section: str) -> Span | None:
    """Where the section stands."""
    if _INDENTED.search(text):
        headers = _headers(text)
        ends = [start for _, start in headers[1:]] + [len(text)]
        spans = (Span(start, end) for (name, start), end in zip(headers, ends, strict=True) if name == section)
        return next(spans, None)
    header = re.search(rf"^{BOM}?(\[{re.escape(section)}\])[^\n]*(?:\n|\Z)", text, re.MULTILINE)
    if header is None:
        return None
    following = re.compile(r"^\[", re.MULTILINE).search(text, header.end())
    return Span(header.start(1), following.start() if following else len(text))


@lru_cache(maxsize=8)
def _headers(text: str) -> list[tuple[str, int]]:
    """The sections and where each begins, as configparser's `_read` tells a header from a line that goes on with a value."""
    found: list[tuple[str, int]] = []
    level, goes_on = 0, False
    for line in _LINE.finditer(text, text.startswith(BOM)):
        content = line[0].strip()
        indent = len(line[0]) - len(line[0].lstrip())
        if not content or content[0] in "#;" or (goes_on and indent > level):
            continue
        level = indent
        header = configparser.RawConfigParser.SECTCRE.match(content)
        goes_on = header is None and bool(found)
        if header is not None:
            found.append((header["header"], line.start()))
    return found


def section_text(text: str, section: str) -> str | None:
    """The section as it stands there; None: it doesn't."""
    span = find(text, section)
    return None if span is None else text[span.start : span.end]


def section_values(text: str, section: str, file: object) -> Mapping[str, str]:
    """The values of one section; reads nothing else: the rest of the file may be long. {} where it can't be read."""
    found = section_text(text, section)
    if found is None:
        return {}
    try:
        return values(found, file)[section]
    except AirflowError:  # the look at the whole file will name the line
        return {}


def differing(before: str, after: str, file: object) -> list[str]:
    """The sections of `after` that have other values than in `before`, or weren't there, in order."""
    was = values(before, file)
    return [name for name, found in values(after, file).items() if name != "DEFAULT" and was.get(name) != found]


def holds(text: str, wanted: Wanted, file: object) -> bool:
    """True if each option has its value already, and those that must not be there are not."""
    found = {name: section_values(text, name, file) for name in wanted}
    return all(
        found[name].get(option) == value for name, options in wanted.items() for option, value in options.items()
    )


def edited(text: str, wanted: Wanted, new: Mapping[str, str], file: object) -> Edit:
    """`text` with the wanted options; a section that it lacks is appended as `new` has it.

    Raises AirflowError where that would change another value.
    """
    before = values(text, file)
    result, gaps = text, {}
    for name, options in wanted.items():
        span = find(result, name)
        if span is not None:
            inside = result[span.start : span.end]
            where = _where(text, name, file)
            inside = _section_edited(inside, newline(inside if "\n" in inside else result), name, options, where)
            result = result[: span.start] + inside + result[span.end :]
        elif any(value is not None for value in options.values()):
            gaps[name] = _gap(result)
            result += gaps[name] + new[name].replace("\n", newline(result))
    meant = {name: dict(options) for name, options in before.items()}
    for name, options in wanted.items():
        if name in before or any(value is not None for value in options.values()):
            merged: Mapping[str, str | None] = {**before.get(name, before["DEFAULT"]), **options}
            meant[name] = {option: value for option, value in merged.items() if value is not None}
    found = values(result, file)
    if found != meant:
        wrong = next((name for name in {**meant, **found} if found.get(name) != meant.get(name)), "")
        raise _uneditable(_where(text, wrong, file))
    return Edit(result, gaps)


def _section_edited(text: str, ending: str, name: str, options: Mapping[str, str | None], where: str) -> str:
    """The section with other options (None: without), and with the indentation that it has: a line that begins further left would
    take those after it for its value. `where` is its place, for people. Raises AirflowError.
    """
    plain = text.replace("\r\n", "\n")
    if ending == "\r\n" and plain.replace("\n", "\r\n") != text:
        raise AirflowError(f"{where}: [{name}] mixes two kinds of line endings", "convert it to one of them first")
    header, end, body = plain.partition("\n")
    own, inner = header.removesuffix(header.lstrip()), _indentation(body)
    flat = header.lstrip() + end + re.sub(f"{_TEXT_LINE}{inner}", "", body, flags=re.MULTILINE)
    header, end, body = _edited_flat(flat, name, options, where).partition("\n")
    return (own + header + end + re.sub(_TEXT_LINE, inner, body, flags=re.MULTILINE)).replace("\n", ending)


def _indentation(body: str) -> str:
    """That of the first option, if nothing stands further left."""
    lines = [line for line in body.split("\n") if line.strip()]
    first = next((line for line in lines if line.lstrip()[0] not in "#;"), "")
    found = first.removesuffix(first.lstrip())
    return found if all(line.startswith(found) for line in lines) else ""


def _edited_flat(plain: str, name: str, options: Mapping[str, str | None], where: str) -> str:
    updater = _updater()
    try:
        updater.read_string(plain, source=where)
    except configparser.Error as err:
        raise _uneditable(where) from err
    if str(updater) != plain:
        raise _uneditable(where)
    if not updater[name].options():
        header, _, rest = plain.partition("\n")
        given = (f"{option} = {value}\n" for option, value in options.items() if value is not None)
        return "".join([header, "\n", *given, rest])
    for option, value in options.items():
        if value is not None:
            _set(updater, name, option, value)
        elif updater.has_option(name, option):
            updater.remove_option(name, option)
    return str(updater)


def _set(updater: ConfigUpdater, section: str, option: str, value: str) -> None:
    if not updater.has_option(section, option):
        updater[section][updater[section].options()[-1]].add_after.option(option, "")
    if updater[section][option].value == value:
        return
    if "\n" in value:
        updater[section][option].set_values(value.split("\n"), indent="    ", prepend_newline=False)
    else:
        updater[section][option].value = value


def _updater() -> ConfigUpdater:
    """Its class lies in a module of its own; the package would ask importlib.metadata for its version: a tenth of `render`."""
    name = "configupdater"
    spec = None if name in sys.modules else find_spec(name)
    if spec is not None:
        sys.modules[name] = module_from_spec(spec)  # not executed
    try:
        from configupdater.configupdater import ConfigUpdater
    finally:
        if spec is not None:
            del sys.modules[name]
    return ConfigUpdater()


def _uneditable(where: str) -> AirflowError:
    """For what an edit would change besides."""
    message = f"{where}: can't be edited without changing other values"
    return AirflowError(message, "write it again with `render -o FILE`")


def _where(text: str, section: str, file: object) -> str:
    """The file, with the line of the section's header where it has one."""
    span = find(text, section)
    return str(file) if span is None else f"{file}:{text.count(chr(10), 0, span.start) + 1}"


def cut(text: str, section: str, block: str) -> str | None:
    """`text` without `block`, which ends with that section; None: it isn't there as a whole."""
    span = find(text, section)
    if span is None or not text[: span.end].endswith(block):
        return None
    return joined(text[: span.end - len(block)], text[span.end :], newline(block))


def joined(head: str, tail: str, ending: str) -> str:
    """The two with a line's end between them, where the first had none because it was the last."""
    return head + (ending if tail and head.removeprefix(BOM) and not head.endswith("\n") else "") + tail


def without(text: str, managed: str, file: object) -> str:
    """`text` without the options of another text, as far as they have its values; a section that has no other goes."""
    for name, options in values(managed, file).items():
        span = find(text, name)
        if name == "DEFAULT" or span is None:
            continue
        now = section_values(text, name, file)
        if now.keys() <= options.keys() and now.items() <= options.items():
            start = len(text[: span.start].rstrip("\r\n"))
            gap = text[start : span.start]
            text = (
                text[:start]
                + (gap if start and span.end < len(text) else newline(text) * bool(start))
                + text[span.end :]
            )
        else:
            wanted = {option: None for option, value in options.items() if now.get(option) == value}
            text = edited(text, {name: wanted}, {}, file).text
    return text


def reverted(text: str, section: str, after: str, before: str, file: object) -> str:
    """`text` with those options of a section that still are as in `after` as they are in `before`."""
    now, new, old = (section_values(part, section, file) for part in (text, after, before))
    ours = [option for option in {**new, **old} if new.get(option) != old.get(option)]
    wanted = {option: old.get(option) for option in ours if now.get(option) == new.get(option)}
    return edited(text, {section: wanted}, {}, file).text if wanted else text


def _gap(text: str) -> str:
    """The end of the last line, where it has none, and an empty line between what is there and a new section."""
    content = text.removeprefix(BOM)
    ended = not content or content.endswith("\n")
    return newline(text) * ((not ended) + bool(content.strip()))


def newline(text: str) -> str:
    """How its lines end."""
    return "\r\n" if "\r\n" in text else "\n"
