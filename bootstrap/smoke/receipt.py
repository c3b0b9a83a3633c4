"""What a task writes of its own work: the proof that it ran, in this run, and how far it came.

JSON lines: `{"nonce": …, "step": …, "status": "started|passed|failed|skipped", "seconds": …, …}`, and as the last one,
written when Airflow has recorded that state, `{"nonce": …, "outcome": "success"}`. Between them `{"made": RUN_ID,
"check_id": …}` before a check makes anything, `{"warning": …}` and `{"measured": {…}}`. A line without this run's nonce
counts for nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bootstrap.checks.base import new_run_id
from bootstrap.domain.secret import safe_json


@dataclass(frozen=True)
class Receipt:
    """Where the receipt of one check goes; `file` of None (a task run by hand): nowhere.

    The nonce proves freshness; it protects nothing.
    """

    run_id: str
    nonce: str
    file: Path | None

    @classmethod
    def by_hand(cls) -> Receipt:
        """The receipt of a task that no runner waits for."""
        return cls(run_id=f"{new_run_id()}-0", nonce="", file=None)

    def write(self, **entry: Any) -> None:
        """Append one line, without secrets, and get it to the disk before anything else happens."""
        if self.file is None:
            return
        line = safe_json({"nonce": self.nonce, **entry}, indent=None)
        descriptor = os.open(self.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "a", encoding="utf-8") as file:
            file.write(line)

    def read(self) -> Iterator[Mapping[str, Any]]:
        """The lines of this run; a line cut short by a kill is left out."""
        if self.file is not None and self.file.exists():
            yield from (entry for entry in lines(self.file) if entry.get("nonce") == self.nonce)


def lines(file: Path) -> Iterator[Mapping[str, Any]]:
    """All lines of a receipt's file, whoever wrote them; what is no line of one is left out."""
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError:  # a folder, or nobody's to read: it tells nothing
        return
    for line in text.splitlines():
        with contextlib.suppress(ValueError, RecursionError):
            entry = json.loads(line)
            if isinstance(entry, dict):
                yield entry


def unclean(entries: Iterable[Mapping[str, Any]]) -> tuple[str, str] | None:
    """The check's id and the run's, where the check made something and never came to removing it."""
    made = None
    for entry in entries:
        if isinstance(entry.get("made"), str) and isinstance(entry.get("check_id"), str):
            made = entry["check_id"], entry["made"]
        elif entry.get("step") == "clean" and entry.get("status") != "started":
            made = None
    return made
