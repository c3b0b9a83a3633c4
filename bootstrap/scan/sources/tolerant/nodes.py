"""What all of the lowering needs of tree-sitter's nodes: text, position, and the children that mean something."""

from __future__ import annotations

import ast
import time
import unicodedata
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import TypedDict

from tree_sitter import Language, Node, Parser, Tree

Expression = Callable[[Node], ast.expr]
UNREAD = "…"  # the name that stands for an expression which can't be read
PATIENCE = 4.0  # seconds; a thousand lines of Python take 3 ms
_CHUNK = 65536  # bytes
_NO_MEANING = {"comment", "line_continuation", "ERROR"}


class Place(TypedDict):
    """Where an `ast` node stands. Lines count from 1, columns are bytes of UTF-8 from 0."""

    lineno: int
    col_offset: int
    end_lineno: int
    end_col_offset: int


@lru_cache
def language() -> Language:
    """Python's grammar."""
    import tree_sitter_python

    return Language(tree_sitter_python.language())


def tree(text: str) -> Tree | None:
    """The tolerant tree of a source; None where it takes too long, as it does for a megabyte of something else than Python."""
    source = text.encode("utf-8", "replace")
    until = time.monotonic() + PATIENCE
    try:
        return Parser(language()).parse(
            lambda offset, _: source[offset : offset + _CHUNK],
            progress_callback=lambda _offset, _has_error: time.monotonic() > until,
        )
    except ValueError:
        return None


def between(first: Node, last: Node) -> Place:
    """From the start of one node to the end of another."""
    start, end = first.start_point, last.end_point
    return {
        "lineno": start.row + 1,
        "col_offset": start.column,
        "end_lineno": end.row + 1,
        "end_col_offset": end.column,
    }


def at(node: Node) -> Place:
    """A node's place."""
    return between(node, node)


def text_of(node: Node) -> str:
    """Its source text."""
    return (node.text or b"").decode("utf-8", "replace")


def identifier(node: Node) -> str:
    """A name as Python knows it."""
    name = text_of(node)
    return name if name.isascii() else unicodedata.normalize("NFKC", name)


def dotted(node: Node) -> str:
    """`a.b.c` of a dotted_name, whatever blanks are in it."""
    return ".".join(identifier(part) for part in node.children if part.type == "identifier")


def parts(node: Node) -> list[Node]:
    """The children without comments and without what can't be read."""
    return [child for child in node.children if child.type not in _NO_MEANING and not child.is_missing]


def named(node: Node) -> list[Node]:
    """The same without punctuation and keywords."""
    return [child for child in parts(node) if child.is_named]


def has(node: Node, token: str) -> bool:
    """True if a punctuation mark or keyword is directly in the node."""
    return any(child.type == token for child in node.children)


def field(node: Node, name: str) -> Node | None:
    """The child in a field, if it can be read."""
    found = node.child_by_field_name(name)
    return None if found is None or found.is_missing or found.type in _NO_MEANING else found


def fields(node: Node, name: str) -> list[Node]:
    """The children in a field, without commas between."""
    return [child for child in node.children_by_field_name(name) if child.is_named and child.type not in _NO_MEANING]


def problems(root: Node) -> Iterator[tuple[int, str]]:
    """The lines where the grammar gave up, and what it says; not of type parameters, which are left out anyway."""
    todo = [root]
    while todo:
        node = todo.pop()
        if node.type == "ERROR":
            yield node.start_point.row + 1, "syntax error"
        elif node.is_missing:
            yield node.start_point.row + 1, "syntax error: something is missing"
        if node.has_error:
            todo.extend(child for child in node.children if not _has_type_parameters(node, child))


def _has_type_parameters(node: Node, child: Node) -> bool:
    """The grammar doesn't know their defaults, as of PEP 696."""
    if node.type in {"function_definition", "class_definition"}:
        return child.type == "type_parameter"
    return node.type == "type_alias_statement" and child == node.child_by_field_name("left")


def unread(place: Place) -> ast.Name:
    """What stands for an expression that can't be read."""
    return ast.Name(UNREAD, ast.Load(), **place)
