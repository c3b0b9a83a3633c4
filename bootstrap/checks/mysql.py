"""MySQL and MariaDB: logs in and runs a query; reads `table` if named, asks for `rights` on it, and with `write` fills a temporary table."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from pydantic import field_validator

from bootstrap.checks import _sql, base
from bootstrap.checks.base import Cause, CauseName, CheckParams, Endpoint, Run, connection, endpoint_of_host
from bootstrap.domain.secret import foreign


class Params(_sql.ServerParams):
    """`table` is a table, or schema.table, that the login must be able to read. `rights` are the rights that it must have there
    instead: with [INSERT], SELECT may be missing. The server explains statements that need them; nothing is written. `write`
    fills a temporary table.
    """

    @field_validator("rights")
    @classmethod
    def _no_truncate(cls, rights: list[_sql.Right]) -> list[_sql.Right]:
        if "TRUNCATE" in rights:
            raise ValueError(
                "MySQL has no right TRUNCATE: DROP allows it, and is proven by nothing that changes nothing"
            )
        return rights


CONN_TYPES = ("mysql",)
PROVIDERS = ("apache-airflow-providers-mysql",)
PERMISSIONS = (
    "the database in `schema`",
    "SELECT on `table`, or `rights`",
    "CREATE TEMPORARY TABLES on the database with `write`",
)
COMPARES = "a sum that the database calculates, with a number of the run's own in it"
CREATES = "with `write` a temporary table, which goes with the session"
IMPORTS = ("airflow.providers.mysql.hooks.mysql",)
STEPS = ("access", "write")
verify = _sql.verify
# Of the server: dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html; 2000 and up of the clients.
_BY_NUMBER: dict[int, CauseName] = {
    **dict.fromkeys((1045, 1698, 1251, 1275, 1820, 1862, 2059, 2061, 3118, 4151), "auth"),
    **dict.fromkeys((1044, 1130, 1142, 1143, 1227, 1370), "permission"),
    **dict.fromkeys((1046, 1049, 1146), "not_found"),
    **dict.fromkeys((1205, 3024), "timeout"),
    **dict.fromkeys((2002, 2003), "connection_refused"),
    2005: "dns",
    **dict.fromkeys((2026, 3159), "tls"),
}
_PLUGIN = "the client can't speak the account's authentication plugin: use another `client`, or change the plugin"
_HINTS = {
    1046: "name the database in the connection's `schema`",
    1130: "the server lets no login in from this machine: create the account for this host (CREATE USER … @ …)",
    1251: _PLUGIN,
    2059: _PLUGIN,
    2026: "where the server has no TLS, turn it off in the connection's extra; else trust the server's CA",
    3159: "the server demands TLS: configure it in the connection's extra (`ssl`, or `ssl_ca` and others)",
}
_MYSQLCLIENT = 'pip install mysqlclient, or put "client": "mysql-connector-python" into the connection\'s extra'


def endpoint(conn: Any) -> Endpoint | None:
    """Host and port; None for a unix socket, which mysqlclient also takes `localhost` for."""
    if conn.extra_dejson.get("client", "mysqlclient") != "mysqlclient":
        return endpoint_of_host(conn, 3306)
    if conn.extra_dejson.get("unix_socket") or conn.host == "localhost":
        return None
    return endpoint_of_host(conn, 3306)


def task(conn_id: str, params: Params, run: Run) -> Any:
    """Airflow's SQL operator. To explain a statement, MySQL asks for the rights that it needs, and doesn't run it."""
    asking = [statement for right in params.asked for statement in _explained(right, params.table or "")]
    return _sql.operator(conn_id, params, run, asking, quote="`")


def _explained(right: str, table: str) -> list[str]:
    """The statements that explain one with this right. An UPDATE has to name a column: the first one that the login may see."""
    name = _sql.quoted(table, "`")
    if right == "INSERT":
        return [f"EXPLAIN INSERT INTO {name} () VALUES ()"]  # noqa: S608  no quote passes Params
    if right == "DELETE":
        return [f"EXPLAIN DELETE FROM {name}"]  # noqa: S608
    schema, _, bare = table.rpartition(".")
    where = f"TABLE_SCHEMA = {_text(schema) if schema else 'DATABASE()'} AND TABLE_NAME = {_text(bare)} AND COALESCE(GENERATION_EXPRESSION, '') = ''"
    column = f"(SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE {where} ORDER BY ORDINAL_POSITION LIMIT 1)"  # noqa: S608  hexadecimal
    update = (
        f"CONCAT({_text(f'EXPLAIN UPDATE {name} SET `')}, REPLACE(COALESCE({column}, 'none'), '`', '``'), '` = NULL')"  # noqa: S608
    )
    return [
        f"SET @airflow_bootstrap = {update}",
        "PREPARE airflow_bootstrap FROM @airflow_bootstrap",
        "EXECUTE airflow_bootstrap",
    ]


def _text(value: str) -> str:
    """Text as SQL takes it, whatever the server thinks of backslashes."""
    return f"CONVERT(X'{value.encode().hex()}' USING utf8mb4)"


def authenticate(conn_id: str, params: CheckParams, run: Run) -> str:  # noqa: ARG001
    """Log in and out again; the server says as whom."""
    from airflow.providers.mysql.hooks.mysql import MySqlHook

    with closing(MySqlHook(mysql_conn_id=conn_id).get_conn()) as session:
        cursor = session.cursor()
        cursor.execute("SELECT CURRENT_USER()")
        account = str((cursor.fetchone() or [""])[0])
    asked: base.Asked = "none"  # an account without a password refuses one
    conn = connection(conn_id)
    if conn.password and account.startswith(("skip-grants", "@")):
        asked = "unasked"  # a server that is started without its table of grants takes everybody for nobody
    elif conn.password:
        asked = "asked" if endpoint(conn) else "unknown"  # over a socket, the operating system may tell who it is
    return base.login_proof(run, asked, account)


def cause(error: BaseException) -> Cause | None:
    """What the server, mysqlclient or mysql-connector-python say, by the number that all of them give."""
    text = str(error)
    if "`mysqlclient` package" in text or getattr(error, "name", None) == "MySQLdb":
        return Cause("provider_missing", "mysqlclient is not installed", _MYSQLCLIENT)
    if "package 'mysql-connector-python' is not installed" in text:
        package = "mysql-connector-python"
        return Cause("provider_missing", f"{package} is not installed", f"pip install {package}")
    if "Unknown MySQL client name" in text:
        return Cause("secret_malformed", foreign(text), "`client` in extra is mysqlclient or mysql-connector-python")
    number = getattr(error, "errno", None) or (error.args[0] if error.args else None)
    if isinstance(error, OSError) or not isinstance(number, int):  # an OSError's errno is something else
        return None
    return Cause(_BY_NUMBER[number], hint=_HINTS.get(number, "")) if number in _BY_NUMBER else None
