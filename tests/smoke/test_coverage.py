"""How many of the connections that the DAGs use a run has proven, in every report."""

from __future__ import annotations

import json
from dataclasses import replace

from bootstrap.reports import FORMATS
from bootstrap.reports.github import summary
from bootstrap.scan.manifest.used import Need
from bootstrap.smoke.coverage import Coverage, coverage
from bootstrap.smoke.needed_by import with_places
from bootstrap.terminal.checklist import ending
from tests.smoke.test_report import VALIDATOR, check, report

SENTENCE = "1 of 3 connections that the DAGs use are proven; not lake, mail"


def test_a_connection_is_proven_if_it_has_checks_and_all_of_them_passed() -> None:
    passed, failed = check(), check("auth")
    checks = [replace(passed, connection="a"), replace(passed, connection="b"), replace(failed, connection="b")]
    found = coverage({"a", "b", "c"}, [*checks, replace(passed, connection="unused")])
    assert found == Coverage(3, ("b", "c"))
    assert found.proven == 1


def test_nothing_is_said_where_it_is_not_known_or_nothing_is_used() -> None:
    assert coverage(None, [check()]) is None
    assert coverage([], [check()]) is None
    assert "coverage" not in json.loads(report(check()).as_json())
    assert "DAGs" not in ending(report(check()))


def test_every_report_says_it() -> None:
    found = replace(report(check()), coverage=Coverage(3, ("lake", "mail")))
    document = json.loads(found.as_json())
    assert document["coverage"] == {"used": 3, "proven": 1, "unproven": ["lake", "mail"]}
    assert [error.message for error in VALIDATOR.iter_errors(document)] == []
    assert SENTENCE in ending(found)
    assert SENTENCE in FORMATS["html"](found)
    assert f'name="coverage" value="{SENTENCE}"' in FORMATS["junit"](found)
    assert "1 of 3 connections" in summary(found)


def test_it_does_not_change_the_verdict() -> None:
    assert replace(report(check()), coverage=Coverage(3, ("lake", "mail"))).exit_code == report(check()).exit_code


NEED = Need(
    ("load.py:3 PostgresHook.postgres_conn_id",),
    (
        ("shop.orders", "SELECT", "read.py:5 SQLExecuteQueryOperator.sql"),
        ("shop.orders", "INSERT", "load.py:12 SQLExecuteQueryOperator.sql"),
        ("shop.items", "INSERT", "load.py:14 SQLExecuteQueryOperator.sql"),
    ),
)


def test_a_failed_check_names_the_lines_that_need_what_it_asks_for_first_those_of_the_right_that_is_missing() -> None:
    failed = replace(check("auth"), message="no INSERT on orders")
    assert with_places(failed, NEED, {"table": "orders", "rights": ["INSERT"]}).message == (
        "no INSERT on orders (needed by load.py:12 SQLExecuteQueryOperator.sql, read.py:5 SQLExecuteQueryOperator.sql)"
    )


def test_without_a_name_in_the_check_it_names_those_that_need_the_connection() -> None:
    assert with_places(check("auth"), NEED, {}).message == "why (needed by load.py:3 PostgresHook.postgres_conn_id)"


def test_what_passed_or_nobody_needs_stays_as_it_is() -> None:
    assert with_places(check(), NEED, {"table": "orders"}) == check()
    assert with_places(check("auth"), None, {"table": "orders"}) == check("auth")
