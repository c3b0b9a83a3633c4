"""Rows of connections for the databases of checks, still encrypted. Imported only inside Airflow's own processes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from airflow import settings
from cryptography.fernet import Fernet

from bootstrap.targets.index import Index
from bootstrap.targets.metadata_rows import PLACE, listed
from bootstrap.targets.metadata_tables import CONNECTIONS, Row, fernet, is_of_a_team


def copies(names: Sequence[str], owner: str) -> dict[str, Any]:
    """Of these connections: `{"rows": [COLUMNS, …], "states": {CONN_ID: STATE}, "key": a Fernet key, or null}`.

    Rows are there of those alone that the owner has registered. A state is "copied", "undecryptable", "foreign" (somebody else's), or
    of a "team". What is stored in plain text is encrypted in the copy: with Airflow's key or, where it has none, with `key`.
    """
    with settings.engine.connect() as connection:
        index = Index.read(listed(connection), PLACE)
        stored = CONNECTIONS.stored(connection, names)
    ours = {key.name for key in index.owned(owner) if key.kind == "connection"}
    states = {name: _state(row, ours) for name, row in stored.items()}
    key = None if fernet().is_encrypted else Fernet.generate_key().decode()
    encrypt = fernet().encrypt if key is None else Fernet(key).encrypt
    copied = [name for name, state in states.items() if state in {"copied", "undecryptable"} and name in ours]
    rows = [_copy(stored[name], encrypt) for name in copied]
    return {"rows": rows, "states": states, "key": key}


def _state(row: Row, ours: set[str]) -> str:
    if is_of_a_team(row):
        return "team"
    if "fields" not in CONNECTIONS.shown(row):
        return "undecryptable"
    return "copied" if row["conn_id"] in ours else "foreign"


def _copy(row: Row, encrypt: Callable[[bytes], bytes]) -> Mapping[str, Any]:
    """Its columns but for its id, which Airflow gives anew."""
    copied = {name: row[name] for name in ("conn_id", *CONNECTIONS.plain)}
    for name, flag in CONNECTIONS.encrypted.items():
        plain = row[name] and not row[flag]
        copied[name] = encrypt(row[name].encode()).decode() if plain else row[name]
        copied[flag] = bool(row[name])
    return copied
