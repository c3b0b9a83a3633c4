"""Connections as rows of Airflow's table. Imported only inside Airflow's own processes.

Airflow's `Connection` is not made for any of them: it would hand each value to Airflow's secrets masker, which compiles
all of them anew for each, so that a thousand take a minute.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from airflow import settings
from airflow.exceptions import AirflowException
from airflow.models.connection import Connection, sanitize_conn_id
from airflow.models.crypto import get_fernet
from cryptography.fernet import InvalidToken
from sqlalchemy import bindparam, insert, inspect, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from bootstrap import airflow_api
from bootstrap.errors import AirflowError, BootstrapError, IllegalName, Unavailable

LOCK_TIMEOUT = 10  # seconds
_AT_ONCE = 500  # conn_ids in one query: SQLite takes 999 in some versions
_PLAIN = ("conn_type", "description", "host", "login", "schema", "port")
_ENCRYPTED = {"password": "is_encrypted", "extra": "is_extra_encrypted"}  # and the column that says so
_BEGIN = {  # from here on nobody else writes these rows, and nobody is waited for longer than that
    "sqlite": (f"PRAGMA busy_timeout = {LOCK_TIMEOUT * 1000}", "BEGIN IMMEDIATE"),
    "postgresql": (f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}s'",),
    "mysql": (f"SET SESSION innodb_lock_wait_timeout = {LOCK_TIMEOUT}",),
}
_LOCKED = ("is locked", "lock timeout", "lock wait timeout")  # in SQLite's, Postgres' and MySQL's words
_NO_KEY = "Airflow has no Fernet key"
_NEW_KEY = 'python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"'
_TABLE = Connection.__table__

Row = Mapping[str, Any]


def require_database() -> None:
    """Raises AirflowError if it isn't there or has no table of connections. Creates nothing."""
    if missing := airflow_api.missing_database():
        raise AirflowError(f"metadata database: {missing.partition(':')[0]}", _migrate())
    with settings.engine.connect() as connection:
        if not inspect(connection).has_table(_TABLE.name):
            raise AirflowError("metadata database: it has no table of connections", _migrate())


def read(conn_ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Those that are there. Raises IllegalName, AirflowError for a connection of a team."""
    wanted = list(conn_ids)
    for conn_id in wanted:
        if sanitize_conn_id(conn_id) != conn_id:
            raise IllegalName(f"metadata database: Airflow takes no connection named {conn_id!r}", "rename it")
    with settings.engine.connect() as connection:
        return {conn_id: _read(row) for conn_id, row in _stored(connection, wanted).items()}


def write(changes: Sequence[Mapping[str, Any]], *, allow_unencrypted: bool) -> list[str]:
    """Write all, in one transaction, or none: then the conn_ids that are not as expected. Raises AirflowError."""
    if not allow_unencrypted and not _fernet().is_encrypted:
        raise AirflowError(
            f"metadata database: {_NO_KEY}, so passwords would be written in plain text",
            f"set [core] fernet_key in airflow.cfg to what this prints: {_NEW_KEY}",
        )
    rows = {change["conn_id"]: _row(change) for change in changes}
    expected = {change["conn_id"]: change["expect"] for change in changes}
    try:
        return _write(rows, expected)
    except IntegrityError:  # somebody else may have been quicker to create one
        with settings.engine.connect() as connection:
            conflicts = _differing(_stored(connection, rows), expected)
        if not conflicts:
            raise
        return conflicts


def translated(err: Exception) -> BootstrapError:
    """What went wrong, without a value."""
    said = str(err.orig).partition("\n")[0] if isinstance(err, DBAPIError) else type(err).__name__
    if isinstance(err, OperationalError) and any(words in said.lower() for words in _LOCKED):
        return Unavailable(
            f"metadata database: another process has kept it locked for {LOCK_TIMEOUT} s",
            "try again when that is done",
        )
    if isinstance(err, OperationalError) and settings.engine.dialect.name != "sqlite":
        return Unavailable(f"metadata database: {said}", "airflow db check")
    return AirflowError(f"metadata database: {said}", "airflow db check")


def _migrate() -> str:
    return f"AIRFLOW_HOME={os.environ.get('AIRFLOW_HOME', '')} airflow db migrate"


def _fernet() -> Any:
    """Airflow's own, which it makes once. Raises AirflowError for a key that is none."""
    try:
        return get_fernet()
    except AirflowException as err:
        raise AirflowError(
            "metadata database: [core] fernet_key is no Fernet key", f"set it to what this prints: {_NEW_KEY}"
        ) from err


def _write(rows: Mapping[str, Row], expected: Mapping[str, str | None]) -> list[str]:
    with _transaction() as connection:
        stored = _stored(connection, rows, lock=True)
        conflicts = _differing(stored, expected)
        if conflicts:
            return conflicts
        new = [row for conn_id, row in rows.items() if conn_id not in stored]
        old = [{"of": stored[conn_id]["id"], **row} for conn_id, row in rows.items() if conn_id in stored]
        if new:
            connection.execute(insert(_TABLE), new)
        if old:
            connection.execute(update(_TABLE).where(_TABLE.c.id == bindparam("of")), old)
    return []


@contextmanager
def _transaction() -> Iterator[Any]:
    with settings.engine.begin() as connection:
        for statement in _BEGIN.get(connection.dialect.name, ()):
            connection.exec_driver_sql(statement)
        yield connection


def _stored(connection: Any, conn_ids: Iterable[str], *, lock: bool = False) -> dict[str, Row]:
    wanted = list(conn_ids)
    found: dict[str, Row] = {}
    for start in range(0, len(wanted), _AT_ONCE):
        query = select(_TABLE).where(_TABLE.c.conn_id.in_(wanted[start : start + _AT_ONCE]))
        rows = connection.execute(query.with_for_update() if lock else query)
        found |= {row.conn_id: dict(row._mapping) for row in rows}  # noqa: SLF001  its public name since SQLAlchemy 1.4
    return found


def _differing(stored: Mapping[str, Row], expected: Mapping[str, str | None]) -> list[str]:
    versions = {conn_id: _version(row) for conn_id, row in stored.items()}
    return [conn_id for conn_id, version in expected.items() if versions.get(conn_id) != version]


def _version(row: Row) -> str:
    """All that is stored, as it is stored: an encrypted value is another each time that it is written."""
    return hashlib.sha256(json.dumps(row, sort_keys=True, default=str).encode()).hexdigest()


def _read(row: Row) -> dict[str, Any]:
    if row.get("team_name") is not None:
        raise AirflowError(
            f"metadata database: {row['conn_id']} belongs to the team {row['team_name']}, whose tasks alone see it",
            "take it from the team, or name the connection differently",
        )
    fields = {name: row[name] for name in _PLAIN}
    for name, flag in _ENCRYPTED.items():
        try:
            fields[name] = _decrypted(row[name], encrypted=row[flag])
        except (InvalidToken, ValueError):
            return {"version": _version(row), "malformed": f"its {name} can't be decrypted with Airflow's Fernet key"}
    return {"version": _version(row), "fields": fields}


def _decrypted(value: str | None, *, encrypted: bool) -> str | None:
    if not value or not encrypted:
        return value
    fernet = _fernet()
    if not fernet.is_encrypted:
        raise ValueError(_NO_KEY)
    return str(fernet.decrypt(value.encode()), "utf-8")


def _row(change: Mapping[str, Any]) -> Row:
    """All columns. What is empty is stored as it is: so Airflow reads '' as '', and None as None."""
    fields, fernet = change["fields"], _fernet()
    row = {"conn_id": change["conn_id"], **{name: fields.get(name) for name in _PLAIN}}
    for name, flag in _ENCRYPTED.items():
        value = fields.get(name)
        row[name] = fernet.encrypt(value.encode()).decode() if value else value
        row[flag] = bool(value and fernet.is_encrypted)
    return row
