from __future__ import annotations

from typing import Any

import pytest

from bootstrap.checks.http import Params
from bootstrap.domain.secret import mask
from bootstrap.manifest.loader import CheckSpec
from bootstrap.smoke.runner import Outcome
from bootstrap.smoke.verdict import judge, missing_provider

SPEC = CheckSpec(id="api.http", connection="api", name="http", params=Params())
PASSED: tuple[dict[str, Any], ...] = (
    {"step": "resolve", "status": "started"},
    {"step": "resolve", "status": "passed", "seconds": 0.1, "detail": "team (vault)"},
    {"step": "access", "status": "started"},
    {"step": "access", "status": "passed", "seconds": 0.2},
)
SUCCESS = {"outcome": "success"}


def outcome(*receipt: dict[str, Any], exit_code: int | None = 0, output: str = "") -> Outcome:
    return Outcome("api.http", exit_code, receipt, output, 9.5)


def test_a_receipt_of_success_and_exit_0_is_a_pass() -> None:
    result = judge(SPEC, outcome(*PASSED, SUCCESS), 60)
    assert (result.status, result.cause, result.seconds) == ("passed", None, 0.3)
    assert [step.name for step in result.steps] == ["resolve", "access"]


@pytest.mark.parametrize(
    "left",
    [
        outcome(),  # Airflow 3 exits 0 also for a task that never ran
        outcome(*PASSED),  # every step passed, and Airflow did not record success
        outcome(SUCCESS),  # the task was another than the check's
        outcome(
            *PASSED[:2], {"step": "clean", "status": "passed", "seconds": 0.1}, SUCCESS
        ),  # it only removed what was left
        outcome(*PASSED[2:], SUCCESS),
        outcome(*PASSED, SUCCESS, exit_code=1),
        outcome(*PASSED, SUCCESS, exit_code=None),
        outcome(SUCCESS, {"step": "access", "status": "failed", "seconds": 0.1, "cause": "auth", "message": "no"}),
    ],
)
def test_anything_less_is_a_failure(left: Outcome) -> None:
    assert judge(SPEC, left, 60).status == "failed"


def test_the_step_that_failed_gives_cause_message_and_hint() -> None:
    failed = {"step": "access", "status": "failed", "seconds": 0.2, "cause": "permission", "message": "403"}
    result = judge(SPEC, outcome(*PASSED[:2], failed), 60)
    assert (result.cause, result.message) == ("permission", "403")
    assert "GET on `path`" in result.hint
    assert result.steps[-1].status == "failed"


def test_a_deadline_names_the_step_that_never_ended() -> None:
    result = judge(SPEC, outcome(*PASSED[:3], exit_code=None), 7)
    assert (result.cause, result.message) == ("timeout", "no end of `access` within 7 s")
    assert (result.steps[-1].name, result.steps[-1].status) == ("access", "failed")


def test_a_process_that_died_tells_its_last_words_redacted() -> None:
    mask("a-secret-value")
    result = judge(SPEC, outcome(exit_code=1, output="x\nImportError: a-secret-value\n\n"), 60)
    assert result.cause == "check_error"
    assert "exit code 1" in result.message
    assert "ImportError: ***" in result.message
    assert "smoke --show-command api.http" in result.hint


def test_a_missing_provider_names_the_command_that_installs_it() -> None:
    result = missing_provider(SPEC, ["apache-airflow-providers-http"])
    assert (result.cause, result.hint) == ("provider_missing", "pip install apache-airflow-providers-http")
