"""Reads what Python's own parser refuses: broken files, and syntax newer or older than its own.

tree-sitter's grammar reads what it can, and this lowers its tree to the `ast` nodes that Python would make of it.
"""

from __future__ import annotations

import ast
import warnings

from bootstrap.domain.secret import foreign
from bootstrap.scan.tolerant.nodes import language, problems, tree
from bootstrap.scan.tolerant.statements import Statements

__all__ = ["language", "module", "tree"]


def module(text: str, refusal: BaseException) -> tuple[ast.Module, list[tuple[int, str]]]:
    """The statements that can be read, and by line what can't. `refusal` is what `ast.parse` raised: its words are the better ones."""
    root = tree(text).root_node
    lowering = Statements()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a foreign file's invalid escape is not our user's business
        body = lowering.statements([root] if root.type == "ERROR" else root.children)
    found = {**lowering.problems}
    for line, message in problems(root):
        found.setdefault(line, message)
    if isinstance(refusal, SyntaxError) and (found or not lowering.newer):
        found[refusal.lineno or 1] = f"syntax error: {foreign(refusal.msg)}"
    return ast.Module(body, []), sorted(found.items())
