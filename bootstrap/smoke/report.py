"""The result of a run: one value, written as JSON for programs and as a checklist for people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal

from bootstrap.drift import Drift
from bootstrap.errors import Exit
from bootstrap.smoke.verdict import CheckResult

VERSION = 1
_STORE_CAUSES = ("store_unreachable", "store_denied")


@dataclass(frozen=True)
class Report:
    """All results of a run, in the manifest's order."""

    airflow: str
    started: datetime
    seconds: float
    checks: tuple[CheckResult, ...]
    drift: Drift = field(default_factory=Drift)
    interrupted: bool = False

    @property
    def verdict(self) -> Literal["passed", "failed"]:
        """`passed` only if the exit code is 0."""
        return "passed" if self.exit_code == Exit.OK else "failed"

    @property
    def exit_code(self) -> Exit:
        """130 after ^C; 3 if a store was the reason; 1 for a failed check, drift, or no check at all."""
        if self.interrupted:
            return Exit.INTERRUPTED
        if any(check.cause in _STORE_CAUSES for check in self.checks):
            return Exit.STORE
        if not self.checks or any(check.status == "failed" for check in self.checks):
            return max(Exit.FAILED, self.drift.exit_code)
        return self.drift.exit_code

    @property
    def summary(self) -> str:
        """The verdict in a sentence."""
        failed = sum(check.status == "failed" for check in self.checks)
        if not self.checks:
            return "nothing was checked"
        counted = f"{len(self.checks) - failed} of {len(self.checks)} checks passed"
        return f"{counted}; interrupted" if self.interrupted else counted

    def as_json(self) -> str:
        """The report, version 1."""
        document: dict[str, Any] = {
            "version": VERSION,
            "verdict": self.verdict,
            "airflow": self.airflow,
            "started": self.started.isoformat(timespec="seconds"),
            "seconds": round(self.seconds, 3),
            "checks": [_check(check) for check in self.checks],
        }
        if self.drift.differing:
            document["drift"] = list(self.drift.differing)
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _check(check: CheckResult) -> Mapping[str, Any]:
    document = asdict(check)
    if check.status == "passed":
        for name in ("cause", "message", "hint"):
            del document[name]
    document["steps"] = [{key: value for key, value in step.items() if value != ""} for step in document["steps"]]
    document["seconds"] = document.pop("seconds")
    return document
