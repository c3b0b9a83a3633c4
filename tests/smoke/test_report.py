from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import pytest

from bootstrap.checks.base import CauseName
from bootstrap.drift import Drift
from bootstrap.errors import Denied, NotFound, Unavailable
from bootstrap.smoke.report import Report
from bootstrap.smoke.verdict import CheckResult, Step

STARTED = datetime(2026, 1, 2, tzinfo=timezone.utc)


def check(cause: CauseName | None = None) -> CheckResult:
    steps = (Step("resolve", "passed", 0.02, "team (vault)"),)
    return CheckResult("a.http", "a", "http", "failed" if cause else "passed", steps, 0.4, cause, "why", "what")


def report(*checks: CheckResult, **more: Any) -> Report:
    return Report(airflow="3.3.2", started=STARTED, seconds=6.12345, checks=checks, **more)


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (report(check()), 0),
        (report(), 1),  # nothing was checked
        (report(check(), check("auth")), 1),
        (report(check("auth"), check("store_unreachable")), 3),
        (report(check("store_denied")), 3),
        (report(check(), drift=Drift(("a",))), 1),
        (report(check(), drift=Drift((), (Unavailable("down"),))), 3),
        (report(check(), drift=Drift((), (NotFound("gone"),))), 1),
        (report(check(), drift=Drift((), (Denied("who only smokes may not read the sources"),))), 0),
        (report(check(), interrupted=True), 130),
    ],
)
def test_exit_code_and_verdict_agree(found: Report, code: int) -> None:
    assert found.exit_code == code
    assert found.verdict == ("passed" if code == 0 else "failed")


def test_the_json_is_the_documented_one() -> None:
    document = json.loads(report(check(), check("auth")).as_json())
    assert {key: document[key] for key in ("version", "verdict", "airflow", "started", "seconds")} == {
        "version": 1,
        "verdict": "failed",
        "airflow": "3.3.2",
        "started": "2026-01-02T00:00:00+00:00",
        "seconds": 6.123,
    }
    passed, failed = document["checks"]
    assert passed == {
        "id": "a.http",
        "connection": "a",
        "check": "http",
        "status": "passed",
        "steps": [{"name": "resolve", "status": "passed", "seconds": 0.02, "detail": "team (vault)"}],
        "seconds": 0.4,
    }
    assert (failed["cause"], failed["message"], failed["hint"]) == ("auth", "why", "what")


@pytest.mark.parametrize(
    ("differing", "command"), [(("a",), "register"), (("airflow.cfg",), "render"), (("airflow.cfg", "a"), "up")]
)
def test_what_differs_comes_with_the_command_that_mends_it(differing: tuple[str, ...], command: str) -> None:
    [sentence] = Drift(differing).sentences
    assert sentence.endswith(f"Run airflow-bootstrap {command}")
