"""Closes brackets that a broken file leaves open, so that one of them doesn't swallow the statements that follow.

The mark of such a bracket is a line that isn't indented deeper than the statement it would belong to, and that begins like a statement.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_CLOSES = {"(": ")", "[": "]", "{": "}"}
_TOKEN = re.compile(
    r"""(?P<skipped>('{3}|"{3})(?:\\.|(?!\2).)*(?:\2|\Z)    # a long string
      | '(?:\\.|[^'\\\n])*'? | "(?:\\.|[^"\\\n])*"?)        # a string, if need be up to the end of its line
      | (?P<comment>\#[^\n]*) | (?P<mark>[][(){}\n])""",
    re.DOTALL | re.VERBOSE,
)
_STATEMENT = re.compile(
    r"""@ | (?:async\s+)?(?:def|class|with|for|while|if|try)\b | (?:elif|else|except|finally)\b
      | (?:import|from|return|raise|assert|del|global|pass|break|continue)\b
      | [\w.]+(?:\[[^]\n]*\])?\s*(?:=(?!=)|[-+*/|]=|\(|>>|<<|:\s|\.)""",
    re.VERBOSE,
)


def closed(text: str) -> str:
    """The text with what is missing added at the ends of lines, so that the positions before stay as they are."""
    scan = _Scan(text)
    for token in _TOKEN.finditer(text):
        if token["comment"]:
            scan.ends_code(token.start())
        elif token["mark"] == "\n":
            scan.line(token.start())
        elif token["mark"]:
            scan.bracket(token["mark"], token.start())
        else:
            scan.string_over(token.start(), token.end())
    scan.line(len(text))
    scan.close_all()
    for position, added in sorted(scan.added, reverse=True):
        text = text[:position] + added + text[position:]
    return text


@dataclass
class _Scan:
    """Where the scan is: what is open, and how deep the statement is indented. `code_end`: of the last line with code."""

    text: str
    added: list[tuple[int, str]] = field(default_factory=list)
    open: list[str] = field(default_factory=list)
    indent: int = 0
    code_end: int = 0
    start: int = 0
    comment: int | None = None

    def __post_init__(self) -> None:
        self._begin(0)

    def ends_code(self, position: int) -> None:
        self.comment = position

    def string_over(self, start: int, end: int) -> None:
        """Lines of a long string are no lines of code."""
        if "\n" in self.text[start:end]:
            self.code_end = end
            self.start = self.text.rfind("\n", start, end) + 1

    def bracket(self, mark: str, position: int) -> None:
        if mark in _CLOSES:
            self.open.append(_CLOSES[mark])
        elif mark in self.open:
            missing = ""
            while (top := self.open.pop()) != mark:
                missing += top
            if missing:
                self.added.append((position, missing))

    def line(self, end: int) -> None:
        """At the end of a line: what the next one begins."""
        code = self.text[self.start : self.comment if self.comment is not None else end].rstrip()
        if code:
            self.code_end = self.start + len(code)
        self._begin(end + 1)

    def _begin(self, start: int) -> None:
        self.start, self.comment = start, None
        end = self.text.find("\n", start)
        line = self.text[start : end if end >= 0 else len(self.text)]
        bare = line.lstrip()
        if not bare or bare[0] in "#)]}":
            return
        indent = len(line) - len(bare)
        if not self.open:
            self.indent = indent
        elif indent <= self.indent and _STATEMENT.match(bare):
            self.close_all()
            self.indent = indent

    def close_all(self) -> None:
        if self.open:
            self.added.append((self.code_end, "".join(reversed(self.open))))
            self.open.clear()
