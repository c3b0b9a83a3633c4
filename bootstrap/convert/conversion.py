"""Splits what a source holds into a manifest without secrets, and the secrets, each with the reference that stands for it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from bootstrap.convert.found import Found
from bootstrap.domain.connection import Connection
from bootstrap.domain.reference import Reference
from bootstrap.domain.secret_shapes import is_gap
from bootstrap.domain.sensitive import (
    data_is_secret,
    is_number,
    is_secret,
    is_secret_name,
    named_items,
    names_secret,
    repeats,
    secret_texts,
)

CONNECTIONS, VARIABLES = "source-connections", "source-variables"  # not below what Airflow's backend reads
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")  # what the path of a secret can't have in some store
_PLAIN_FIELDS = ("description", "host", "login", "schema")


@dataclass(frozen=True)
class Place:
    """The store that secrets are put into, and what stands between the parts of a path in it."""

    store: str
    separator: str = "/"


@dataclass(frozen=True)
class Conversion:
    """`connections` and `variables` as the manifest has them, with References; `secrets` are fields by path.

    `unfilled`: gaps of a template that nobody filled in, as "connection db: password"; of those among the secrets, with the
    Reference, which nothing is put at.
    """

    connections: dict[str, dict[str, Any]]
    variables: dict[str, Any]
    secrets: dict[str, dict[str, str]] = field(repr=False)
    unfilled: dict[str, Reference | None] = field(default_factory=dict)

    def references(self, store: str) -> Iterator[Reference]:
        """Of each secret, in order."""
        for path, fields in self.secrets.items():
            yield from (Reference(store, path, name) for name in fields)


class _Whole(Exception):
    """Some secret in `extra` can't be a text of its own: all of `extra` becomes one."""


def convert(found: Found, place: Place) -> Conversion:
    """The same source gives the same references, every time."""
    made = Conversion({}, {}, {})
    taken: set[str] = set()
    for conn_id, connection in found.connections.items():
        split = _Split(place, _free_path(place, CONNECTIONS, conn_id, taken), connection.conn_type)
        made.connections[conn_id] = split.connection(connection)
        taken |= _take(made, split, f"connection {conn_id}")
    for key, value in found.variables.items():
        split = _Split(place, _free_path(place, VARIABLES, key, taken))
        made.variables[key] = split.variable(key, value)
        taken |= _take(made, split, f"variable {key}")
    return made


def _take(made: Conversion, split: _Split, what: str) -> set[str]:
    """The path, if anything refers to it."""
    if split.fields:
        made.secrets[split.path] = split.fields
    made.unfilled.update({f"{what}: {name}": reference for name, reference in split.unfilled.items()})
    return {split.path} if split.fields or any(split.unfilled.values()) else set()


def _free_path(place: Place, folder: str, name: str, taken: Collection[str]) -> str:
    return _free(f"{folder}{place.separator}{_UNSAFE.sub('_', name)}", taken)


def _free(name: str, taken: Collection[str]) -> str:
    """`name`, or with a number that makes it the only one."""
    found, number = name, 1
    while found in taken:
        number += 1
        found = f"{name}_{number}"
    return found


class _Split:
    """One connection or variable; its secrets are the fields of one secret."""

    def __init__(self, place: Place, path: str, conn_type: str | None = None) -> None:
        self.path = path
        self.fields: dict[str, str] = {}
        self.unfilled: dict[str, Reference | None] = {}
        self._names: set[str] = set()
        self._place = place
        self._conn_type = conn_type

    def connection(self, connection: Connection) -> dict[str, Any]:
        texts = secret_texts(connection.extra or {}, conn_type=self._conn_type)
        secrets = tuple(filter(None, (connection.password, *texts)))
        known: dict[str, Any] = {}
        for name, value in connection.as_fields().items():
            if name == "extra":
                known[name] = self._extra(value, secrets)
            else:
                known[name] = self._field(name, value, secrets)
        return known

    def variable(self, key: str, value: Any) -> Any:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        named = names_secret(key)
        if isinstance(value, str):
            return self._text(key, value, "value", named=named)
        if text and data_is_secret(value, inside=named):
            return self._keep("value", text)
        if isinstance(value, dict | list) and not _is_odd(value):
            return value
        return text

    def _field(self, name: str, value: Any, secrets: tuple[str, ...]) -> Any:
        if name == "password":
            return self._text(name, value, name, named=True) if value else value
        if name not in _PLAIN_FIELDS:
            return value
        return self._keep(name, value) if repeats(value, secrets) else self._text(name, value, name)

    def _extra(self, extra: Mapping[str, Any], secrets: tuple[str, ...]) -> Any:
        if _is_odd(extra):
            return self._keep("extra", json.dumps(extra, ensure_ascii=False))
        before = dict(self.fields), dict(self.unfilled)
        try:
            return self._mapping(extra, "extra", secrets)
        except _Whole:
            self.fields, self.unfilled = before
            return self._keep("extra", json.dumps(extra, ensure_ascii=False))

    def _mapping(self, node: Mapping[str, Any], name: str, secrets: tuple[str, ...]) -> dict[str, Any]:
        keys = dict(zip(node, (key for key, _ in named_items(node)), strict=True))
        return {key: self._value(keys[key], item, f"{name}.{key}", secrets) for key, item in node.items()}

    def _value(self, key: str, node: Any, name: str, secrets: tuple[str, ...]) -> Any:
        named = is_secret_name(key, self._conn_type)
        if isinstance(node, str):
            return self._keep(name, node) if repeats(node, secrets) else self._text(key, node, name, named=named)
        if named and (is_number(node) or data_is_secret(node, inside=True)):
            raise _Whole
        if isinstance(node, Mapping):
            return self._mapping(node, name, secrets)
        if isinstance(node, list):
            return [self._value(key, item, f"{name}.{index}", secrets) for index, item in enumerate(node)]
        return node

    def _text(self, key: str, value: str, name: str, *, named: bool = False) -> Any:
        """As it is, or a reference; of a gap in a field for a secret a reference, too, that nothing stands at yet."""
        if is_gap(value):
            self.unfilled[name] = self._reference(name) if named else None
            return self.unfilled[name] or value
        return self._keep(name, value) if is_secret(key, value, self._conn_type) else value

    def _keep(self, name: str, value: str) -> Reference:
        made = self._reference(name)
        self.fields[str(made.field)] = value
        return made

    def _reference(self, name: str) -> Reference:
        field_name = _free(re.sub(r"[^A-Za-z0-9_.-]", "_", name), self._names)
        self._names.add(field_name)
        return Reference(self._place.store, self.path, field_name)


def _is_odd(node: Any) -> bool:
    """What a manifest would read as something else: {secret: …} as a reference; and numbers that JSON doesn't know."""
    if isinstance(node, Mapping):
        return set(node) == {"secret"} or any(map(_is_odd, node.values()))
    if isinstance(node, list):
        return any(map(_is_odd, node))
    return isinstance(node, float) and not math.isfinite(node)
