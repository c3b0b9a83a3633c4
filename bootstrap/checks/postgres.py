"""Postgres: logs in and runs a query; reads `table` if named, asks for `rights` on it, and with `write` fills a temporary table."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from functools import partial
from typing import Any

from bootstrap.checks import _sql, base
from bootstrap.checks.base import Cause, CauseName, CheckParams, Diagnosed, Run, connection, endpoint_of_host

Params = _sql.ServerParams
CONN_TYPES = ("postgres",)
PROVIDERS = ("apache-airflow-providers-postgres",)
PERMISSIONS = ("CONNECT on the database", "SELECT on `table`, or `rights`", "TEMPORARY on the database with `write`")
COMPARES = "a sum that the database calculates, with a number of the run's own in it"
CREATES = "with `write` a temporary table, which goes with the session"
IMPORTS = ("airflow.providers.postgres.hooks.postgres",)
STEPS = ("access", "write")
endpoint = partial(endpoint_of_host, default_port=5432)
_OTHER_WAYS = {"sslcert", "sslkey", "krbsrvname", "gssencmode", "gsslib"}
_BY_SQLSTATE: dict[str, CauseName] = {  # postgresql.org/docs/current/errcodes-appendix.html
    **dict.fromkeys(("28000", "28P01"), "auth"),
    **dict.fromkeys(("3D000", "42P01", "3F000"), "not_found"),
    "42501": "permission",
}
_BY_TEXT: dict[str, CauseName] = {  # libpq gives a failed login no SQLSTATE
    "password authentication failed": "auth",
    "no pg_hba.conf entry": "auth",
    "role": "auth",
    "database": "not_found",
}


def authenticate(conn_id: str, params: CheckParams, run: Run) -> str:  # noqa: ARG001
    """Log in and out again; libpq knows whether the server asked for the password."""
    from airflow.providers.postgres.hooks.postgres import PostgresHook

    with closing(PostgresHook(postgres_conn_id=conn_id).get_conn()) as session:
        conn, asked = connection(conn_id), used_password(session)
    if asked or not conn.password:
        return base.login_proof(run, "asked" if asked else "none")
    # A certificate or Kerberos may have stood for the password.
    return base.login_proof(run, "unknown" if _OTHER_WAYS & conn.extra_dejson.keys() else "unasked")


def task(conn_id: str, params: _sql.ServerParams, run: Run) -> Any:
    """Airflow's SQL operator. PostgreSQL is asked for each right, in one statement."""
    asking = [_missing(params.table or "", params.asked)] if params.asked else []
    return _sql.operator(conn_id, params, run, asking)


def verify(conn_id: str, params: _sql.ServerParams, run: Run, result: Any) -> str | None:
    """No right is missing, and the database has calculated. Raises Diagnosed, RuntimeError."""
    missing = [row[0] for row in result[0]] if params.asked else []
    if missing:
        raise Diagnosed(Cause("permission", f"the login has no {', '.join(missing)} on {params.table}"))
    return _sql.verify(conn_id, params, run, result)


def _missing(table: str, rights: Sequence[str]) -> str:
    """A query for the rights that the login lacks. A right on some columns doesn't count: nobody knows which ones a DAG needs."""
    name = _sql.quoted(table).replace("'", "''")
    asked = ", ".join(f"('{right}')" for right in rights)
    return f"SELECT name FROM (VALUES {asked}) AS rights (name) WHERE NOT has_table_privilege('{name}', name)"  # noqa: S608


def used_password(session: Any) -> bool:
    """Whether the server asked for the password, as libpq says: to psycopg 3 in `pgconn`, to psycopg2 in `info`."""
    return bool(getattr(session, "pgconn", session.info).used_password)


def cause(error: BaseException) -> Cause | None:
    """What PostgreSQL says of a refused login or query."""
    text = str(error)
    if "no password supplied" in text:
        return Cause("auth")
    if "permission denied for database" in text:
        return Cause("permission")
    if known := _BY_SQLSTATE.get(getattr(error, "pgcode", None) or getattr(error, "sqlstate", None) or ""):
        return Cause(known)
    if "FATAL" in text:
        return next((Cause(name) for words, name in _BY_TEXT.items() if words in text), None)
    return None
