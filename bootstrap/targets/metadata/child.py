"""Reads and writes connections and variables inside an Airflow process, in the user's own metadata database.

`python -m bootstrap.targets.metadata.child [read-only]` says `{"ready": VERSION}`, then answers each line of stdin with one of
stdout, all JSON, until stdin ends; a KIND is "connection" or "variable":

- `{"read": {KIND: [NAME, …]}, "owner": …}`: `{KIND: {NAME: {"version": …, "team": whether it is of one, "mark": …,
  "fields": {…} or "undecryptable": why}}, "index": TEXT or null, "shared": whether it is more than a file in Airflow's home}`, with those
  that the owner has registered besides
- `{"write": [{"kind": …, "name": …, "expect": VERSION or null, "fields": {…} or null to delete}, …], "marks": [the same
  without fields, …], "owner": …, "allow_unencrypted": …}`: `{"conflicts": [[KIND, NAME], …]}`. Everything is written if
  there are none; else nothing.
- `{"copy": {KIND: [NAME, …]}, "owner": …}`: see `metadata_copies`
- what fails: `{"error": a class of bootstrap.errors, "message": …, "hint": …}`
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import IO, Any

from bootstrap.errors import AirflowError, BootstrapError


def main() -> None:
    """Until stdin ends."""
    requests, answers = _own_streams()
    for answer in _answers(requests):
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _own_streams() -> tuple[IO[str], IO[str]]:
    """Ours alone: Airflow prints to stdout, and commands that it runs for options could read stdin."""
    requests = os.fdopen(os.dup(0), encoding="utf-8")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    with open(os.devnull) as nothing:  # noqa: PTH123  a descriptor is wanted
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    return requests, answers


def _answers(requests: Iterable[str]) -> Iterator[dict[str, Any]]:
    yield _told(_start)
    for line in requests:
        yield _told(partial(_asked, json.loads(line)))


def _told(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return work()
    except BootstrapError as err:
        error = err
    except Exception as err:
        from bootstrap.targets.metadata.rows import translated

        error = translated(err)
    return {"error": type(error).__name__, "message": error.message, "hint": error.hint}


def _start() -> dict[str, Any]:
    try:
        import airflow
        from airflow.models.connection import Connection  # noqa: F401  as long as nobody waits for a lock
    except Exception as err:
        hint = f"see why: AIRFLOW_HOME={os.environ.get('AIRFLOW_HOME', '')} airflow version"
        raise AirflowError(f"Airflow does not start ({type(err).__name__})", hint) from err
    from bootstrap.airflow import compat
    from bootstrap.targets.metadata.rows import require_database

    if "read-only" in sys.argv[1:]:
        compat.open_read_only()
    require_database()
    return {"ready": airflow.__version__}


def _asked(request: Mapping[str, Any]) -> dict[str, Any]:
    from bootstrap.targets.metadata import rows

    if "copy" in request:
        from bootstrap.targets.metadata.copies import copies

        return copies(request["copy"], request["owner"])
    if "read" in request:
        return rows.read(request["read"], request["owner"])
    conflicts = rows.write(
        request["write"], request["marks"], request["owner"], allow_unencrypted=request["allow_unencrypted"]
    )
    return {"conflicts": conflicts}


if __name__ == "__main__":
    main()
