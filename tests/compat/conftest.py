"""Each test here holds a contract; with $COMPAT_RESULTS, a file, the run's outcome by contract is written to it as JSON.

    {"airflow": "3.3.2", "python": "3.11.7", "contracts": {"verdict": {"outcome": "passed", "tests": 2, "reason": ""}, …}}

`outcome` is passed, failed or "not applicable": every test of the contract was skipped, and `reason` says why. A run of some contracts
keeps what the file has of the others.
"""

from __future__ import annotations

import json
import os
import platform
from collections import defaultdict
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from tests.compat.contracts import CONTRACTS

_HERE = Path(__file__).parent
_PROPERTY = "contract"
_reports: defaultdict[str, list[pytest.TestReport]] = defaultdict(list)


def pytest_collection_modifyitems(items: Iterable[pytest.Item]) -> None:
    for item in items:
        if _HERE in item.path.parents:
            named = [marker.args[0] for marker in item.iter_markers("contract")]
            if not named or not CONTRACTS.keys() >= set(named):
                raise pytest.UsageError(f"{item.nodeid} names no contract of {_HERE.name}/contracts.py")
            item.user_properties.extend((_PROPERTY, name) for name in named)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call" or report.outcome != "passed":
        for name, contract in report.user_properties:
            if name == _PROPERTY:
                _reports[str(contract)].append(report)


def pytest_sessionfinish() -> None:
    if name := os.environ.get("COMPAT_RESULTS"):
        file = Path(name)
        found = {"airflow": version("apache-airflow"), "python": platform.python_version()}
        before = json.loads(file.read_text()) if file.exists() else {}
        kept = before["contracts"] if before.items() >= found.items() else {}
        contracts = kept | {name: _outcome(reports) for name, reports in _reports.items()}
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({**found, "contracts": contracts}, indent=1) + "\n")


def _outcome(reports: Iterable[pytest.TestReport]) -> dict[str, Any]:
    ran = [report for report in reports if not report.skipped]
    skipped = [report.longrepr[2] for report in reports if isinstance(report.longrepr, tuple)]
    if not ran:
        return {"outcome": "not applicable", "tests": 0, "reason": skipped[0].removeprefix("Skipped: ")}
    return {"outcome": "failed" if any(report.failed for report in ran) else "passed", "tests": len(ran), "reason": ""}
