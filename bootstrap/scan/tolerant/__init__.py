"""Reads what Python's own parser refuses."""

from __future__ import annotations

import ast
from functools import lru_cache

from tree_sitter import Language, Parser, Tree


@lru_cache
def language() -> Language:
    """Python's grammar."""
    import tree_sitter_python

    return Language(tree_sitter_python.language())


def tree(text: str) -> Tree:
    """The tolerant tree; its columns count bytes of UTF-8."""
    return Parser(language()).parse(text.encode("utf-8", "replace"))


def module(_text: str, error: BaseException) -> tuple[ast.Module, list[tuple[int, str]]]:
    """The statements that can be read, and what can't."""
    line = getattr(error, "lineno", None) or 1
    return ast.Module(body=[], type_ignores=[]), [(line, "syntax error")]
