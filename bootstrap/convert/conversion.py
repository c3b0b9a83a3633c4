"""Splits what a source holds into a manifest without secrets, and the secrets, each with the reference that stands for it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from bootstrap.connection import Connection
from bootstrap.convert.found import Found
from bootstrap.convert.sensitive import data_is_secret, is_number, looks_secret, names_secret, repeats, secret_texts
from bootstrap.reference import Reference

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
    """`connections` and `variables` as the manifest has them, with References; `secrets` are fields by path."""

    connections: dict[str, dict[str, Any]]
    variables: dict[str, Any]
    secrets: dict[str, dict[str, str]] = field(repr=False)

    def references(self, store: str) -> Iterator[Reference]:
        """Of each secret, in order."""
        for path, fields in self.secrets.items():
            yield from (Reference(store, path, name) for name in fields)


class _Whole(Exception):
    """Some secret in `extra` can't be a text of its own: all of `extra` becomes one."""


def convert(found: Found, place: Place) -> Conversion:
    """The same source gives the same references, every time."""
    secrets: dict[str, dict[str, str]] = {}
    connections = {}
    for conn_id, connection in found.connections.items():
        split = _Split(place, _free_path(place, CONNECTIONS, conn_id, secrets))
        connections[conn_id] = split.connection(connection)
        if split.fields:
            secrets[split.path] = split.fields
    variables: dict[str, Any] = {}
    for key, value in found.variables.items():
        split = _Split(place, _free_path(place, VARIABLES, key, secrets))
        variables[key] = split.variable(key, value)
        if split.fields:
            secrets[split.path] = split.fields
    return Conversion(connections, variables, secrets)


def _free_path(place: Place, folder: str, name: str, taken: Mapping[str, Any]) -> str:
    return _free(f"{folder}{place.separator}{_UNSAFE.sub('_', name)}", taken)


def _free(name: str, taken: Mapping[str, Any]) -> str:
    """`name`, or with a number that makes it the only one."""
    found, number = name, 1
    while found in taken:
        number += 1
        found = f"{name}_{number}"
    return found


class _Split:
    """One connection or variable; its secrets are the fields of one secret."""

    def __init__(self, place: Place, path: str) -> None:
        self.path = path
        self.fields: dict[str, str] = {}
        self._place = place

    def connection(self, connection: Connection) -> dict[str, Any]:
        secrets = tuple(filter(None, (connection.password, *secret_texts(connection.extra or {}))))
        known: dict[str, Any] = {}
        for name, value in connection.as_fields().items():
            if name == "extra":
                known[name] = self._extra(value, secrets)
            else:
                known[name] = self._keep(name, value) if _is_secret(name, value, secrets) else value
        return known

    def variable(self, key: str, value: Any) -> Any:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        if text and (names_secret(key) or data_is_secret(value)):
            return self._keep("value", text)
        if isinstance(value, dict | list) and not _is_odd(value):
            return value
        return text

    def _extra(self, extra: Mapping[str, Any], secrets: tuple[str, ...]) -> Any:
        if _is_odd(extra):
            return self._keep("extra", json.dumps(extra, ensure_ascii=False))
        before = dict(self.fields)
        try:
            return self._mapping(extra, "extra", lambda text: looks_secret(text) or repeats(text, secrets))
        except _Whole:
            self.fields = before
            return self._keep("extra", json.dumps(extra, ensure_ascii=False))

    def _mapping(self, node: Mapping[str, Any], name: str, is_secret: Callable[[str], bool]) -> dict[str, Any]:
        return {key: self._value(item, f"{name}.{key}", names_secret(key), is_secret) for key, item in node.items()}

    def _value(self, node: Any, name: str, named: bool, is_secret: Callable[[str], bool]) -> Any:  # noqa: FBT001
        if isinstance(node, str):
            return self._keep(name, node) if node and (named or is_secret(node)) else node
        if named and (is_number(node) or data_is_secret(node, inside=True)):
            raise _Whole
        if isinstance(node, Mapping):
            return self._mapping(node, name, is_secret)
        if isinstance(node, list):
            return [self._value(item, f"{name}.{index}", False, is_secret) for index, item in enumerate(node)]
        return node

    def _keep(self, name: str, value: str) -> Reference:
        field_name = _free(re.sub(r"[^A-Za-z0-9_.-]", "_", name), self.fields)
        self.fields[field_name] = value
        return Reference(self._place.store, self.path, field_name)


def _is_secret(name: str, value: Any, secrets: tuple[str, ...]) -> bool:
    if name == "password":
        return bool(value)
    return name in _PLAIN_FIELDS and (looks_secret(value) or repeats(value, secrets))


def _is_odd(node: Any) -> bool:
    """What a manifest would read as something else: {secret: …} as a reference; and numbers that JSON doesn't know."""
    if isinstance(node, Mapping):
        return set(node) == {"secret"} or any(map(_is_odd, node.values()))
    if isinstance(node, list):
        return any(map(_is_odd, node))
    return isinstance(node, float) and not math.isfinite(node)
