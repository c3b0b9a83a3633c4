"""SQLite: opens a file that must exist, and reads it; reads `table` if named, and with `write` proves that it may write."""

from __future__ import annotations

import os
import stat
from contextlib import closing
from typing import Any
from urllib.parse import parse_qs, unquote

from bootstrap.checks import _sql
from bootstrap.checks.base import Cause, Run, nowhere
from bootstrap.domain.secret import foreign


class Params(_sql.SqlParams):
    """`table` is a table that must be readable; `write` fills a table in a transaction that is rolled back."""


CONN_TYPES = ("sqlite",)
PROVIDERS = ("apache-airflow-providers-sqlite",)
PERMISSIONS = ("read access to the file", "write access to the file and its folder with `write`")
COMPARES = "a sum over the file's own tables, with a number of the run's own in it"
CREATES = "with `write` a table, in a transaction that is rolled back"
IMPORTS = ("airflow.providers.sqlite.hooks.sqlite",)
STEPS = ("access", "write")
_CATALOG = "sqlite_master"  # `SELECT 1` doesn't look at the file
_READ = f"SELECT count(*) FROM {_CATALOG}"  # noqa: S608
_WRITTEN = -2  # which result says what was written; the last one is ROLLBACK's
endpoint = nowhere


def prepare(conn_id: str, params: Params, run: Run) -> None:  # noqa: ARG001
    """SQLite makes a file that is missing, and is content: see to it that there is one."""
    path = file_of(_hook(conn_id).get_uri())
    if path is not None and require_file(path) == 0:
        run.tell(warning=f"{path} is empty: SQLite makes such a file where it finds none")


def task(conn_id: str, params: Params, run: Run) -> Any:
    """Airflow's SQL operator. A temporary table would be written elsewhere; this one takes the file's lock and its folder's journal."""
    statements = [_sql.reading(params, run, otherwise=_CATALOG)]
    if params.write:
        statements += [
            "BEGIN IMMEDIATE",
            f"CREATE TABLE {run.identifier} (id INTEGER)",
            f"INSERT INTO {run.identifier} VALUES (1)",  # noqa: S608
            f"SELECT {_sql.number(run)} + count(*) FROM {run.identifier}",  # noqa: S608
            "ROLLBACK",
        ]
    return _sql.operator_for(conn_id, statements, run)


def verify(conn_id: str, params: Params, run: Run, result: Any) -> str | None:
    """What was written must have been read. Raises RuntimeError."""
    return _sql.verify(conn_id, params, run, result[_WRITTEN] if params.write else result)


def clean(conn_id: str, params: Params, run: Run) -> None:  # noqa: ARG001
    """Let SQLite roll back what a killed transaction left beside the file, which reading does."""
    path = file_of(_hook(conn_id).get_uri())
    if path is not None and os.path.exists(path):  # noqa: PTH110  a path as SQLite takes it
        with closing(_hook(conn_id).get_conn()) as connection:
            connection.execute(_READ)


def file_of(uri: str) -> str | None:
    """The file that the hook makes SQLite open, sqlite.org/uri.html; None for a database in memory.

    Raises ValueError if the connection names none: SQLite would open a temporary one.
    """
    name, _, query = uri.removeprefix("sqlite:///").partition("#")[0].partition("?")
    path = unquote(name)
    if path == ":memory:" or "memory" in parse_qs(query).get("mode", []):
        return None
    if not path:
        raise ValueError("the connection names no file")
    return path


def require_file(path: str) -> int:
    """The size of a file that can be read. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        status = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(f"{path} is a folder")
    return status.st_size


def cause(error: BaseException) -> Cause | None:
    """What the file system and SQLite say."""
    text = str(error)
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return Cause("not_found", f"there is no file {error.filename}", "correct the path in the connection's `host`")
    if isinstance(error, IsADirectoryError):
        return Cause("not_found", foreign(text), "put the path of a file into the connection's `host`")
    if isinstance(error, PermissionError):
        return Cause("permission", f"can't read {error.filename}")
    if "names no file" in text:
        return Cause("secret_malformed", foreign(text), "put the file's path into the connection's `host`")
    return _of_sqlite(error)


def _of_sqlite(error: BaseException) -> Cause | None:
    text = str(error)
    if "no such table" in text:
        return Cause("not_found")
    if "file is not a database" in text or "malformed" in text:
        return Cause("check_error", f"SQLite: {foreign(text)}", "restore the file, or correct the path in `host`")
    if "readonly database" in text or "unable to open database file" in text:
        return Cause("permission", f"SQLite: {foreign(text)}")
    if "database is locked" in text:
        return Cause("timeout", f"SQLite: {foreign(text)}", "another process writes to the file: try again")
    return None


def _hook(conn_id: str) -> Any:
    from airflow.providers.sqlite.hooks.sqlite import SqliteHook

    return SqliteHook(sqlite_conn_id=conn_id)
