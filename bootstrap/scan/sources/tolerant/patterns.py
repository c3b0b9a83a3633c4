"""Patterns of `match` statements."""

from __future__ import annotations

import ast
from collections.abc import Callable

from tree_sitter import Node

from bootstrap.scan.sources.tolerant.nodes import (
    Expression,
    Place,
    at,
    between,
    dotted,
    identifier,
    named,
    parts,
    text_of,
)

_SINGLETONS = {"true": True, "false": False, "none": None}


def pattern(nodes: list[Node], lower: Expression) -> ast.pattern:
    """Of the nodes that make up one pattern: mostly one, and two for `-1`."""
    node = nodes[-1]
    place = between(nodes[0], node)
    if nodes[0].type == "-":
        return ast.MatchValue(ast.UnaryOp(ast.USub(), lower(node), **place), **place)
    if node.type in _SINGLETONS:
        return ast.MatchSingleton(_SINGLETONS[node.type], **place)
    how = _KINDS.get(node.type)
    return how(node, place, lower) if how is not None else ast.MatchValue(lower(node), **place)


def _case(node: Node, _place: Place, lower: Expression) -> ast.pattern:
    return pattern(parts(node), lower)


def _wildcard(_node: Node, place: Place, _lower: Expression) -> ast.pattern:
    return ast.MatchAs(None, None, **place)


def _as(node: Node, place: Place, lower: Expression) -> ast.pattern:
    inner, name = named(node)
    return ast.MatchAs(pattern([inner], lower), identifier(name), **place)


def _union(node: Node, place: Place, lower: Expression) -> ast.pattern:
    return ast.MatchOr([pattern(each, lower) for each in _split(parts(node), "|")], **place)


def _star(node: Node, place: Place, _lower: Expression) -> ast.pattern:
    return ast.MatchStar(_bound(node), **place)


def _name(node: Node, place: Place, _lower: Expression) -> ast.pattern:
    """`a` binds, `a.b` is compared with."""
    names = named(node)
    if len(names) == 1:
        return ast.MatchAs(None, dotted(node), **place)
    return ast.MatchValue(_attribute(node), **place)


def _attribute(node: Node) -> ast.expr:
    first, *rest = named(node)
    made: ast.expr = ast.Name(identifier(first), ast.Load(), **at(first))
    for each in rest:
        made = ast.Attribute(made, identifier(each), ast.Load(), **between(first, each))
    return made


def _sequence(node: Node, place: Place, lower: Expression) -> ast.pattern:
    elements = [pattern([each], lower) for each in named(node)]
    if node.type == "tuple_pattern" and len(elements) == 1 and not any(each.type == "," for each in node.children):
        return elements[0]
    return ast.MatchSequence(elements, **place)


def _bound(node: Node) -> str | None:
    name = text_of(node).lstrip("* ")
    return None if name == "_" else name


def _mapping(node: Node, place: Place, lower: Expression) -> ast.pattern:
    made = ast.MatchMapping([], [], None, **place)
    for entry in _split(parts(node)[1:-1], ","):
        if entry and entry[0].type == "splat_pattern":
            made.rest = _bound(entry[0])
        elif len(sides := _split(entry, ":")) == 2:  # noqa: PLR2004  a key and a value
            key = pattern(sides[0], lower)
            made.keys.append(key.value if isinstance(key, ast.MatchValue) else ast.Constant(_constant(key), **place))
            made.patterns.append(pattern(sides[1], lower))
    return made


def _constant(key: ast.pattern) -> bool | None:
    return key.value if isinstance(key, ast.MatchSingleton) else None


def _class(node: Node, place: Place, lower: Expression) -> ast.pattern:
    name, *inner = named(node)
    made = ast.MatchClass(_attribute(name), [], [], [], **place)
    for each in inner:
        keyword = named(each)[0] if named(each) else each
        if keyword.type == "keyword_pattern":
            attribute, _, *value = parts(keyword)
            made.kwd_attrs.append(identifier(attribute))
            made.kwd_patterns.append(pattern(value, lower))
        else:
            made.patterns.append(pattern([each], lower))
    return made


def _complex(node: Node, place: Place, lower: Expression) -> ast.pattern:
    *minus, real, sign, imaginary = parts(node)
    left = lower(real)
    if minus:
        left = ast.UnaryOp(ast.USub(), left, **between(minus[0], real))
    number = ast.BinOp(left, ast.Add() if sign.type == "+" else ast.Sub(), lower(imaginary), **place)
    return ast.MatchValue(number, **place)


def _split(nodes: list[Node], mark: str) -> list[list[Node]]:
    groups: list[list[Node]] = [[]]
    for node in nodes:
        if node.type == mark:
            groups.append([])
        else:
            groups[-1].append(node)
    return [group for group in groups if group]


_KINDS: dict[str, Callable[[Node, Place, Expression], ast.pattern]] = {
    "case_pattern": _case,
    "_": _wildcard,
    "dotted_name": _name,
    "as_pattern": _as,
    "union_pattern": _union,
    "list_pattern": _sequence,
    "tuple_pattern": _sequence,
    "splat_pattern": _star,
    "dict_pattern": _mapping,
    "class_pattern": _class,
    "complex_pattern": _complex,
}
