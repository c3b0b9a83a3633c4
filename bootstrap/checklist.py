"""The checklist that a run ends with: rows for people, made from what the stages return."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from bootstrap.console import Console
from bootstrap.secret import redact
from bootstrap.smoke.report import Report
from bootstrap.smoke.verdict import CheckResult

Mark = Literal["ok", "changed", "failed"]
_SYMBOLS = {"ok": "[green]✓[/]", "changed": "[yellow]✓[/]", "failed": "[red]✗[/]"}
_STEP_MARKS = {"passed": "✓", "failed": "✗", "skipped": "-"}


@dataclass(frozen=True)
class Row:
    """One line: at which stage, about what, with what result. `seconds` of None shows as blank."""

    stage: str
    subject: str
    check: str
    detail: str
    mark: Mark = "ok"
    seconds: float | None = None


def check_row(result: CheckResult) -> Row:
    """A check with its steps."""
    steps = " ".join(f"{_STEP_MARKS[step.status]}{step.name}" for step in result.steps)
    detail = steps if result.status == "passed" else f"{steps}  {result.cause}"
    name = result.id.removeprefix(f"{result.connection}.")
    return Row(
        "smoke", result.connection, name, detail, "ok" if result.status == "passed" else "failed", result.seconds
    )


def check_line(result: CheckResult, done: int, total: int) -> str:
    """Progress: one check, as it ends."""
    word = "passed" if result.status == "passed" else f"FAILED ({result.cause})"
    return f"[{done}/{total}] {result.id} {word}"


def show(console: Console, rows: Sequence[Row], *, to_stderr: bool = False) -> None:
    """Print the rows as a table, a stage's name once."""
    import sys

    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("stage", "", "connection", "check", "steps"):
        table.add_column(title, overflow="fold")
    table.add_column("time", justify="right", no_wrap=True)
    stage = ""
    for row in rows:
        texts = [escape(redact(text)) for text in (row.subject, row.check, row.detail)]
        seconds = "" if row.seconds is None else f"{row.seconds:.1f} s"
        table.add_row("" if row.stage == stage else row.stage, _SYMBOLS[row.mark], *texts, seconds)
        stage = row.stage
    console.rich(sys.stderr if to_stderr else sys.stdout).print(table)


def failures(results: Iterable[CheckResult]) -> str:
    """What went wrong with each failed check, and the next step."""
    return "".join(_failure(result) for result in results if result.status == "failed")


def _failure(result: CheckResult) -> str:
    step = next((step.name for step in result.steps if step.status == "failed"), None)
    at = f" at {step}" if step else ""
    return f"\n✗ {result.id}: {result.cause}{at}\n    {result.message}\n    next: {result.hint}\n"


def ending(report: Report, *, unchanged: bool = False) -> str:
    """Verdict, what differs from the manifest, and the exit code; `unchanged`: nothing had to be changed before."""
    sentences = "".join(f"! {sentence}\n" for sentence in report.drift.sentences)
    said = f"nothing to change; {report.summary}" if unchanged else report.summary
    return f"\n{sentences}{report.verdict}: {said} in {report.seconds:.1f} s (exit code {int(report.exit_code)})\n"
