"""The table of `store list`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from bootstrap.stores.base import Entry
from bootstrap.terminal.console import cell
from bootstrap.util.human import age, visible

if TYPE_CHECKING:
    from rich.table import Table


def table(name: str, found: Sequence[Entry], now: datetime) -> Table:
    """The list for people; a column that is empty is left out."""
    from rich.table import Table

    titles = ("name", "version", "versions", "age", "created", "state")
    rows = [_row(name, entry, now) for entry in found]
    shown = [index for index in range(len(titles)) if index == 0 or any(row[index] for row in rows)]
    made = Table(box=None, pad_edge=False, header_style="dim")
    for index in shown:
        right = titles[index] in {"version", "versions", "age"}
        made.add_column(titles[index], overflow="fold", justify="right" if right else "left", no_wrap=index > 0)
    for row in rows:
        made.add_row(*(cell(row[index]) for index in shown))
    return made


def _row(name: str, entry: Entry, now: datetime) -> tuple[str, ...]:
    created = entry.created.astimezone(timezone.utc) if entry.created else None
    return (
        visible(f"{name}:{entry.path}"),
        visible(entry.version or ""),
        "" if entry.versions is None else str(entry.versions),
        age(created, now) if created else "",
        f"{created:%Y-%m-%d %H:%M:%S} UTC" if created else "",
        visible(entry.state),
    )
