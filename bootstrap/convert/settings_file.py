"""The Astro CLI's airflow_settings.yaml: connections and variables under `airflow:`, as lists."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from bootstrap.convert.found import Found
from bootstrap.convert.structured import loaded, plain
from bootstrap.domain import connection
from bootstrap.domain.connection import Connection
from bootstrap.errors import Malformed, UsageError
from bootstrap.util.nearest import nearest
from bootstrap.util.yaml_dialects import GO, WORDS

_KEYS = {
    "connections": (
        *("conn_id", "conn_type", "conn_uri", "conn_host", "conn_schema", "conn_login", "conn_password", "conn_port"),
        *("conn_extra", "conn_description", "description"),
    ),
    "variables": ("variable_name", "variable_value", "description"),
    "pools": ("pool_name", "pool_slot", "pool_description", "description"),
}
_CLOSE = 0.7  # keys are few and differ much
_IDS = {"connections": "conn_id", "variables": "variable_name", "pools": "pool_name"}


def is_settings(data: object) -> bool:
    """True if data is such a file's: lists, or nothing, below `airflow:` alone."""
    inner = data.get("airflow") if isinstance(data, Mapping) and set(data) == {"airflow"} else None
    return isinstance(inner, Mapping) and all(value is None or isinstance(value, list) for value in inner.values())


def read(text: str, name: str) -> Found:
    """As the Astro CLI takes them: its template's empty entries are skipped, a port of 0 is none. Raises UsageError."""
    data = loaded(text, name, GO)
    if not is_settings(data):
        raise UsageError(f"{name}: expected `airflow:` with connections, pools and variables", "check the file")
    for kind in data["airflow"]:
        if kind not in _KEYS:
            raise UsageError(f"{name}: unknown below airflow: {kind!r}", _meant(kind, _KEYS))
    written = loaded(text, name, WORDS)
    found = Found()
    for where, entry, texts in _entries("connections", data, written, name):
        read_one = partial(_connection, entry, texts, where)
        found.add_connection(texts.get("conn_id"), where, read_one, uri=entry.get("conn_uri"))
    for where, entry, texts in _entries("variables", data, written, name):
        _variable(entry, texts, where, found)
    pools = _entries("pools", data, written, name)
    if pools:
        found.notes.append(f"{name}: {len(pools)} pools are left out: a manifest has none; airflow pools import")
    return found


def _entries(
    kind: str, data: Any, written: Any, name: str
) -> Sequence[tuple[str, Mapping[str, Any], Mapping[str, str]]]:
    """But those of the CLI's template: they have no name, and no value but an example of an extra."""
    entries, texts = data["airflow"].get(kind) or [], written["airflow"].get(kind) or []
    if not all(isinstance(entry, Mapping) for entry in entries):
        raise UsageError(f"{name}: expected a list of mappings as {kind}", "check the file")
    return [
        (f"{name}: {kind}[{index}] {entry.get(_IDS[kind]) or ''}".rstrip(), entry, texts[index])
        for index, entry in enumerate(entries)
        if any(value not in (None, "", {}, 0) for key, value in entry.items() if key != "conn_extra")
    ]


def _require_known(entry: Mapping[str, Any], kind: str, where: str) -> None:
    """Raises Malformed."""
    for key in entry:
        if key not in _KEYS[kind]:
            raise Malformed(f"{where}: unknown: {key}", _meant(key, _KEYS[kind]))


def _meant(key: str, known: Iterable[str]) -> str:
    """`host` for `conn_host` is no misspelling to `nearest`, nor is `connection_id` for `conn_id`."""
    every = list(known)
    short = plain(key).replace("connection_", "conn_").replace("user", "login")
    full = next((name for name in (short, f"conn_{short}", f"variable_{short}") if name in every), None)
    near = full or nearest(short, every, _CLOSE)
    return f"did you mean {near!r}?" if near else f"known are {', '.join(every)}"


def _connection(entry: Mapping[str, Any], texts: Mapping[str, str], where: str) -> Connection:
    _require_known(entry, "connections", where)
    fields = {}
    for name, value in entry.items():
        if name == "conn_id" or value in (None, "") or (name == "conn_port" and value in (0, "0")):
            continue
        # a password 00123 without quotes is a number to YAML, and meant as it stands there; `extra` is data
        as_is = isinstance(value, str) or name == "conn_extra"
        fields[name if name == "conn_type" else name.removeprefix("conn_")] = value if as_is else texts.get(name, value)
    uri = fields.pop("uri", None)
    if uri is None:
        return connection.from_fields(fields, where)
    if any(value != {} for value in fields.values()):
        raise Malformed(f"{where}: can be read in two ways: as `conn_uri`, or as fields", "keep one of them")
    return connection.from_text(uri, where)


def _variable(entry: Mapping[str, Any], texts: Mapping[str, str], where: str, found: Found) -> None:
    value = entry.get("variable_value")
    try:
        _require_known(entry, "variables", where)
    except Malformed as err:
        found.leave_out(err.message, err.hint)
        return
    if value is None:
        found.leave_out(f"{where}: the variable has no value")
    else:
        text = value if isinstance(value, str | Mapping | list) else texts.get("variable_value", value)
        found.add_variable(texts.get("variable_name"), where, text)
