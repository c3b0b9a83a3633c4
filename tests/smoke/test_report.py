from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any, get_args

import pytest
from jsonschema import Draft202012Validator, FormatChecker  # type: ignore[import-untyped]  # no types-jsonschema here

from bootstrap.checks.base import CauseName
from bootstrap.domain.secret import Secret, foreign
from bootstrap.errors import AirflowError, Denied, NotFound, Unavailable
from bootstrap.register.drift import Drift
from bootstrap.smoke.report import Report, StageResult
from bootstrap.smoke.verdict import CheckResult, Step
from tests.project import ROOT
from tools.report_schema import generated, schema

VALIDATOR = Draft202012Validator(schema(), format_checker=FormatChecker())
STARTED = datetime(2026, 1, 2, tzinfo=timezone.utc)


def check(cause: CauseName | None = None, **more: Any) -> CheckResult:
    steps = (Step("resolve", "passed", 0.02, "team (vault)"), Step("reach", "skipped", 0.0))
    result = CheckResult("a.http", "a", "http", "passed", steps, 0.4)
    if cause:
        result = replace(result, status="failed", cause=cause, message="why", hint="what")
    return replace(result, **more)


def unproven() -> CheckResult:
    return check(status="unproven", message="it is elsewhere", hint="look there")


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
        (report(check(), drift=Drift((), (AirflowError("there is no metadata database"),))), 4),
        (report(check(), drift=Drift((), (Denied("who only smokes may not read the sources"),))), 0),
        (report(check(), interrupted=True), 130),
        (report(check(), unproven()), 1),
        (report(unproven(), allow_unproven=True), 0),
        (report(unproven(), check("auth"), allow_unproven=True), 1),
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
        "steps": [
            {"name": "resolve", "status": "passed", "seconds": 0.02, "detail": "team (vault)"},
            {"name": "reach", "status": "skipped", "seconds": 0.0},
        ],
        "warnings": [],
        "seconds": 0.4,
    }
    assert document["unchecked"] == []
    assert (failed["cause"], failed["message"], failed["hint"]) == ("auth", "why", "what")


@pytest.mark.parametrize(
    ("differing", "command"), [(("a",), "register"), (("airflow.cfg",), "render"), (("airflow.cfg", "a"), "up")]
)
def test_what_differs_comes_with_the_command_that_mends_it(differing: tuple[str, ...], command: str) -> None:
    [sentence] = Drift(differing).sentences
    assert sentence.endswith(f"Run airflow-bootstrap {command}")


def test_figures_are_there_only_if_there_are_any_and_warnings_always() -> None:
    document = json.loads(report(check(warnings=("slow",), measured={"bytes": 5}), check()).as_json())
    told, silent = document["checks"]
    assert (told["warnings"], told["measured"]) == (["slow"], {"bytes": 5})
    assert silent["warnings"] == []
    assert "measured" not in silent


STAGES = (
    StageResult("doctor", "airflow", "3.3.2"),
    StageResult("doctor", "store team", "sealed", "failed", "vault operator unseal", 0.2),
    StageResult("manifest", "", "bootstrap.yaml:3:1: unknown key", "failed", line=3),
)
STOPPED = Unavailable("1 of 2 things are missing", "vault operator unseal")


def test_a_run_that_ended_early_says_where_and_why() -> None:
    found = report(stages=STAGES[:2], stopped=STOPPED)
    document = json.loads(found.as_json())
    assert (found.exit_code, document["verdict"], document["checks"]) == (3, "failed", [])
    assert document["stages"] == [
        {"stage": "doctor", "subject": "airflow", "message": "3.3.2", "status": "ok"},
        {
            "stage": "doctor",
            "subject": "store team",
            "message": "sealed",
            "status": "failed",
            "hint": "vault operator unseal",
            "seconds": 0.2,
        },
    ]
    assert document["reasons"] == ["1 of 2 things are missing"]
    assert found.summary == "ended at doctor; nothing was checked"


@pytest.mark.parametrize(
    ("found", "summary"),
    [
        (report(check(), unchecked=("archive",)), "1 of 1 checks passed; unchecked: 1"),
        (report(check("auth"), unchecked=("a", "b")), "0 of 1 checks passed; unchecked: 2"),
        (report(unchecked=("archive",)), "nothing was checked; unchecked: 1"),
        (report(check(warnings=("one", "two"))), "1 of 1 checks passed; warnings: 2"),
    ],
)
def test_the_summary_counts_what_no_check_proves(found: Report, summary: str) -> None:
    assert found.summary == summary
    assert json.loads(found.as_json())["unchecked"] == list(found.unchecked)


def test_what_is_unproven_is_counted_and_says_why() -> None:
    for allowed in (False, True):
        found = report(check(), unproven(), allow_unproven=allowed)
        assert found.summary == "1 of 2 checks passed; unproven: 1"
        document = json.loads(found.as_json())["checks"][1]
        assert (document["status"], document["message"], document["hint"]) == (
            "unproven",
            "it is elsewhere",
            "look there",
        )
        assert "cause" not in document


REPORTS = {
    "unproven": report(check(), unproven()),
    "unchecked": report(check(), unchecked=("archive",)),
    "ended early": report(stages=STAGES, stopped=STOPPED),
    "passed": report(check()),
    "failed": report(check(), check("auth")),
    "interrupted": report(check(), interrupted=True),
    "nothing checked": report(),
    "drift": report(check(), drift=Drift(("a", "airflow.cfg"))),
    "not compared": report(check(), drift=Drift((), (Unavailable("down"),))),
    "warnings": report(check(warnings=("one", "two")), check("timeout", warnings=("three",))),
    "measured": report(check(measured={"route": "through the worker", "bytes": 1000, "bytes_per_second": 2.1e7})),
}


@pytest.mark.parametrize("found", REPORTS.values(), ids=REPORTS)
def test_every_report_is_as_the_schema_says(found: Report) -> None:
    assert [error.message for error in VALIDATOR.iter_errors(json.loads(found.as_json()))] == []


@pytest.mark.parametrize("cause", get_args(CauseName))
def test_the_schema_knows_every_cause(cause: CauseName) -> None:
    assert VALIDATOR.is_valid(json.loads(report(check(cause)).as_json()))


def test_the_schema_refuses_what_no_report_says() -> None:
    document = json.loads(report(check(), check("auth")).as_json())
    passed, failed = document["checks"]
    wrong: list[dict[str, Any]] = [
        {**document, "version": 2},
        {**document, "more": 1},
        {**document, "drift": []},
        {**document, "started": "yesterday"},
        {**document, "checks": [{**passed, "cause": "auth"}]},
        {**document, "checks": [{**passed, "measured": {}}]},
        {**document, "checks": [{**failed, "cause": "bad luck"}]},
        {**document, "checks": [{key: failed[key] for key in failed if key != "hint"}]},
        {**document, "checks": [{**passed, "steps": [{**passed["steps"][0], "name": "guess"}]}]},
        {**document, "checks": [{**passed, "steps": [{**passed["steps"][0], "status": "maybe"}]}]},
    ]
    assert [item for item in wrong if VALIDATOR.is_valid(item)] == []


def test_the_published_schema_is_the_generated_one() -> None:
    Draft202012Validator.check_schema(schema())
    assert (ROOT / "docs" / "report.schema.json").read_text() == generated(), "run `make schema`"


def test_a_secret_of_one_digit_leaves_the_json_whole() -> None:
    Secret("1").reveal()
    document = json.loads(report(check("auth", message=foreign("the password 1 is wrong"))).as_json())
    assert document["version"] == 1
    assert document["checks"][0]["message"] == "the password *** is wrong"


def test_every_text_is_masked() -> None:
    word = "hunter-zwei"
    Secret(word).reveal()
    step = (Step("resolve", "failed", 0.1, word),)
    found = report(
        CheckResult("id.x", "id", "x", "failed", step, 0.1, "auth", word, word, (word,), {"host": [word]}),
        drift=Drift((word,), (Unavailable(word),)),
        stages=(StageResult("doctor", "store", word, "failed", word),),
        stopped=Unavailable(word, word),
    )
    assert word not in found.as_json()
    assert word not in repr(found.redacted())
    assert [error.message for error in found.redacted().drift.errors] == ["***"]
    assert found.redacted().exit_code == found.exit_code


def test_names_of_the_manifest_stay() -> None:
    Secret("postgres").reveal()  # a password that somebody chose
    found = CheckResult(
        "db.postgres",
        "db",
        "postgres",
        "failed",
        (),
        0.1,
        "auth",
        f"postgres_default: {foreign('postgres is wrong')}",
        "h",
    )
    [document] = json.loads(report(found).as_json())["checks"]
    assert (document["id"], document["message"]) == ("db.postgres", "postgres_default: *** is wrong")


def test_a_failed_verdict_says_why_where_no_check_did() -> None:
    assert json.loads(report().as_json())["reasons"] == ["nothing was checked"]
    drifted = json.loads(report(check(), drift=Drift(("warehouse",))).as_json())["reasons"]
    assert drifted == ["differs from the manifest: warehouse. Run airflow-bootstrap register"]
    assert json.loads(report(check(), interrupted=True).as_json())["reasons"] == ["interrupted"]
    assert "reasons" not in json.loads(report(check()).as_json())


def test_bytes_that_were_no_text_can_be_written() -> None:
    assert "a ? b" in report(check("auth", message="a \udcff b")).as_json()
