"""What a call is remembered by: that it was followed with the same arguments."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bootstrap.scan.code.values import Attribute, Instance, Items, Made, Table, Text, Unknown, Value

_DEEPEST = 3  # values within values that are told apart


def call_key(pairs: Iterable[tuple[object, Value]]) -> tuple[Any, ...]:
    """Of names with their values. What isn't known is all the same."""
    return tuple(sorted((str(name), _value_key(value, _DEEPEST)) for name, value in pairs))


def _value_key(value: Value, depth: int) -> int:
    return hash(tuple(_atom_key(atom, depth - 1) for atom in value.atoms)) if depth else len(value.atoms)


def _atom_key(atom: Any, depth: int) -> Any:  # noqa: PLR0911  one for each kind of atom
    if isinstance(atom, (Unknown, Text)):
        return type(atom)
    if isinstance(atom, Made):
        words = tuple((name, _value_key(value, depth)) for name, value in atom.call.keywords.items())
        return atom.call.name, words, tuple(_value_key(value, depth) for value in atom.call.arguments)
    if isinstance(atom, Attribute):
        return atom.name, _atom_key(atom.of, depth)
    if isinstance(atom, Instance):
        return atom.of, tuple((name, _value_key(value, depth)) for name, value in atom.attributes.items())
    if isinstance(atom, Items):
        return tuple(_value_key(value, depth) for value in atom.elements)
    if isinstance(atom, Table):
        return tuple((name, _value_key(value, depth)) for name, value in atom.entries)
    return atom
