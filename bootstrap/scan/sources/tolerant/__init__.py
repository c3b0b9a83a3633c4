"""Reads what Python's own parser refuses: broken files, and syntax newer or older than its own.

tree-sitter's grammar reads what it can, and this lowers its tree to the `ast` nodes that Python would make of it.
"""

from __future__ import annotations

import ast
import warnings

from tree_sitter import Node

from bootstrap.domain.secret import foreign
from bootstrap.scan.sources.tolerant.brackets import closed
from bootstrap.scan.sources.tolerant.nodes import language, problems, tree
from bootstrap.scan.sources.tolerant.statements import Statements

LARGEST = 1_000_000  # characters of a source that Python refuses
__all__ = ["language", "module", "tree"]


def module(text: str, refusal: BaseException) -> tuple[ast.Module, list[tuple[int, str]]]:
    """The statements that can be read, and by line what can't. `refusal` is what `ast.parse` raised: its words are the better ones."""
    best = _best(text) if len(text) <= LARGEST else None
    if best is None:
        return ast.Module([], []), [(_line(refusal), f"{_said(refusal)}, and too much is broken to read the rest")]
    root, is_broken = best
    lowering = Statements()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a foreign file's invalid escape is not our user's business
        body = lowering.statements([root] if root.type == "ERROR" else root.children)
    found = {**lowering.problems}
    for line, message in problems(root):
        found.setdefault(line, message)
    if isinstance(refusal, SyntaxError) and (is_broken or found or not lowering.newer):
        found[_line(refusal)] = _said(refusal)
    return ast.Module(body, []), sorted(found.items())


def _line(refusal: BaseException) -> int:
    return (refusal.lineno if isinstance(refusal, SyntaxError) else None) or 1


def _said(refusal: BaseException) -> str:
    return f"syntax error: {foreign(refusal.msg)}" if isinstance(refusal, SyntaxError) else "nested too deeply"


def _best(text: str) -> tuple[Node, bool] | None:
    """The tree with fewer problems: of the text, or of the text with its brackets closed; and whether the text as it is has any."""
    first = tree(text)
    if first is None:
        return None
    broken = _broken_lines(first.root_node)
    other = closed(text) if broken else text
    second = tree(other) if other != text else None
    if second is not None and _broken_lines(second.root_node) <= broken:
        return second.root_node, True
    return first.root_node, broken > 0


def _broken_lines(root: Node) -> int:
    return len(dict(problems(root)))
