"""Postgres or MySQL to GCS: exports `size` bytes of rows with the provider's operator, compares what arrived, and measures what it cost the worker."""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import partial
from typing import Any

from bootstrap.checks import _google, _transfer, mysql, postgres
from bootstrap.checks._objects import GCS, digest
from bootstrap.checks.base import Cause, Diagnosed, Endpoint, Run, connection, endpoint_of_host
from bootstrap.domain.secret import foreign

_FILLER = 30  # times the 32 characters of an MD5
_ROW = 32 * _FILLER + 8  # bytes, about
_PORTS = {"postgres": 5432, "mysql": 3306}
_LOGINS = {"postgres": postgres.authenticate, "mysql": mysql.authenticate}


class Params(_transfer.TransferParams):
    """To `to`: {connection, bucket, prefix} at GCS. The database makes the rows: no table is needed.

    `size` is bytes, or text such as "10MB"; 1 GB at most. From about 20MB on it shows whether memory grows with it.
    `server_side_cursor`: false fetches the rows as PostgresToGCSOperator does where a DAG doesn't say: all at once.
    """

    to: _transfer.Destination
    server_side_cursor: bool = True

    @property
    def connections(self) -> tuple[str, ...]:
        """That of GCS."""
        return (self.to.connection,)


CONN_TYPES = ()  # a bucket must be named
PROVIDERS = (_google.PROVIDER,)  # that of the database depends on the connection
PERMISSIONS = (
    "at the database: to log in",
    "at GCS storage.objects.create, storage.objects.get and storage.objects.delete",
)
COMPARES = "size and checksum of what arrived with the rows that the query gives"
CREATES = "three objects, two small ones and one of `size`"
IMPORTS = ("airflow.providers.google.cloud.transfers.sql_to_gcs",)
STEPS = ("access", "write")


def endpoint(conn: Any) -> Endpoint | None:
    """The database's host and port; None for a unix socket."""
    return endpoint_of_host(conn, _PORTS.get(conn.conn_type, 0)) if conn.port or conn.conn_type in _PORTS else None


def authenticate(conn_id: str, params: Params, run: Run) -> str:
    """Log in at both sides."""

    def log_in(conn_id: str) -> str:
        """As the check of the database does, and to others in and out again: that they can't be exported comes later."""
        conn = connection(conn_id)
        if conn.conn_type in _LOGINS:
            return _LOGINS[conn.conn_type](conn_id, params, run)
        conn.get_hook().get_conn().close()
        return ""

    return _transfer.logins((conn_id, log_in), (params.to.connection, lambda name: _google.login(name, params, run)))


def task(conn_id: str, params: Params, run: Run) -> Any:
    """PostgresToGCSOperator or MySQLToGCSOperator: which one only the connection tells, so they are made at run time."""

    def export() -> Any:
        operators = [_operator(conn_id, params, run, name, size) for name, size in _transfer.names(params, run).items()]
        # Airflow logs that an operator runs inside another one's task, which is meant.
        transfers = [partial(each.execute, {}) for each in operators]
        return _transfer.measured(run, params.total, transfers, buffers=(_transfer.GCS_UPLOAD,))

    return run.task(export)


def verify(conn_id: str, params: Params, run: Run, result: Any) -> str:  # noqa: ARG001
    """What arrived must be the rows that were asked for."""
    rows, name = _rows(params.total), _objects(params, run)[-1]
    if result["total_row_count"] != rows:
        raise RuntimeError(f"the operator exported {result['total_row_count']} rows; the query gives {rows}")
    wanted = sum(map(len, _csv(rows))), digest(_csv(rows))
    return f"{rows} rows; {_transfer.arrived(GCS, params.to.connection, params.to.bucket, name, wanted)}"


def clean(conn_id: str, params: Params, run: Run) -> None:  # noqa: ARG001
    """Delete the objects."""
    with _transfer.side(params.to.connection):
        GCS.delete(params.to.connection, params.to.bucket, _objects(params, run))


def sweep(conn_id: str, params: Params, run: Run) -> int:  # noqa: ARG001
    """Delete what earlier runs left in the bucket."""
    return GCS.sweep(params.to.connection, params.to.bucket, params.to.folder)


def cause(error: BaseException) -> Cause | None:
    """What either side says."""
    if isinstance(error, RuntimeError) and "`mysqlclient` package" in str(error):
        return Cause("provider_missing", "mysqlclient is not installed", "pip install mysqlclient")
    return _transfer.cause(error, postgres.cause, mysql.cause)


def _operator(conn_id: str, params: Params, run: Run, name: str, size: int) -> Any:
    conn_type = connection(conn_id).conn_type
    arguments: dict[str, Any] = {
        "task_id": f"{run.identifier}_{name.rpartition('/')[2]}",
        "sql": _query(conn_type, _rows(size)),
        "bucket": params.to.bucket,
        "filename": params.to.folder + name,
        "export_format": "csv",
        "gcp_conn_id": params.to.connection,
    }
    if conn_type == "postgres":
        from airflow.providers.google.cloud.transfers.postgres_to_gcs import PostgresToGCSOperator

        cursor = params.server_side_cursor
        return PostgresToGCSOperator(postgres_conn_id=conn_id, use_server_side_cursor=cursor, **arguments)
    from airflow.providers.google.cloud.transfers.mysql_to_gcs import MySQLToGCSOperator

    return MySQLToGCSOperator(mysql_conn_id=conn_id, **arguments)


def _query(conn_type: str, rows: int) -> str:
    """Rows without a table. Raises Diagnosed."""
    if conn_type == "postgres":
        return f"SELECT n AS id, repeat(md5(n::text), {_FILLER}) AS filler FROM generate_series(1, {rows}) AS n"  # noqa: S608  numbers of ours
    if conn_type == "mysql":
        # MySQL and MariaDB recurse so often only if they are configured to: 0 to `rows` at least, digit by digit.
        digits = " UNION ALL ".join(f"SELECT {digit} AS d" for digit in range(10))
        places = range(len(str(rows)))
        number = " + ".join(f"{10**place} * t{place}.d" for place in places)
        tables = ", ".join(f"({digits}) AS t{place}" for place in places)
        numbers = f"(SELECT {number} AS n FROM {tables}) AS numbers"  # noqa: S608
        return f"SELECT n AS id, REPEAT(MD5(n), {_FILLER}) AS filler FROM {numbers} WHERE n BETWEEN 1 AND {rows} ORDER BY n"  # noqa: S608
    message = f"sql_to_gcs exports from postgres and mysql; this connection's type is {foreign(conn_type)}"
    raise Diagnosed(Cause("check_error", message, "put the check at a connection of type postgres or mysql"))


def _rows(size: int) -> int:
    return max(1, round(size / _ROW))


def _csv(rows: int) -> Iterator[bytes]:
    """The lines of the file, its header included."""
    import csv
    import hashlib

    for number in range(rows + 1):
        line = io.StringIO()
        filler = hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest() * _FILLER
        csv.writer(line).writerow([number, filler] if number else ["id", "filler"])
        yield line.getvalue().encode()


def _objects(params: Params, run: Run) -> list[str]:
    return [params.to.folder + name for name in _transfer.names(params, run)]
