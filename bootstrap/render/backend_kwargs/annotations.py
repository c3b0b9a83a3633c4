"""Checks a JSON value against a Python annotation."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from types import NoneType
from typing import Any

from bootstrap.providers.python_source import dotted_text

_LISTS = (
    *("list", "List", "Sequence", "Iterable", "Collection", "tuple", "Tuple"),
    *("set", "Set", "frozenset", "FrozenSet"),
)
_NAMED = {
    **{name: name for name in ("str", "int", "float", "bool")},
    **dict.fromkeys(("None", "NoneType"), "null"),
    **dict.fromkeys(_LISTS, "list"),
    **dict.fromkeys(("dict", "Dict", "Mapping", "MutableMapping"), "dict"),
}
_WORDS = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "list": "a list",
    "list[str]": "a list of texts",
    "dict": "a mapping",
    "null": "null",
    "object": "what no text in airflow.cfg can say",
}
_CLASSES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "list": (list, tuple),
    "dict": (dict,),
    "null": (NoneType,),
    "object": (),
}


@dataclass(frozen=True)
class Parameter:
    """A keyword argument that a class takes.

    `types` are JSON's ("str", "int", "float", "bool", "list", "list[str]", "dict", "null"), or "object" for what JSON has
    not; none: anything goes. `choices` are all the values there are, or empty. `deprecated` says so in the class's words.
    `default` is None where there is none, or none that is a plain value.
    """

    types: tuple[str, ...] = ()
    required: bool = False
    default: Any = None
    choices: tuple[Any, ...] = ()
    deprecated: str = ""


def types_of(annotation: ast.expr | None) -> tuple[str, ...]:
    """The JSON types of an annotation; () where it means anything, or something that we don't know."""
    found = _types(annotation)
    return () if found is None else tuple(dict.fromkeys(found))


def choices_of(annotation: ast.expr | None) -> tuple[Any, ...]:
    """The values of a `Literal[…]`."""
    match annotation:
        case ast.Subscript(value=value, slice=inner) if _base(value) == "Literal":
            items = inner.elts if isinstance(inner, ast.Tuple) else [inner]
            return tuple(item.value for item in items if isinstance(item, ast.Constant))
        case _:
            return ()


def fits(value: Any, types: Sequence[str]) -> bool:
    """True if a value from JSON is of one of the types. True and false are no numbers."""
    return not types or any(_is(value, name) for name in types)


def in_words(types: Sequence[str]) -> str:
    """For people: "text or a list of texts". That null is one, too, is no help."""
    words = [_WORDS[name] for name in types if name != "null"] or [_WORDS["null"]]
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def word_for(value: Any) -> str:
    """For people: what a value is, without showing it."""
    if isinstance(value, list | tuple):
        return "a list" if fits(value, ("list[str]",)) else "a list of other things"
    return _WORDS["null"] if value is None else _WORDS.get(type(value).__name__, type(value).__name__)


def _types(node: ast.expr | None) -> list[str] | None:
    match node:
        case ast.Constant(value=None):
            return ["null"]
        case ast.Constant(value=str() as quoted):
            return _quoted(quoted)
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _joined([_types(left), _types(right)])
        case ast.Subscript(value=value, slice=inner):
            return _subscript(_base(value), inner.elts if isinstance(inner, ast.Tuple) else [inner])
        case ast.Name() | ast.Attribute():
            return _named(_base(node))
        case _:
            return None


def _named(name: str) -> list[str] | None:
    return [_NAMED[name]] if name in _NAMED else None


def _subscript(base: str, items: Sequence[ast.expr]) -> list[str] | None:
    if base == "Optional":
        return _joined([*map(_types, items), ["null"]])
    if base == "Union":
        return _joined([*map(_types, items)])
    if base in ("Annotated", "Final"):
        return _types(items[0])
    if base == "Literal":
        kinds = [_named(type(item.value).__name__) if isinstance(item, ast.Constant) else None for item in items]
        return _joined(kinds)
    if base in _LISTS:
        return ["list[str]" if _types(items[0]) == ["str"] else "list"]
    return _named(base)


def _joined(kinds: Sequence[list[str] | None]) -> list[str] | None:
    """All of them, null last; anything, if one is."""
    known = [kind for kind in kinds if kind is not None]
    if len(known) < len(kinds):
        return None
    return sorted(itertools.chain.from_iterable(known), key=lambda name: name == "null")


def _quoted(text: str) -> list[str] | None:
    try:
        return _types(ast.parse(text, mode="eval").body)
    except SyntaxError:
        return None


def _base(node: ast.expr) -> str:
    return dotted_text(node).rpartition(".")[2]


def _is(value: Any, name: str) -> bool:
    if name == "list[str]":
        return isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)
    return isinstance(value, _CLASSES[name]) and (name == "bool" or not isinstance(value, bool))
