"""The Astro CLI's airflow_settings.yaml: connections and variables under `airflow:`, as lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from bootstrap import connection
from bootstrap.connection import Connection
from bootstrap.convert.found import Found
from bootstrap.convert.structured import loaded
from bootstrap.errors import Malformed, UsageError
from bootstrap.yaml_dialects import GO, WORDS

_FIELDS = {"conn_type": "conn_type"}  # the others lose their conn_
_TEXTS = ("description", "host", "schema", "login", "password")


def is_settings(data: object) -> bool:
    """Whether data is such a file's."""
    inner = data.get("airflow") if isinstance(data, Mapping) and set(data) == {"airflow"} else None
    return isinstance(inner, Mapping) and set(inner) <= {"connections", "pools", "variables"}


def read(text: str, name: str) -> Found:
    """An entry without a value is a part of the template that nobody filled in. Raises UsageError."""
    data = loaded(text, name, GO)
    if not is_settings(data):
        raise UsageError(f"{name}: expected `airflow:` with connections, pools and variables", "check what it is")
    written = loaded(text, name, WORDS)
    found = Found()
    for where, entry, texts in _entries("connections", data, written, name):
        found.add_connection(entry.get("conn_id"), where, partial(_connection, entry, texts, where))
    for where, entry, texts in _entries("variables", data, written, name):
        _variable(entry, texts, where, found)
    pools = [entry for _, entry, _ in _entries("pools", data, written, name)]
    if pools:
        found.notes.append(f"{name}: {len(pools)} pools are left out: a manifest has none; airflow pools import")
    return found


def _entries(kind: str, data: Any, written: Any, name: str) -> Sequence[tuple[str, Mapping[str, Any], Any]]:
    entries, texts = data["airflow"].get(kind) or [], written["airflow"].get(kind) or []
    if not isinstance(entries, list) or not all(isinstance(entry, Mapping) for entry in entries):
        raise UsageError(f"{name}: expected a list of mappings as {kind}", "check what it is")
    return [
        (f"{name}: {kind}[{index}] {_name_of(entry)}".rstrip(), entry, texts[index])
        for index, entry in enumerate(entries)
        if any(value not in (None, "", {}) for value in entry.values())
    ]


def _name_of(entry: Mapping[str, Any]) -> str:
    return str(entry.get("conn_id") or entry.get("variable_name") or "")


def _connection(entry: Mapping[str, Any], texts: Mapping[str, str], where: str) -> Connection:
    known = {f"conn_{name}" for name in ("id", "type", "uri", "port", "extra", *_TEXTS)}
    unknown = sorted(set(map(str, entry)) - known)
    if unknown:
        raise Malformed(f"{where}: unknown: {', '.join(unknown)}", "correct it there")
    given = {name: _as_written(entry, texts, name) for name in entry if name != "conn_id"}
    fields = {
        _FIELDS.get(name, name.removeprefix("conn_")): value for name, value in given.items() if value not in (None, "")
    }
    uri = fields.pop("uri", None)
    if uri is not None:
        return _of_uri(uri, fields, where)
    return connection.from_fields(fields, where)


def _of_uri(uri: str, beside: Mapping[str, Any], where: str) -> Connection:
    if beside:
        raise Malformed(f"{where}: can be read in two ways: as `conn_uri`, or as fields", "keep one of them")
    return connection.from_text(uri, where)


def _as_written(entry: Mapping[str, Any], texts: Mapping[str, str], name: str) -> Any:
    """A password 00123 without quotes is a number to YAML, and meant as it stands there; `extra` is data."""
    value = entry[name]
    if value is None or isinstance(value, str) or name == "conn_extra":
        return value
    return texts.get(name, value)


def _variable(entry: Mapping[str, Any], texts: Mapping[str, str], where: str, found: Found) -> None:
    value = entry.get("variable_value")
    if value is None:
        found.leave_out(f"{where}: the variable has no value")
    else:
        text = value if isinstance(value, str | Mapping | list) else texts.get("variable_value", value)
        found.add_variable(entry.get("variable_name"), where, text)
