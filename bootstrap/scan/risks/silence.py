"""`# noqa` and `# noqa: AB201` on the first or the last line of a statement."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence

from bootstrap.scan.risks.base import Found
from bootstrap.scan.sources.syntax import Parsed

_NOQA = re.compile(r"#\s*noqa(?P<codes>\s*:\s*[A-Z]+[0-9]+(?:[\s,]+[A-Z]+[0-9]+)*)?(?![\w:])", re.IGNORECASE)


class Silence:
    """What the comments of a file silence."""

    def __init__(self, source: Parsed) -> None:
        self._codes = {line: codes for line, text in source.comments.items() if (codes := _codes(text)) is not None}
        self._spans = sorted(_spans(source.tree.body)) if self._codes else []

    def silences(self, code: str, found: Found) -> bool:
        """True if a comment says so where it was found, or around the statement."""
        if not self._codes:
            return False
        lines = {found.line, found.last or found.line, *self._around(found.line)}
        return any(line in self._codes and (not self._codes[line] or code in self._codes[line]) for line in lines)

    def _around(self, line: int) -> Sequence[int]:
        """First and last line of the innermost statement around a line; a compound one ends before its body."""
        spans = [(first, last) for first, last in self._spans if first <= line <= last]
        return min(spans, key=lambda span: span[1] - span[0], default=())


def _codes(comment: str) -> frozenset[str] | None:
    """The codes of a `noqa`: none for all of them; None where there is no `noqa`."""
    found = _NOQA.search(comment)
    return None if found is None else frozenset(re.findall(r"[A-Z]+[0-9]+", (found["codes"] or "").upper()))


def _spans(body: Sequence[ast.stmt]) -> Iterator[tuple[int, int]]:
    todo = [*body]
    while todo:
        node = todo.pop()
        inner = _inner(node)
        first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", ()))])
        yield first, max(first, inner[0].lineno - 1) if inner else node.end_lineno or node.lineno
        todo += inner


def _inner(node: ast.stmt) -> list[ast.stmt]:
    """The statements in a statement, in order."""
    found: list[ast.stmt] = []
    for _, value in ast.iter_fields(node):
        for each in value if isinstance(value, list) else ():
            if isinstance(each, ast.stmt):
                found.append(each)
            elif isinstance(each, ast.ExceptHandler | ast.match_case):
                found += each.body
    return found
