"""Connections and variables as rows of Airflow's tables. Imported only inside Airflow's own processes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from airflow import settings
from airflow.models.connection import sanitize_conn_id
from sqlalchemy import inspect
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from bootstrap import airflow_api
from bootstrap.errors import AirflowError, BootstrapError, IllegalName, Unavailable
from bootstrap.targets.base import Key, Kind
from bootstrap.targets.index import NAME, Index
from bootstrap.targets.metadata_tables import (
    BY_KIND,
    CONNECTIONS,
    NEW_KEY,
    NO_KEY,
    VARIABLES,
    Row,
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
    if missing := airflow_api.missing_database():
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
            text = listed(connection)
            found = {kind: _shown(connection, kind, names[kind], text, owner) for kind in BY_KIND}
            if listed(connection) == text:  # else another run wrote between these statements
                return {"index": text, "shared": _is_shared(), **found}
    raise Unavailable(f"{PLACE}: other runs register there all the time", "try again when they are done")


def _is_shared() -> bool:
    """Whether it is anything but an SQLite file in Airflow's home."""
    url = settings.engine.url
    home = Path(os.environ.get("AIRFLOW_HOME", "")).resolve()
    return url.get_backend_name() != "sqlite" or not Path(url.database or "").resolve().is_relative_to(home)


def write(
    changes: Sequence[Mapping[str, Any]], marks: Sequence[Mapping[str, Any]], owner: str, *, allow_unencrypted: bool
) -> list[list[str]]:
    """Write all, in one transaction, or none: then kind and name of those that are not as expected. Raises AirflowError.

    `marks` are those that are as they should be, and only listed anew.
    """
    if not allow_unencrypted and not fernet().is_encrypted:
        raise AirflowError(
            f"{PLACE}: {NO_KEY}, so passwords would be written in plain text",
            f"set [core] fernet_key in airflow.cfg to what this prints: {NEW_KEY}",
        )
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


def translated(err: Exception) -> BootstrapError:
    """What went wrong, without a value."""
    said = str(err.orig).partition("\n")[0] if isinstance(err, DBAPIError) else type(err).__name__
    if isinstance(err, OperationalError) and any(words in said.lower() for words in _LOCKED):
        return Unavailable(
            f"{PLACE}: another process has kept it locked for {LOCK_TIMEOUT} s",
            "try again when that is done",
        )
    if isinstance(err, OperationalError) and settings.engine.dialect.name != "sqlite":
        return Unavailable(f"{PLACE}: {said}", "airflow db check")
    return AirflowError(f"{PLACE}: {said}", "airflow db check")


def _migrate() -> str:
    return f"AIRFLOW_HOME={os.environ.get('AIRFLOW_HOME', '')} airflow db migrate"


def _shown(connection: Any, kind: str, names: Sequence[str], index: str | None, owner: str) -> dict[str, Any]:
    """Those of a kind. What is not wanted any more, and was given to a team, is told as such."""
    table, wanted = BY_KIND[kind], set(names)
    owned = [key.name for key in Index.read(index, PLACE).owned(owner) if key.kind == kind]
    rows = table.stored(connection, dict.fromkeys((*names, *owned)))
    for name in wanted & rows.keys():
        table.require_no_team(rows[name])
    return {name: {**table.shown(row), "team": is_of_a_team(row)} for name, row in rows.items()}


Expected = Mapping[tuple[Kind, str], str | None]


def _write(rows: Mapping[str, Mapping[str, Row | None]], expected: Expected, owner: str) -> list[list[str]]:
    with _transaction() as connection:
        stored = _stored(connection, expected, lock=True)
        conflicts = _differing(stored, expected)
        if conflicts:
            return conflicts
        for kind, table in BY_KIND.items():
            table.write(connection, rows[kind], stored[kind])
        now = _stored(connection, expected)
        marks = {Key(kind, name): _mark(now[kind].get(name)) for kind, name in expected}
        _write_index(connection, marks, owner)
    return []


def _mark(row: Row | None) -> str | None:
    return version(row) if row is not None else None


def _list(connection: Any, *, lock: bool = False) -> Mapping[str, Row]:
    """The row of the list of what is ours, if there is one."""
    return VARIABLES.stored(connection, [NAME], lock=lock)


def listed(connection: Any) -> str | None:
    """The text of the list of what is ours; None where there is none."""
    return _text(_list(connection))


def _text(stored: Mapping[str, Row]) -> str | None:
    if NAME not in stored:
        return None
    shown = VARIABLES.shown(stored[NAME])
    return str(shown["fields"]["val"]) if "fields" in shown else "it can't be decrypted"


def _write_index(connection: Any, marks: Mapping[Key, str | None], owner: str) -> None:
    """It is inserted if it wasn't there to be locked, so a list that another run has begun meanwhile is not replaced."""
    stored = _list(connection, lock=True)
    index = Index.read(_text(stored), PLACE).done(marks, owner)
    VARIABLES.write(connection, {NAME: VARIABLES.row(NAME, {"val": index.text()})}, stored)


@contextmanager
def _transaction() -> Iterator[Any]:
    with settings.engine.begin() as connection:
        for statement in BEGIN.get(connection.dialect.name, ()):
            connection.exec_driver_sql(statement)
        yield connection


def _stored(connection: Any, expected: Expected, *, lock: bool = False) -> Rows:
    return {
        kind: table.stored(connection, [name for of, name in expected if of == kind], lock=lock)
        for kind, table in BY_KIND.items()
    }


def _differing(stored: Rows, expected: Expected) -> list[list[str]]:
    return [[kind, name] for (kind, name), wanted in expected.items() if _mark(stored[kind].get(name)) != wanted]
