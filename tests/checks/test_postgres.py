from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from bootstrap.checks import postgres as check_of_postgres
from tests.checks.bench import Bench, Cell, passed_steps, unreachable
from tests.systems import postgres

pytestmark = pytest.mark.airflow


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory, bench: Bench) -> Iterator[dict[str, Any]]:
    """The connection of `etl`, who may read orders, and neither payments nor make a temporary table elsewhere."""
    password = bench.canary.value
    with postgres.running(tmp_path_factory.mktemp("postgres")) as server:
        server.ensure_login("etl", password, "analytics")
        server.ensure_login("guest", password, "private")
        server.sql("CREATE TABLE orders (id int); GRANT SELECT ON orders TO etl", "analytics")
        server.sql("CREATE TABLE payments (id int); REVOKE TEMPORARY ON DATABASE analytics FROM PUBLIC", "analytics")
        server.sql("REVOKE CONNECT ON DATABASE private FROM PUBLIC", "private")
        server.sql('CREATE TABLE "In\'out" (id int); GRANT INSERT, UPDATE, TRUNCATE ON "In\'out" TO etl', "analytics")
        server.sql("CREATE ROLE trusted LOGIN; GRANT SELECT ON orders TO trusted", "analytics")
        rules = postgres._state(server.folder).data / "pg_hba.conf"
        rules.write_text("host all trusted all trust\n" + rules.read_text())
        server.sql("SELECT pg_reload_conf()")
        yield {
            "conn_type": "postgres",
            "host": server.host,
            "port": server.port,
            "schema": "analytics",
            "login": "etl",
            "password": password,
        }


def rights(table: str, *rights: str) -> dict[str, Any]:
    return {"postgres": {"table": table, "rights": list(rights)}}


def test_postgres(bench: Bench, good: dict[str, Any], isolated: bool) -> None:  # noqa: FBT001  a fixture
    check = {"postgres": {"table": "orders"}}
    with unreachable(good, check) as others:
        results = bench.hold(
            {
                "reads": Cell(good, check),
                "trusts": Cell({**good, "login": "trusted"}, check),
                "trusts_nobody": Cell({**good, "login": "trusted", "password": None}, check),
                "maybe_by_certificate": Cell({**good, "login": "trusted", "extra": {"sslcert": "/x"}}, check),
                "reads_nothing": Cell(good, "postgres"),
                "may_write": Cell(good, rights("In'out", "INSERT", "UPDATE", "TRUNCATE")),
                "may_read": Cell(good, rights("public.orders", "SELECT")),
                "no_rights": Cell(
                    good,
                    rights("orders", "SELECT", "INSERT", "DELETE"),
                    "access",
                    "permission",
                    says="INSERT, DELETE on orders",
                ),
                "no_select": Cell(good, rights("In'out", "SELECT", "INSERT"), "access", "permission", says="denied"),
                "no_table_to_write": Cell(good, rights("nope", "INSERT"), "access", "not_found", says="nope"),
                "wrong_password": Cell(
                    {**good, "password": "wrong"}, check, "authenticate", "auth", says="password auth", hint="store put"
                ),
                "no_password": Cell({**good, "password": None}, check, "authenticate", "auth"),
                "no_user": Cell({**good, "login": "nobody-here"}, check, "authenticate", "auth"),
                "no_database": Cell({**good, "schema": "nope"}, check, "authenticate", "not_found", says="nope"),
                "closed_database": Cell({**good, "schema": "private"}, check, "authenticate", "permission"),
                "no_table": Cell(good, {"postgres": {"table": "nope"}}, "access", "not_found", says="nope"),
                "denied_table": Cell(
                    good, {"postgres": {"table": "payments"}}, "access", "permission", says="payments", hint="SELECT"
                ),
                "denied_writing": Cell(
                    {**good, "login": "guest"},
                    {"postgres": {"write": True}},
                    "write",
                    "permission",
                    hint="TEMPORARY on the database",
                ),
                "no_tls": Cell({**good, "extra": {"sslmode": "require"}}, check, "authenticate", "tls"),
                **others,
            },
            keep=("reads", "trusts"),
            isolated=isolated,
        )
    assert results["reads"].steps[2].detail == "the server asked for the credential and took it"
    assert not results["reads"].warnings
    assert results["trusts"].warnings == ("accepted without asking for the credential",)
    if not isolated:
        assert results["trusts_nobody"].steps[2].detail == "the connection sends no credential"
        assert "not known" in results["maybe_by_certificate"].steps[2].detail
        assert not results["trusts_nobody"].warnings
        assert not results["maybe_by_certificate"].warnings


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_each_driver_tells_whether_the_server_asked_for_the_password(good: dict[str, Any], driver: str) -> None:
    connect = pytest.importorskip(driver).connect
    where = {"host": good["host"], "port": good["port"], "dbname": good["schema"], "password": good["password"]}
    for user, asked in (("etl", True), ("trusted", False)):
        with closing(connect(user=user, **where)) as session:
            assert check_of_postgres.used_password(session) is asked


def test_writing_goes_with_the_session(bench: Bench, good: dict[str, Any]) -> None:
    owner = {**good, "login": "guest", "schema": "private"}
    results = bench.hold({"writes": Cell(owner, {"postgres": {"write": True}})})
    assert passed_steps(results["writes"]) == ["resolve", "reach", "authenticate", "access", "write"]
