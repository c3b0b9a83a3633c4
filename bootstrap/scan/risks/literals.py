"""Literals that have a name in the code: `password="…"`, `TOKEN = "…"`, `{"api_key": "…"}`, `os.environ["X"] = "…"`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Named:
    """A text with the name that the code gives it; `call` is the function that takes it, "" where none does."""

    name: str
    text: str
    line: int
    last: int
    call: str = ""


def named_literals(tree: ast.Module) -> Iterator[Named]:
    """Those of a module."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=function):
                called = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
                yield from (each for item in node.keywords if item.arg for each in _named(item.arg, item.value, called))
            case ast.Dict(keys=keys, values=values):
                for key, value in zip(keys, values, strict=True):
                    yield from _named(_text(key), value)
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    yield from _named(_target(target), value)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                yield from _named(_target(target), value)
            case ast.arguments():
                yield from _defaults(node)


def _named(name: str, value: ast.expr, call: str = "") -> Iterator[Named]:
    if name and isinstance(value, ast.Constant) and isinstance(value.value, str):
        yield Named(name, value.value, value.lineno, value.end_lineno or value.lineno, call)


def _defaults(node: ast.arguments) -> Iterator[Named]:
    places = [*node.posonlyargs, *node.args]
    pairs = [
        *zip(reversed(places), reversed(node.defaults), strict=False),
        *zip(node.kwonlyargs, node.kw_defaults, strict=True),
    ]
    for argument, default in pairs:
        if default is not None:
            yield from _named(argument.arg, default)


def _text(node: ast.expr | None) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _target(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Subscript(slice=ast.Constant(value=str() as name)):
            return name
    return ""
