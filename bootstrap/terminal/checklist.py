"""The checklist at the end of a run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bootstrap.smoke.report import Report, StageResult, StageStatus
from bootstrap.smoke.verdict import CheckResult, CheckStatus
from bootstrap.terminal.console import Console, cell
from bootstrap.util.human import measured, printable

if TYPE_CHECKING:
    from rich.table import Table

_SYMBOLS = {"ok": ("✓", "green"), "changed": ("✓", "yellow"), "warning": ("!", "yellow"), "failed": ("✗", "red")}
_MARKS: dict[CheckStatus, StageStatus] = {"passed": "ok", "failed": "failed", "unproven": "warning"}
_STEP_MARKS = {"passed": "✓", "failed": "✗", "skipped": "-"}
_ENDLESS = 10_000  # columns: more than any table needs


@dataclass(frozen=True)
class Row:
    """One line: at which stage, about what, with what result. `seconds` of None shows as blank.

    `brief` stands for `detail` where the screen is too narrow for it.
    """

    stage: str
    subject: str
    check: str
    detail: str
    mark: StageStatus = "ok"
    seconds: float | None = None
    brief: str = ""


def stage_row(result: StageResult) -> Row:
    """What a stage before the checks looked at or did; of a long message its first line."""
    first_line = (result.message.splitlines() or [""])[0]
    return Row(result.stage, result.subject, "", first_line, result.status, result.seconds)


def check_row(result: CheckResult) -> Row:
    """A check with its steps."""
    cause = "" if result.status == "passed" else f"  {result.cause or result.status}"
    return Row(
        stage="smoke",
        subject=result.connection,
        check=result.id.removeprefix(f"{result.connection}."),
        detail=" ".join(f"{_STEP_MARKS[step.status]}{step.name}" for step in result.steps) + cause,
        mark=_MARKS[result.status],
        seconds=result.seconds,
        brief="".join(_STEP_MARKS[step.status] + step.name * (step.status == "failed") for step in result.steps)
        + cause,
    )


def check_line(result: CheckResult, done: int, total: int) -> str:
    """Progress: one check, as it ends."""
    word = f"FAILED ({result.cause})" if result.status == "failed" else result.status
    return f"[{done}/{total}] {result.id} {word}"


def show(console: Console, rows: Sequence[Row], *, to_stderr: bool = False) -> None:
    """Print the rows as a table, a stage's name once; steps are abbreviated where their rows would not fit on a line."""
    import sys

    rich = console.rich(sys.stderr if to_stderr else sys.stdout)
    unfolded = [row if row.brief else replace(row, detail="") for row in rows]
    fits = _table(unfolded).__rich_measure__(rich, rich.options.update(width=_ENDLESS)).maximum <= rich.width
    rich.print(_table(rows if fits else [replace(row, detail=row.brief or row.detail) for row in rows]))


def _table(rows: Sequence[Row]) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("stage", "", "connection", "check", "steps"):
        table.add_column(title, overflow="fold")
    table.add_column("time", justify="right", no_wrap=True)
    stage = ""
    for row in rows:
        texts = map(cell, (row.subject, row.check, row.detail))
        seconds = "" if row.seconds is None else f"{row.seconds:.1f} s"
        table.add_row("" if row.stage == stage else row.stage, cell(*_SYMBOLS[row.mark]), *texts, seconds)
        stage = row.stage
    return table


def failures(results: Iterable[CheckResult]) -> str:
    """What went wrong with each failed check, or why one proves nothing here, and the next step."""
    text = ""
    for result in results:
        if result.status != "passed":
            step = next((step.name for step in result.steps if step.status == "failed"), None)
            at = f" at {step}" if step else ""
            sign, said = ("✗", f"{result.cause}{at}") if result.status == "failed" else ("!", result.status)
            text += printable(f"\n{sign} {result.id}: {said}\n    {result.message}\n    next: {result.hint}\n")
    return text


def notes(results: Iterable[CheckResult]) -> str:
    """What the checks measured, and what did not fail and should be known."""
    text = ""
    for result in results:
        if result.measured:
            text += f"  {result.id}: {measured(result.measured)}\n"
        text += "".join(printable(f"! {result.id}: {warning}\n") for warning in result.warnings)
    return text


def ending(report: Report, *, unchanged: bool = False) -> str:
    """Verdict, what differs from the manifest, and the exit code; `unchanged`: nothing had to be changed before."""
    sentences = "".join(f"! {sentence}\n" for sentence in report.drift.sentences)
    said = f"nothing to change; {report.summary}" if unchanged else report.summary
    if report.unchecked:
        sentences += f"! no check proves {', '.join(report.unchecked)}\n"
    if report.coverage is not None:
        sentences += printable(f"{report.coverage.sentence}\n")
    return f"\n{sentences}{report.verdict}: {said} in {report.seconds:.1f} s (exit code {int(report.exit_code)})\n"
