"""docs/compatibility.md, made from what the last runs of the compat suite found: python -m tools.compatibility FILE...

A FILE is what a run of tests/compat left (see its conftest.py), or the JUnit report of a make target on another Python.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from junitparser import JUnitXml

from tests.compat.contracts import CONTRACTS

PAGE = Path(__file__).parent.parent / "docs" / "compatibility.md"
Run: TypeAlias = dict[str, Any]

_HEAD = """# Compatibility

Generated from a run of `make compat-all`, which tests each contract that depends on Airflow's version in an environment of its own for each
release, and everything else on Python 3.13. `make compat` takes the newest Airflow and the oldest alone, or those that `RELEASES` names. How the
releases differ is [in the architecture](architecture.md#where-airflows-versions-differ).

"""
_MARKS = {"passed": "passed", "failed": "**failed**", "not applicable": "n/a"}
_NOT_RUN = "**not run**"


def generated(files: Sequence[Path]) -> str:
    """The page as Markdown."""
    runs = sorted((json.loads(file.read_text()) for file in files if file.suffix == ".json"), key=_number)
    reports = [file for file in files if file.suffix == ".xml"]
    return _HEAD + "\n".join([*_table(runs), "", *_reasons(runs), *_pythons(runs), *map(_report, reports)]) + "\n"


def _number(run: Run) -> tuple[int, ...]:
    return tuple(map(int, run["airflow"].split(".")))


def _table(runs: Sequence[Run]) -> Iterator[str]:
    yield f"| contract | what holds | {' | '.join(run['airflow'] for run in runs)} |"
    yield f"| --- | --- |{' --- |' * len(runs)}"
    for name, meaning in CONTRACTS.items():
        found = (run["contracts"].get(name) for run in runs)
        marks = [_MARKS[outcome["outcome"]] if outcome else _NOT_RUN for outcome in found]
        yield f"| {name} | {meaning} | {' | '.join(marks)} |"


def _reasons(runs: Sequence[Run]) -> Iterator[str]:
    """Why a contract is not applicable: a reason, and the releases that have it."""
    for name in CONTRACTS:
        by_reason: dict[str, list[str]] = {}
        for run in runs:
            found = run["contracts"].get(name)
            if found and found["reason"]:
                by_reason.setdefault(found["reason"], []).append(run["airflow"])
        for reason, releases in by_reason.items():
            yield f"- n/a: {name} ({', '.join(releases)}): {reason}"


def _pythons(runs: Sequence[Run]) -> Iterator[str]:
    by_python: dict[str, list[str]] = {}
    for run in runs:
        by_python.setdefault(run["python"], []).append(run["airflow"])
    for python, releases in by_python.items():
        yield f"- Airflow {', '.join(releases)} ran on Python {python}."


def _report(file: Path) -> str:
    """`python-3.13.xml`: what came of a make target, which the suite is named after, on that Python."""
    [suite] = JUnitXml.fromfile(str(file))
    failed = suite.failures + suite.errors
    passed = suite.tests - failed - suite.skipped
    counts = f"{passed:,} tests passed, {suite.skipped} skipped" + (f", **{failed} failed**" if failed else "")
    return f"- `make {suite.name}` on {file.stem.replace('python-', 'Python ')}: {counts}."


if __name__ == "__main__":
    text = generated([Path(name) for name in sys.argv[1:]])
    PAGE.write_text(text)
    sys.exit(int("**" in text))  # only what failed or did not run is bold
