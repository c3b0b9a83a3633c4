"""Postgres: logs in through Airflow's PostgresHook and runs a query; with `table`, reads that table."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from bootstrap.checks.base import Cause, CauseName, CheckParams, Endpoint, Run, endpoint_of_host


class Params(CheckParams):
    """`table` is a table, or schema.table, that the login must be able to read."""

    table: Annotated[str, Field(pattern=r"^[^.\"\s]+(\.[^.\"\s]+)?$")] | None = None


CONN_TYPES = ("postgres",)
PROVIDERS = ("apache-airflow-providers-postgres",)
PERMISSIONS = ("CONNECT on the database", "SELECT on `table`")
STEPS = ("access",)  # what the operator proves; the login is a step of its own


def endpoint(conn: Any) -> Endpoint | None:
    """Host and port; None for a unix socket."""
    return endpoint_of_host(conn, 5432)


def authenticate(conn_id: str, params: Params, run: Run) -> None:  # noqa: ARG001
    """Log in and out again."""
    from airflow.providers.postgres.hooks.postgres import PostgresHook

    PostgresHook(postgres_conn_id=conn_id).get_conn().close()


def task(conn_id: str, params: Params, run: Run) -> Any:
    """Airflow's SQL operator with a query that changes nothing."""
    from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator

    return SQLExecuteQueryOperator(conn_id=conn_id, sql=_query(params.table), **run.arguments)


def _query(table: str | None) -> str:
    if table is None:
        return "SELECT 1"
    name = ".".join(f'"{part}"' for part in table.split("."))
    return f"SELECT count(*) FROM (SELECT 1 FROM {name} LIMIT 1) AS one_row"  # noqa: S608  no quote passes Params


_BY_SQLSTATE: dict[str, CauseName] = {  # postgresql.org/docs/current/errcodes-appendix.html
    "28000": "auth",
    "28P01": "auth",
    "3D000": "not_found",
    "42P01": "not_found",
    "3F000": "not_found",
    "42501": "permission",
}
_BY_TEXT: dict[str, CauseName] = {  # libpq gives a failed login no SQLSTATE
    "password authentication failed": "auth",
    "no password supplied": "auth",
    "no pg_hba.conf entry": "auth",
    "role": "auth",
    "database": "not_found",
}


def cause(error: BaseException) -> Cause | None:
    """What PostgreSQL says of a refused login or query."""
    text = str(error)
    if "permission denied for database" in text:
        return Cause("permission")
    if known := _BY_SQLSTATE.get(getattr(error, "pgcode", None) or getattr(error, "sqlstate", None) or ""):
        return Cause(known)
    if "FATAL" in text:
        return next((Cause(name) for words, name in _BY_TEXT.items() if words in text), None)
    return None
