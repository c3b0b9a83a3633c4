"""Reads and writes connections and variables inside an Airflow process, in the user's own metadata database.

`python -m bootstrap.targets.metadata.child [read-only]` says `{"ready": VERSION}`, then answers each line of stdin with one of
stdout, all JSON, until stdin ends; a KIND is "connection" or "variable":

- `{"read": {KIND: [NAME, …]}, "owner": …}`: `{KIND: {NAME: {"version": …, "team": whether it is of one, "mark": …,
  "fields": {…} or "undecryptable": why}}, "index": TEXT or null, "shared": whether it is more than a file in Airflow's home}`, with those
  that the owner has registered besides
- `{"write": [{"kind": …, "name": …, "expect": VERSION or null, "fields": {…} or null to delete}, …], "marks": [the same
  without fields, …], "owner": …, "allow_unencrypted": …}`: `{"conflicts": [[KIND, NAME], …]}`. Everything is written if
  there are none; else nothing.
- `{"copy": {KIND: [NAME, …]}, "owner": …}`: see `rows.copies`
- what fails: `{"error": a class of bootstrap.errors, "message": …, "hint": …}`
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from functools import partial
from typing import Any

from bootstrap.airflow.child_protocol import conversing, starting, told
from bootstrap.errors import BootstrapError


def main() -> None:
    """Until stdin ends."""
    with conversing() as (questions, tell):
        tell(told(_start, _translated))
        for line in questions:
            tell(told(partial(_asked, json.loads(line)), _translated))


def _translated(err: Exception) -> BootstrapError:
    from bootstrap.targets.metadata.rows import translated  # which imports Airflow

    return translated(err)


def _start() -> dict[str, Any]:
    with starting():
        import airflow
        from airflow.models.connection import Connection  # noqa: F401  as long as nobody waits for a lock
    from bootstrap.airflow import compat
    from bootstrap.targets.metadata.rows import require_database

    if "read-only" in sys.argv[1:]:
        compat.open_read_only()
    require_database()
    return {"ready": airflow.__version__}


def _asked(request: Mapping[str, Any]) -> dict[str, Any]:
    from bootstrap.targets.metadata import rows

    if "copy" in request:
        return rows.copies(request["copy"], request["owner"])
    if "read" in request:
        return rows.read(request["read"], request["owner"])
    conflicts = rows.write(
        request["write"], request["marks"], request["owner"], allow_unencrypted=request["allow_unencrypted"]
    )
    return {"conflicts": conflicts}


if __name__ == "__main__":
    main()
