"""Rows for the databases of checks, still encrypted. Imported only inside Airflow's own processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from airflow import settings
from cryptography.fernet import Fernet

from bootstrap.targets.base import Key
from bootstrap.targets.index import Index
from bootstrap.targets.metadata.rows import PLACE, listed
from bootstrap.targets.metadata.tables import BY_KIND, Row, Table, fernet, is_of_a_team


def copies(names: Mapping[str, Sequence[str]], owner: str) -> dict[str, Any]:
    """Of these, by kind: `{"rows": {TABLE: [COLUMNS, …]}, "states": {CONN_ID: STATE}, "key": a Fernet key, or null}`.

    Rows are there of those alone that the owner has registered. A state is "copied", "undecryptable", "foreign" (somebody else's), or
    of a "team". What is stored in plain text is encrypted in the copy: with Airflow's key or, where it has none, with `key`.
    """
    key = None if fernet().is_encrypted else Fernet.generate_key().decode()
    encrypt = fernet().encrypt if key is None else Fernet(key).encrypt
    rows: dict[str, list[Mapping[str, Any]]] = {}
    states: dict[str, dict[str, str]] = {}
    with settings.engine.connect() as connection:
        ours = set(Index.read(listed(connection), PLACE).owned(owner))
        for kind, table in BY_KIND.items():
            stored = table.stored(connection, names[kind])
            states[kind] = {name: _state(table, row, ours=Key(kind, name) in ours) for name, row in stored.items()}
            found = (stored[name] for name in stored if Key(kind, name) in ours and states[kind][name] != "team")
            rows[table.table.name] = [dict(_copied(table, row, encrypt)) for row in found]
    return {"rows": rows, "states": states["connection"], "key": key}


def _state(table: Table, row: Row, *, ours: bool) -> str:
    if is_of_a_team(row):
        return "team"
    if "fields" not in table.shown(row):
        return "undecryptable"
    return "copied" if ours else "foreign"


def _copied(table: Table, row: Row, encrypt: Callable[[bytes], bytes]) -> Iterator[tuple[str, Any]]:
    """Its columns but for its id, which Airflow gives anew."""
    for name in (table.name, *table.plain):
        yield name, row[name]
    for name, flag in table.encrypted.items():
        plain = row[name] and not row[flag]
        yield name, encrypt(row[name].encode()).decode() if plain else row[name]
        yield flag, bool(row[name])
