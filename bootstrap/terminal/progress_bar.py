"""A progress bar for countable work."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from bootstrap.terminal.console import Console

T = TypeVar("T")


def counted(console: Console, items: Iterable[T], total: int, what: str) -> Iterator[T]:
    """`items`, with a bar on stderr while they come where that is a terminal; what is printed meanwhile stands above it."""
    if not total or not _wants_bar(console):
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


def _wants_bar(console: Console) -> bool:
    if console.quiet or console.log_format != "text":
        return False
    return sys.stderr.isatty() and os.environ.get("TERM", "dumb") not in {"dumb", "unknown"}
