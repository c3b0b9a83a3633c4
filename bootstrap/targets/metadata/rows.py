"""Connections and variables as rows of Airflow's tables, and copies of them for the databases of checks, still encrypted.

Imported only inside Airflow's own processes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from airflow import settings
from airflow.models.connection import sanitize_conn_id
from cryptography.fernet import Fernet
from sqlalchemy import inspect
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from bootstrap.airflow import compat
from bootstrap.domain.secret import foreign
from bootstrap.errors import (
    RESTORE_KEY,
    UNDECRYPTABLE,
    AirflowError,
    BootstrapError,
    IllegalName,
    Unavailable,
    Undecryptable,
)
from bootstrap.manifest.models import INDEX
from bootstrap.targets.base import Key, Kind
from bootstrap.targets.index import Index
from bootstrap.targets.metadata.tables import (
    BY_KIND,
    CONNECTIONS,
    NO_KEY,
    SET_KEY,
    VARIABLES,
    Row,
    Table,
    fernet,
    is_of_a_team,
    version,
)

LOCK_TIMEOUT = 10  # seconds
BEGIN = {  # from here on nobody else writes these rows, and nobody is waited for longer than that
    "sqlite": (f"PRAGMA busy_timeout = {LOCK_TIMEOUT * 1000}", "BEGIN IMMEDIATE"),
    "postgresql": (f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}s'",),
    "mysql": (f"SET SESSION innodb_lock_wait_timeout = {LOCK_TIMEOUT}",),
}
_LOCKED = ("is locked", "lock timeout", "lock wait timeout")  # in SQLite's, Postgres' and MySQL's words
PLACE = "metadata database"
_TRIES = 5

Rows = Mapping[str, Mapping[str, Row]]  # by kind, then by name


def require_database() -> None:
    """Raises AirflowError if it isn't there or has no table of connections. Creates nothing."""
    if missing := compat.missing_database():
        raise AirflowError(f"{PLACE}: {missing.partition(':')[0]}", _migrate())
    with settings.engine.connect() as connection:
        if not inspect(connection).has_table(CONNECTIONS.table.name):
            raise AirflowError(f"{PLACE}: it has no table of connections", _migrate())


def read(names: Mapping[str, Sequence[str]], owner: str) -> dict[str, Any]:
    """Those that are there, and what the owner has there besides: by kind; and the list of what is ours.

    Raises IllegalName, AirflowError for a wanted one of a team, Unavailable where other runs write all the time.
    """
    for conn_id in names["connection"]:
        if sanitize_conn_id(conn_id) != conn_id:
            raise IllegalName(f"{PLACE}: Airflow takes no connection named {conn_id!r}", "rename it")
    with settings.engine.connect() as connection:
        for _ in range(_TRIES):
            stored = _list(connection)
            text = _text(stored)
            index = Index.read(text, PLACE)
            found: dict[str, Any] = {kind: _shown(connection, kind, names[kind], index, owner) for kind in BY_KIND}
            if _list(connection) == stored:  # else another run wrote between these statements
                url, home = settings.engine.url, Path(os.environ.get("AIRFLOW_HOME", "")).resolve()
                inside = url.get_backend_name() == "sqlite" and Path(url.database or "").resolve().is_relative_to(home)
                return {"index": text, "undecryptable": _is_sealed(stored), "shared": not inside, **found}
    raise Unavailable(f"{PLACE}: other runs register there all the time", "try again when they are done")


def write(
    changes: Sequence[Mapping[str, Any]], marks: Sequence[Mapping[str, Any]], owner: str, *, allow_unencrypted: bool
) -> list[list[str]]:
    """Write all, in one transaction, or none: then kind and name of those that are not as expected. Raises AirflowError.

    `marks` are those that are as they should be, and only listed anew.
    """
    if not allow_unencrypted and not fernet().is_encrypted:
        raise AirflowError(f"{PLACE}: {NO_KEY}, so passwords would be written in plain text", SET_KEY)
    rows: dict[str, dict[str, Row | None]] = {kind: {} for kind in BY_KIND}
    for change in changes:
        kind, name, fields = change["kind"], change["name"], change["fields"]
        rows[kind][name] = BY_KIND[kind].row(name, fields) if fields is not None else None
    expected = {(it["kind"], it["name"]): it["expect"] for it in (*changes, *marks)}
    try:
        return _write(rows, expected, owner)
    except IntegrityError:  # somebody else may have been quicker to create one, or the list of what is ours
        with settings.engine.connect() as connection:
            conflicts = _differing(_stored(connection, expected), expected)
        return conflicts or _write(rows, expected, owner)


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
        stored_index = _list(connection)
        if _is_sealed(stored_index):
            raise Undecryptable(f"{PLACE}: the list of what is registered there {UNDECRYPTABLE}", RESTORE_KEY)
        ours = set(Index.read(_text(stored_index), PLACE).owned(owner))
        for kind, table in BY_KIND.items():
            states[kind], rows[table.table.name] = {}, []
            for name, row in table.stored(connection, names[kind]).items():
                is_ours = Key(kind, name) in ours
                if is_of_a_team(row):
                    states[kind][name] = "team"
                    continue
                readable = "fields" in table.shown(row)
                states[kind][name] = "undecryptable" if not readable else "copied" if is_ours else "foreign"
                if is_ours:
                    rows[table.table.name].append(dict(_copied(table, row, encrypt)))
    return {"rows": rows, "states": states["connection"], "key": key}


def _copied(table: Table, row: Row, encrypt: Callable[[bytes], bytes]) -> Iterator[tuple[str, Any]]:
    """Its columns but for its id, which Airflow gives anew."""
    for name in (table.name, *table.plain):
        yield name, row[name]
    for name, flag in table.encrypted.items():
        plain = row[name] and not row[flag]
        yield name, encrypt(row[name].encode()).decode() if plain else row[name]
        yield flag, bool(row[name])


def translated(err: Exception) -> BootstrapError:
    """What went wrong, without a value."""
    said = foreign(str(err.orig)).partition("\n")[0] if isinstance(err, DBAPIError) else type(err).__name__
    if isinstance(err, OperationalError) and any(words in said.lower() for words in _LOCKED):
        message = f"{PLACE}: another process has kept it locked for {LOCK_TIMEOUT} s"
        return Unavailable(message, "try again when that is done")
    if isinstance(err, OperationalError) and settings.engine.dialect.name != "sqlite":
        return Unavailable(f"{PLACE}: {said}", "airflow db check")
    return AirflowError(f"{PLACE}: {said}", "airflow db check")


def _migrate() -> str:
    return f"AIRFLOW_HOME={os.environ.get('AIRFLOW_HOME', '')} airflow db migrate"


def _shown(connection: Any, kind: Kind, names: Sequence[str], index: Index, owner: str) -> dict[str, Any]:
    """Those of a kind. What is not wanted any more, and was given to a team, is told as such."""
    table, wanted = BY_KIND[kind], set(names)
    owned = [key.name for key in index.owned(owner) if key.kind == kind]
    rows = table.stored(connection, dict.fromkeys((*names, *owned)))
    for name in wanted & rows.keys():
        table.require_no_team(rows[name])
    marks = {name: _mark(Key(kind, name), row, index) for name, row in rows.items()}
    return {name: {**table.shown(row), "mark": marks[name], "team": is_of_a_team(row)} for name, row in rows.items()}


Expected = Mapping[tuple[Kind, str], str | None]


def _write(rows: Mapping[str, Mapping[str, Row | None]], expected: Expected, owner: str) -> list[list[str]]:
    with settings.engine.begin() as connection:
        for statement in BEGIN.get(connection.dialect.name, ()):
            connection.exec_driver_sql(statement)
        stored = _stored(connection, expected, lock=True)
        conflicts = _differing(stored, expected)
        if conflicts:
            return conflicts
        for kind, table in BY_KIND.items():
            table.write(connection, rows[kind], stored[kind])
        _write_index(connection, _stored(connection, expected), expected, owner)
    return []


def _mark(key: Key, row: Row, index: Index) -> str:
    """A digest of what the row says; its version where the list has that still, from an earlier release."""
    entry = index.entries.get(key)
    if entry is not None and entry.mark is not None and len(entry.mark) == len(version(row)):
        return version(row)
    return index.digest_of(BY_KIND[key.kind].state(row))


def _list(connection: Any, *, lock: bool = False) -> Mapping[str, Row]:
    """The row of the list of what is ours, if there is one."""
    return VARIABLES.stored(connection, [INDEX], lock=lock)


def _is_sealed(stored: Mapping[str, Row]) -> bool:
    """True if the list is there, and encrypted with a key that Airflow has no more."""
    return INDEX in stored and "fields" not in VARIABLES.shown(stored[INDEX])


def _text(stored: Mapping[str, Row]) -> str | None:
    """None where there is none that could be read: it is replaced only where that was asked for."""
    if INDEX not in stored or _is_sealed(stored):
        return None
    return str(VARIABLES.shown(stored[INDEX])["fields"]["val"])


def _write_index(connection: Any, now: Rows, expected: Expected, owner: str) -> None:
    """It is inserted if it wasn't there to be locked, so a list that another run has begun meanwhile is not replaced."""
    stored = _list(connection, lock=True)
    index = Index.read(_text(stored), PLACE)
    rows = {Key(kind, name): now[kind].get(name) for kind, name in expected}
    marks = {key: index.digest_of(BY_KIND[key.kind].state(row)) if row else None for key, row in rows.items()}
    index = index.done(marks, owner)
    VARIABLES.write(connection, {INDEX: VARIABLES.row(INDEX, {"val": index.text()})}, stored)


def _stored(connection: Any, expected: Expected, *, lock: bool = False) -> Rows:
    return {
        kind: table.stored(connection, [name for of, name in expected if of == kind], lock=lock)
        for kind, table in BY_KIND.items()
    }


def _differing(stored: Rows, expected: Expected) -> list[list[str]]:
    rows = {(kind, name): stored[kind].get(name) for kind, name in expected}
    return [[kind, name] for (kind, name), row in rows.items() if (row and version(row)) != expected[kind, name]]
