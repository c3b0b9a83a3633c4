"""Sources that are JSON or YAML: what `airflow connections export` and `airflow variables export` write."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from bootstrap import connection, document
from bootstrap.connection import Connection
from bootstrap.convert.found import Found
from bootstrap.errors import Malformed, ManifestError, UsageError


def loaded(text: str, name: str) -> Any:
    """The data of a JSON or YAML text. Raises UsageError, which quotes none of it."""
    return _json(text, name) if text.lstrip().startswith("{") else _yaml(text, name)


def mapping(data: Any, name: str) -> Mapping[str, Any]:
    """What an export is. Raises UsageError."""
    if not isinstance(data, Mapping):
        raise UsageError(f"{name}: expected a mapping of names to connections or variables", "check what it is")
    return data


def _json(text: str, name: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=partial(_object, name))
    except json.JSONDecodeError as err:  # its `doc` is the text
        raise UsageError(f"{name}:{err.lineno}:{err.colno}: not valid JSON", "export it again") from None


def _object(name: str, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise UsageError(f"{name}: the key {twice!r} is here twice", "keep one of them")
    return found


def _yaml(text: str, name: str) -> Any:
    try:
        return document.parse(text, Path(name)).data
    except ManifestError as err:
        if not isinstance(err.__cause__, yaml.YAMLError):
            raise UsageError(err.message, err.hint) from None
        mark = getattr(err.__cause__, "problem_mark", None)  # the rest may quote the text, e.g. a password *abc
        place = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        raise UsageError(f"{place}: not valid YAML", "put text in quotes") from None


def is_connection(value: object) -> bool:
    """Whether it can be nothing but a connection as Airflow exports one."""
    return isinstance(value, Mapping) and bool({"conn_type", "conn_uri", "uri"} & set(value))


def connections(data: Any, name: str) -> Found:
    """Each by its conn_id: fields, or a URI, or JSON text."""
    found = Found()
    for conn_id, value in mapping(data, name).items():
        where = f"{name}: {conn_id}"
        found.add_connection(conn_id, where, partial(_connection, conn_id, value, where))
    return found


def _connection(conn_id: str, value: object, where: str) -> Connection:
    if isinstance(value, list) and len(value) == 1:  # so Airflow's files for LocalFilesystemBackend may have it
        value = value[0]
    if isinstance(value, str):
        return connection.from_text(value, where)
    if not isinstance(value, Mapping):
        raise Malformed(f"{where}: neither a connection's fields nor a URI", "export it again")
    fields = dict(value)
    if fields.get("conn_id") == conn_id:
        del fields["conn_id"]
    if "extra_dejson" in fields and "extra" not in fields:
        fields["extra"] = fields.pop("extra_dejson")
    return connection.from_fields(fields, where)


def variables(data: Any, name: str) -> Found:
    """Each by its key; `{"value": …, "description": …}` is Airflow's way to export a description, too."""
    found = Found()
    for key, value in mapping(data, name).items():
        described = isinstance(value, Mapping) and "value" in value
        if described and value.get("description"):
            found.notes.append(f"{name}: the description of variable {key} is left out")
        found.add_variable(key, f"{name}: {key}", value["value"] if described else value)
    return found
