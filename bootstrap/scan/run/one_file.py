"""Parses one DAG file as Airflow does, in a process of its own, and writes down what it needs."""

from __future__ import annotations

import os
import re
import sys
from typing import Any

from bootstrap.airflow import compat
from bootstrap.domain.secret import foreign
from bootstrap.scan.operators.table import Operators
from bootstrap.scan.run import seen
from bootstrap.scan.run.held import Frames, Held
from bootstrap.scan.run.job import Job

_RAISED = re.compile(r"^[A-Za-z_][\w.]*(?:: .*)?$")
_PLACE = re.compile(r'^\s+File "([^"]+)", line (\d+)')


def parse(job: Job, number: int, table: Operators) -> None:
    """Everything goes to the job's folder; whatever DAG code raises, too."""
    file = job.files[number]
    roots = tuple(job.roots.get(file, ()))
    sys.path.extend(root for root in roots if root not in sys.path)  # last: nothing of theirs hides a package
    with open(os.path.join(job.out, str(number)), "w", encoding="utf-8") as out:  # noqa: PTH118, PTH123  before any of their code
        seen.begin(out, job.folder, file, roots, job.types)
        try:
            _parse(job, file, Held(table))
        except SystemExit as err:
            seen.say(error=f"calls sys.exit({foreign(repr(err.code))})")
        except BaseException as err:
            seen.say(error=f"{type(err).__name__}: {foreign(err)}")


def _parse(job: Job, file: str, held: Held) -> None:
    made: list[tuple[Any, Frames]] = []
    compat.on_new_task(lambda task: made.append((task, seen.path_to(seen.caller())[0])))
    bag = compat.dag_bag(job.folder)
    bag.process_file(os.path.join(job.folder, file), only_if_updated=False)  # noqa: PTH118
    errors = list(bag.import_errors.values())
    for task, frames in made:
        for need in held.of_task(task, frames):
            seen.write(need)
    for dag in bag.dags.values():
        for need in held.of_dag(dag, ((file, 1),)):
            seen.write(need)
    for error in errors:
        seen.say(error=_reason(str(error), job.folder))
    seen.say(parsed=not errors, dags=len(bag.dags), tasks=len(made))


def _reason(traceback: str, folder: str) -> str:
    """`ModuleNotFoundError: No module named 'acme' (line 3)` of a traceback; the line is the project's that is nearest to it."""
    lines = traceback.strip().splitlines()
    raised = next((line for line in reversed(lines) if _RAISED.match(line) and not line.startswith("During")), "")
    places = [found for line in lines if (found := _PLACE.match(line)) and found[1].startswith(f"{folder}/")]
    at = f" ({os.path.relpath(places[-1][1], folder)}:{places[-1][2]})" if places else ""
    return (raised or (lines[-1] if lines else "an error without a message")) + at
