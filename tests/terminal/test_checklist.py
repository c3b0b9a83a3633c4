"""The checklist fits on a screen."""

from __future__ import annotations

import pytest

from bootstrap.checks.base import CauseName
from bootstrap.smoke.verdict import CheckResult, Step
from bootstrap.terminal.checklist import Row, check_row, failures, notes, show
from bootstrap.terminal.console import Console
from tests.smoke.test_report import check

STEPS = tuple(Step(name, "passed", 0.1) for name in ("resolve", "reach", "authenticate", "access", "write", "clean"))


def result(connection: str, cause: CauseName | None = None) -> CheckResult:
    steps = (*STEPS[:2], Step("authenticate", "failed", 0.1)) if cause else STEPS
    return CheckResult(f"{connection}.gcs", connection, "gcs", "failed" if cause else "passed", steps, 1.2, cause)


def shown(rows: list[Row], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], columns: int) -> str:
    monkeypatch.setattr("bootstrap.terminal.console.WIDTH", columns)
    show(Console(), rows)
    return capsys.readouterr().out


@pytest.mark.parametrize("columns", [80, 110])
def test_a_check_takes_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], columns: int
) -> None:
    rows = [check_row(result(f"google_cloud_default_{number}")) for number in range(15)]
    lines = shown(rows, monkeypatch, capsys, columns).splitlines()
    assert len(lines) == 16
    assert max(map(len, lines)) <= columns
    assert all(line.endswith("1.2 s") for line in lines[1:])


def test_steps_have_names_where_there_is_room(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [check_row(result("a"))]
    assert "✓resolve ✓reach ✓authenticate ✓access ✓write ✓clean" in shown(rows, monkeypatch, capsys, 90)
    narrow = shown(rows, monkeypatch, capsys, 80)
    assert "✓✓✓✓✓✓" in narrow
    assert "resolve" not in narrow


def test_the_step_that_failed_is_named_in_any_case(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "✓✓✗authenticate  auth" in shown([check_row(result("a", "auth"))], monkeypatch, capsys, 60)


def test_a_long_line_of_another_stage_abbreviates_no_check(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [Row("doctor", "airflow", "", "word " * 40), check_row(result("a"))]
    assert "✓resolve ✓reach ✓authenticate ✓access ✓write ✓clean" in shown(rows, monkeypatch, capsys, 90)


def test_a_message_does_not_command_the_terminal() -> None:
    assert "\x1b" not in failures([check("auth", message="\x1b[2J\x1b]0;title\x07")])


def test_warnings_and_figures_are_told() -> None:
    told = notes([check(), check(warnings=("beware",), measured={"bytes": 5})])
    assert told == "  a.http: moved: 5 B\n! a.http: beware\n"
