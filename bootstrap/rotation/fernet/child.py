"""Looks at, or re-encrypts, what Airflow keeps encrypted, inside an Airflow process.

`python -m bootstrap.rotation.fernet.child look|look-everywhere|reencrypt LOCK` prints one JSON object to stdout, which is a pipe: what
`rows.look` finds in the end (in XComs, too, but for `look`), or `{"error": a class of bootstrap.errors, "message": …, "hint": …}`. Keys that are
in airflow.cfg no more come as a JSON list in the variable RETIRED. The file LOCK is held meanwhile.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from bootstrap.airflow.child_protocol import answering, starting, told
from bootstrap.errors import BootstrapError
from bootstrap.util.files import locked

RETIRED = "AIRFLOW_BOOTSTRAP_RETIRED_KEYS"
LOCK_TIMEOUT = 120.0  # seconds; a process whose starter was killed ends its work first


def main() -> None:
    """Airflow prints to stdout, so the answer has a descriptor of its own."""
    what, lock = sys.argv[1:]
    with answering() as tell:
        tell(answer(what, Path(lock), json.loads(os.environ.pop(RETIRED, "[]"))))


def answer(what: str, lock: Path, retired: list[str]) -> dict[str, Any]:
    """What `main` tells."""

    def work() -> dict[str, Any]:
        with locked(lock, timeout=LOCK_TIMEOUT, busy="another run works on the rows that Airflow encrypts"):
            with starting():
                from bootstrap.airflow import compat
                from bootstrap.rotation.fernet import rows
                from bootstrap.targets.metadata.rows import require_database
            if what != "reencrypt":
                compat.read_only()
            require_database()
            if what == "reencrypt":
                rows.reencrypt()
            return rows.look(retired, xcoms=what != "look")

    return told(work, _translated)


def _translated(err: Exception) -> BootstrapError:
    from bootstrap.targets.metadata.rows import translated  # which imports Airflow

    return translated(err)


if __name__ == "__main__":
    main()
