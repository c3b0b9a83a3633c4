"""Progress of long work: a live table of checks or a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Literal, TypeVar

from bootstrap.smoke.run import OnResult
from bootstrap.smoke.verdict import CheckResult
from bootstrap.terminal.checklist import check_line
from bootstrap.terminal.console import Console, cell
from bootstrap.util.human import printable

if TYPE_CHECKING:
    from rich.table import Table

T = TypeVar("T")
State = Literal["running", "failed", "unproven", "waiting", "passed"]
_SYMBOLS: dict[State, tuple[str, str]] = {
    "running": ("▸", "yellow"),
    "failed": ("✗", "red"),
    "unproven": ("!", "yellow"),
    "waiting": ("·", "dim"),
    "passed": ("✓", "green"),
}
_PER_SECOND = 8  # how often the live table is drawn


@contextmanager
def watching(console: Console, ids: Sequence[str], jobs: int) -> Iterator[OnResult]:
    """Show the run of these checks, `jobs` at a time, while the block lasts; yields the callback for results of `run.smoke`.

    The terminal is as before afterwards.
    """
    if not _is_live(console):
        yield lambda result, done: console.note(printable(check_line(result, done, len(ids))))
        return
    from rich.live import Live

    board = Board(ids, jobs)
    rich = console.rich(sys.stderr)
    try:
        with Live(
            console=rich,
            get_renderable=lambda: board.table(rich.height),
            refresh_per_second=_PER_SECOND,
            transient=True,
        ):
            yield board.ended
    finally:
        rich.show_cursor()  # also when a second ^C ended the table's own tidying


def counted(console: Console, items: Iterable[T], total: int, what: str) -> Iterator[T]:
    """`items`, with a bar on stderr while they come where that is a terminal; what is printed meanwhile stands above it."""
    if not total or not _is_live(console):
        yield from items
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    rich = console.rich(sys.stderr)
    with Progress(*columns, console=rich, transient=True, redirect_stdout=sys.stdout.isatty()) as bar:
        task = bar.add_task(what, total=total)
        for item in items:
            yield item
            bar.advance(task)


def _is_live(console: Console) -> bool:
    if console.quiet or console.log_format != "text":
        return False
    return sys.stderr.isatty() and os.environ.get("TERM", "dumb") not in {"dumb", "unknown"}


@dataclass
class _Line:
    state: State = "waiting"
    since: float = 0.0  # monotonic; when it began
    seconds: float | None = None  # how long it took
    detail: str = ""


@dataclass
class Board:
    """The live table: one thread reports results, another one draws.

    Both runners start checks in order, `jobs` at a time: who runs follows from who has ended.
    """

    ids: Sequence[str]
    jobs: int
    started: float = field(default_factory=time.monotonic)
    _lines: dict[str, _Line] = field(init=False)

    def __post_init__(self) -> None:
        self._lines = {check_id: _Line() for check_id in self.ids}
        self._begin()

    def ended(self, result: CheckResult, _done: int) -> None:
        """A check has its result."""
        self._lines[result.id] = _Line(result.status, seconds=result.seconds, detail=result.cause or "")
        self._begin()

    def _begin(self) -> None:
        states = [line.state for line in self._lines.values()]
        waiting = (check_id for check_id in self.ids if self._lines[check_id].state == "waiting")
        for check_id in islice(waiting, self.jobs - states.count("running")):
            self._lines[check_id] = _Line("running", time.monotonic())

    def table(self, height: int) -> Table:
        """A screen of so many lines: everything if it fits, else what goes on and what failed first."""
        from rich.table import Table

        table = Table(box=None, pad_edge=False, show_header=False, show_footer=False)
        table.add_column("", no_wrap=True)
        table.add_column("", no_wrap=True, overflow="ellipsis")
        table.add_column("", no_wrap=True, overflow="ellipsis")
        table.add_column("", no_wrap=True, justify="right")
        shown, room, urgency = list(self.ids), max(1, height - 2), list(_SYMBOLS)
        if len(shown) > room:
            shown = sorted(shown, key=lambda check_id: urgency.index(self._lines[check_id].state))[:room]
        for check_id in shown:
            line = self._lines[check_id]
            texts = (check_id, line.detail or line.state, _seconds(line))
            table.add_row(cell(*_SYMBOLS[line.state]), *map(cell, texts))
        table.add_row("", self._sum(), "", f"{time.monotonic() - self.started:.0f} s")
        return table

    def _sum(self) -> str:
        states = [line.state for line in self._lines.values()]
        done = len(states) - states.count("waiting") - states.count("running")
        told = (f", {states.count(state)} {state}" for state in ("failed", "unproven") if state in states)
        return f"{done} of {len(states)} done{''.join(told)}"


def _seconds(line: _Line) -> str:
    if line.state == "running":
        return f"{time.monotonic() - line.since:.0f} s"
    return "" if line.seconds is None else f"{line.seconds:.1f} s"
