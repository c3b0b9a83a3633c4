from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

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
        yield {
            "conn_type": "postgres",
            "host": server.host,
            "port": server.port,
            "schema": "analytics",
            "login": "etl",
            "password": password,
        }


def test_postgres(bench: Bench, good: dict[str, Any], isolated: bool) -> None:  # noqa: FBT001  a fixture
    check = {"postgres": {"table": "orders"}}
    with unreachable(good, check) as others:
        bench.hold(
            {
                "reads": Cell(good, check),
                "reads_nothing": Cell(good, "postgres"),
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
            isolated=isolated,
        )


def test_writing_goes_with_the_session(bench: Bench, good: dict[str, Any]) -> None:
    owner = {**good, "login": "guest", "schema": "private"}
    results = bench.hold({"writes": Cell(owner, {"postgres": {"write": True}})})
    assert passed_steps(results["writes"]) == ["resolve", "reach", "authenticate", "access", "write"]
