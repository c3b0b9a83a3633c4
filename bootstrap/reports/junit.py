"""The report as JUnit XML. Anything that keeps a run from being good is a failed testcase."""

from __future__ import annotations

from collections.abc import Iterator

from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

from bootstrap.checks.base import CauseName
from bootstrap.errors import Exit
from bootstrap.smoke.report import Report, StageResult
from bootstrap.smoke.verdict import CheckResult
from bootstrap.util.human import measured, printable

UNJUDGED: tuple[CauseName, ...] = ("store_unreachable", "store_denied", "provider_missing", "check_error")
_CLASS = "airflow_bootstrap"


def junit(report: Report) -> str:
    """One testsuite with a testcase for each check, and for all that a stage before them looked at or did.

    A check that couldn't be judged, and what ended the run before the checks, is an error, not a failure.
    """
    report = report.redacted()
    suite = TestSuite("airflow-bootstrap")
    suite.timestamp = report.started.isoformat(timespec="seconds")
    suite.add_property("airflow", printable(report.airflow))
    if report.coverage is not None:
        suite.add_property("coverage", printable(report.coverage.sentence))
    for case in (
        *map(_stage, report.stages),
        *(_check(check, report) for check in report.checks),
        *map(_unchecked, report.unchecked),
        *_run(report),
    ):
        suite.add_testcase(case)
    document = JUnitXml("airflow-bootstrap")
    document.add_testsuite(suite)
    document.update_statistics()  # type: ignore[no-untyped-call]  # junitparser says no types here
    document.time = suite.time = round(report.seconds, 3)
    text: bytes = document.tostring()  # type: ignore[no-untyped-call]
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text.decode()}\n'


def _stage(stage: StageResult) -> TestCase:
    case = TestCase(printable(stage.subject or stage.stage), f"{_CLASS}.{stage.stage}", stage.seconds or 0.0)
    if stage.status == "failed":
        text = f"message: {stage.message}\nnext: {stage.hint}"
        case.result = [_problem(Error, stage.stage, stage.message, text)]
    elif stage.message:
        warned = "warning: " if stage.status == "warning" else ""
        case.system_out = f"{warned}{printable(stage.message)}"
    return case


def _unchecked(conn_id: str) -> TestCase:
    case = TestCase(printable(conn_id), f"{_CLASS}.{printable(conn_id)}", 0.0)
    case.result = [Skipped("unchecked: the connection has no check")]
    return case


def _check(check: CheckResult, report: Report) -> TestCase:
    case = TestCase(printable(check.id), f"{_CLASS}.{printable(check.connection)}", check.seconds)
    said = [f"warning: {printable(text)}" for text in check.warnings]
    said += [f"measured: {measured(check.measured)}"] if check.measured else []
    if check.status == "failed":
        kind = Error if check.cause in UNJUDGED else Failure
        step = next((step.name for step in check.steps if step.status == "failed"), "none")
        text = f"step: {step}\nmessage: {check.message}\nnext: {check.hint}"
        case.result = [_problem(kind, str(check.cause), check.message, text)]
    if check.status == "unproven":  # what isn't allowed must not look good in a CI that counts failures only
        kind_of = Skipped if report.allow_unproven else Failure
        case.result = [_problem(kind_of, "unproven", check.message, f"{check.message}\nnext: {check.hint}")]
    if said:
        case.system_out = "\n".join(said)
    return case


def _run(report: Report) -> Iterator[TestCase]:
    """What is wrong with the run itself."""
    if report.stopped is not None:
        if not any(stage.status == "failed" for stage in report.stages):
            problem = _problem(Error, "stopped", report.stopped.message, report.stopped.message)
            yield _case("stopped", problem)
    elif not report.checks:
        yield _case("nothing checked", _problem(Failure, "nothing_checked", report.summary, report.summary))
    if report.interrupted:
        yield _case("interrupted", _problem(Error, "interrupted", report.summary, report.summary))
    if not report.drift.sentences:
        return
    text = "\n".join(report.drift.sentences)
    if report.drift.exit_code != Exit.OK:
        yield _case("drift", _problem(Failure, "drift", report.drift.sentences[0], text))
    else:
        noted = _case("drift")
        noted.system_out = printable(text)
        yield noted


def _case(name: str, *problems: Failure | Error | Skipped) -> TestCase:
    case = TestCase(name, _CLASS, 0.0)
    case.result = list(problems)
    return case


def _problem(kind: type[Failure | Error | Skipped], cause: str, message: str, text: str) -> Failure | Error | Skipped:
    problem = kind(printable(message), cause)
    problem.text = printable(text)
    return problem
