"""What `store list` shows of each secret: as much as the store tells without reading a value."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from bootstrap.domain.secret import safe_json
from bootstrap.stores.base import Entry, Store

if TYPE_CHECKING:
    from rich.table import Table

_UNITS = (("d", 86400), ("h", 3600), ("min", 60))  # seconds


def entries(store: Store, prefix: str) -> list[Entry]:
    """All secrets below `prefix`; of a store that tells no more, their paths. Raises StoreError."""
    listing: Any = store
    if hasattr(store, "entries"):
        return list(listing.entries(prefix))
    return [Entry(path) for path in store.names(prefix)]


def age(created: datetime, now: datetime) -> str:
    """How long ago, in the largest unit that fits: `3 d`, `5 h`, `12 min`, `40 s`. A clock that is behind counts from 0."""
    seconds = max(0, int((now - created).total_seconds()))
    unit, length = next(((unit, length) for unit, length in _UNITS if seconds >= length), ("s", 1))
    return f"{seconds // length} {unit}"


def document(name: str, found: Sequence[Entry]) -> str:
    """The list as JSON, for programs: null is what the store doesn't tell."""
    rows = [
        {
            "reference": f"{name}:{entry.path}",
            "path": entry.path,
            "version": entry.version,
            "versions": entry.versions,
            "created": entry.created.astimezone(timezone.utc).isoformat() if entry.created else None,
            "state": entry.state or None,
        }
        for entry in found
    ]
    return safe_json(rows, indent=1)


def table(name: str, found: Sequence[Entry], now: datetime) -> Table:
    """The list for people; a column that is empty is left out."""
    from rich.table import Table

    from bootstrap.terminal.console import cell

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


def visible(text: str) -> str:
    """`text` on one line, without what a terminal would obey."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)
