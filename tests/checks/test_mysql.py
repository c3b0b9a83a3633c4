from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bootstrap.checks import mysql
from tests.checks.bench import Bench, Cell, passed_steps, unreachable
from tests.systems import certificates, mariadb

pytestmark = pytest.mark.airflow
CLIENT = {"client": "mysql-connector-python"}


@dataclass
class Place:
    """A server, and the connection of `etl`, who may do anything in analytics; `guest` may read orders in it."""

    server: mariadb.MariaDB
    tls: certificates.Certificates
    good: dict[str, Any]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, bench: Bench) -> Iterator[Place]:
    folder, password = tmp_path_factory.mktemp("mysql"), bench.canary.value
    made = certificates.make(folder / "certificates")
    with mariadb.running(folder / "server", made.valid) as server:
        server.ensure_login("etl", password, "analytics")
        server.sql(
            "CREATE TABLE orders (id int); CREATE TABLE payments (g int AS (1) STORED, `a``b` int NOT NULL); CREATE TABLE other (id int)",
            "analytics",
        )
        server.ensure_login("guest", password, "guests")
        server.sql("GRANT SELECT ON analytics.orders TO guest@'127.0.0.1'")
        server.sql("GRANT INSERT, UPDATE, DELETE ON analytics.payments TO guest@'127.0.0.1'")
        where = {"conn_type": "mysql", "host": server.host, "port": server.port, "schema": "analytics"}
        yield Place(server, made, {**where, "login": "etl", "password": password, "extra": CLIENT})


def rights(table: str, *rights: str) -> dict[str, Any]:
    return {"mysql": {"table": table, "rights": list(rights)}}


def test_mysql(bench: Bench, place: Place, isolated: bool) -> None:  # noqa: FBT001  a fixture
    good, check = place.good, {"mysql": {"table": "orders"}}
    guest = {**good, "login": "guest"}
    checked = {**CLIENT, "ssl_verify_cert": True}
    with unreachable(good, check) as others:
        results = bench.hold(
            {
                "reads": Cell(good, check),
                "reads_nothing": Cell(good, "mysql"),
                "reads_of_a_schema": Cell(good, {"mysql": {"table": "analytics.orders"}}),
                "writes": Cell(good, {"mysql": {"table": "orders", "write": True}}),
                "guest_reads": Cell(guest, check),
                "guest_writes": Cell(guest, rights("payments", "INSERT", "UPDATE", "DELETE")),
                "may_all": Cell(good, rights("analytics.orders", "SELECT", "INSERT", "UPDATE", "DELETE")),
                "no_insert": Cell(
                    guest, rights("orders", "INSERT"), "access", "permission", says="INSERT", hint="`rights`"
                ),
                "no_update": Cell(guest, rights("orders", "SELECT", "UPDATE"), "access", "permission", says="UPDATE"),
                "no_update_unseen": Cell(
                    guest, rights("analytics.other", "UPDATE"), "access", "permission", says="UPDATE"
                ),
                "no_delete": Cell(guest, rights("orders", "DELETE"), "access", "permission", says="DELETE"),
                "no_select": Cell(guest, rights("payments", "SELECT", "INSERT"), "access", "permission", says="SELECT"),
                "encrypts": Cell({**good, "extra": {**checked, "ssl_ca": str(place.tls.bundle)}}, check),
                "wrong_password": Cell(
                    {**good, "password": "wrong"}, check, "authenticate", "auth", says="Access denied", hint="store put"
                ),
                "no_password": Cell({**good, "password": None}, check, "authenticate", "auth"),
                "no_user": Cell({**good, "login": "nobody-here"}, check, "authenticate", "auth"),
                "no_database": Cell({**good, "schema": "nope"}, check, "authenticate", "permission", says="nope"),
                "no_schema": Cell({**good, "schema": None}, check, "access", "not_found", hint="`schema`"),
                "no_table": Cell(good, {"mysql": {"table": "nope"}}, "access", "not_found", says="nope"),
                "denied_table": Cell(
                    guest, {"mysql": {"table": "payments"}}, "access", "permission", says="payments", hint="SELECT"
                ),
                "denied_writing": Cell(
                    guest, {"mysql": {"write": True}}, "write", "permission", hint="CREATE TEMPORARY TABLES"
                ),
                "untrusted": Cell(
                    {**good, "extra": {**checked, "ssl_ca": str(place.tls.self_signed.certificate)}},
                    check,
                    "authenticate",
                    "tls",
                    says="certificate verify failed",
                ),
                "no_client": Cell(
                    {**good, "extra": {}}, check, "authenticate", "provider_missing", hint="pip install mysqlclient"
                ),
                "wrong_client": Cell(
                    {**good, "extra": {"client": "x"}}, check, "authenticate", "secret_malformed", hint="`client`"
                ),
                **others,
            },
            keep=("writes",),
            isolated=isolated,
        )
    assert passed_steps(results["writes"])[-1] == "write"
    assert results["writes"].steps[2].detail == "etl@127.0.0.1; the server asked for the credential and took it"
    assert not results["writes"].warnings
    assert place.server.sql("SHOW TABLES", "analytics").split() == ["orders", "other", "payments"]


def test_a_server_without_its_table_of_grants_asks_for_nothing(bench: Bench, tmp_path: Path) -> None:
    with mariadb.running(tmp_path / "open", options=("--skip-grant-tables",)) as server:
        where = {"conn_type": "mysql", "host": server.host, "port": server.port, "login": "etl", "extra": CLIENT}
        results = bench.hold({"open": Cell({**where, "password": bench.canary.value}, "mysql")})
    assert results["open"].warnings == ("accepted without asking for the credential",)


@pytest.mark.parametrize(
    ("number", "name"),
    [(1045, "auth"), (1142, "permission"), (1146, "not_found"), (2002, "connection_refused"), (2026, "tls")],
)
def test_mysqlclient_gives_the_number_as_its_first_argument(number: int, name: str) -> None:
    # mysqlclient needs a compiler and isn't installed here; its errors are like this one.
    found = mysql.cause(Exception(number, "words"))
    assert found is not None
    assert found.name == name


def test_an_operating_systems_number_is_not_mysqls() -> None:
    assert mysql.cause(OSError(1045, "words")) is None


@pytest.mark.parametrize(
    ("host", "extra", "there"),
    [
        ("db", {}, True),
        ("localhost", {}, False),
        ("localhost", CLIENT, True),
        ("db", {"unix_socket": "/x"}, False),
        ("db", {**CLIENT, "unix_socket": "/x"}, True),  # the hook doesn't hand it on
    ],
)
def test_mysqlclient_reaches_localhost_by_its_socket(host: str, extra: dict[str, str], there: bool) -> None:  # noqa: FBT001
    conn = SimpleNamespace(host=host, port=None, extra_dejson=extra)
    assert (mysql.endpoint(conn) is not None) == there
