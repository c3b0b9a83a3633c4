"""The result of a run: one value, written as JSON for programs; bootstrap/reports/ has the other formats."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from copy import copy
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from bootstrap.domain.secret import safe_value, safety_net
from bootstrap.errors import BootstrapError, Exit
from bootstrap.register.drift import Drift
from bootstrap.smoke.coverage import Coverage
from bootstrap.smoke.verdict import CheckResult

VERSION = 1
StageStatus = Literal["ok", "changed", "warning", "failed"]
_STORE_CAUSES = ("store_unreachable", "store_denied")


@dataclass(frozen=True)
class StageResult:
    """One thing that a stage before the checks looked at or did: of `manifest`, `doctor`, `render` or `register`.

    `line` is where it stands in the manifest, 0 if that isn't known. `seconds` of None: too quick to tell.
    """

    stage: str
    subject: str
    message: str
    status: StageStatus = "ok"
    hint: str = ""
    seconds: float | None = None
    line: int = 0


@dataclass(frozen=True)
class Report:
    """All results of a run, in the manifest's order.

    `unchecked`: the connections that have no check. `stages`: what was done before the checks. `stopped`: why the run
    ended before the checks; what they would have found is then not known. `coverage`: None where the manifest names no DAGs.
    """

    airflow: str
    started: datetime
    seconds: float
    checks: tuple[CheckResult, ...]
    drift: Drift = field(default_factory=Drift)
    interrupted: bool = False
    allow_unproven: bool = False  # what can't be proven here is counted, and no reason to fail
    unchecked: tuple[str, ...] = ()
    stages: tuple[StageResult, ...] = ()
    coverage: Coverage | None = None
    stopped: BootstrapError | None = None

    @property
    def verdict(self) -> Literal["passed", "failed"]:
        """`passed` only if the exit code is 0."""
        return "passed" if self.exit_code == Exit.OK else "failed"

    @property
    def exit_code(self) -> Exit:
        """130 after ^C; what stopped the run; 4 if Airflow came to no check; 3 if a store was the reason; 1 for a failed or unproven check, drift, or no check."""
        if self.interrupted:
            return Exit.INTERRUPTED
        if self.stopped is not None:
            return self.stopped.exit_code
        if self.checks and all(check.airflow_ended for check in self.checks):
            return Exit.AIRFLOW
        if any(check.cause in _STORE_CAUSES for check in self.checks):
            return Exit.STORE
        wrong = ("failed",) if self.allow_unproven else ("failed", "unproven")
        if not self.checks or any(check.status in wrong for check in self.checks):
            return max(Exit.FAILED, self.drift.exit_code)
        return self.drift.exit_code

    @property
    def summary(self) -> str:
        """The verdict in a sentence."""
        counted = Counter(check.status for check in self.checks)
        said = f"{counted['passed']} of {len(self.checks)} checks passed" if self.checks else "nothing was checked"
        if self.stopped is not None:
            failed = [stage.stage for stage in self.stages if stage.status == "failed"]
            said = f"ended at {failed[-1]}; {said}" if failed else said
        warnings = sum(len(check.warnings) for check in self.checks)
        warnings += sum(stage.status == "warning" for stage in self.stages)
        more = {"unproven": counted["unproven"], "unchecked": len(self.unchecked), "warnings": warnings}
        counts = (f"{name}: {count}" for name, count in more.items() if count)
        return "; ".join((said, *counts, *(("interrupted",) if self.interrupted else ())))

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the verdict is `failed`, beside checks that failed."""
        stopped = (self.stopped.message,) if self.stopped is not None else ()
        ended = ("interrupted",) if self.interrupted else () if self.checks or stopped else ("nothing was checked",)
        return stopped + ended + (self.drift.sentences if self.drift.exit_code else ())

    def as_json(self) -> str:
        """The report, version 1, without secrets; docs/report.schema.json describes it."""
        report = self.redacted()
        document: dict[str, Any] = {
            "version": VERSION,
            "verdict": report.verdict,
            "airflow": report.airflow,
            "started": report.started.isoformat(timespec="seconds"),
            "seconds": round(report.seconds, 3),
            "unchecked": list(report.unchecked),
            "checks": [_check(check) for check in report.checks],
        }
        if report.coverage is not None:
            found = report.coverage
            document["coverage"] = {"used": found.used, "proven": found.proven, "unproven": list(found.unproven)}
        if report.stages:
            said = [
                {key: it for key, it in asdict(stage).items() if it not in {"", None, 0}} for stage in report.stages
            ]
            document["stages"] = [{"subject": "", **stage, "message": stage.get("message", "")} for stage in said]
        if report.drift.differing:
            document["drift"] = list(report.drift.differing)
        if report.reasons:
            document["reasons"] = list(report.reasons)
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"

    def redacted(self) -> Report:
        """The report with its texts masked one by one: over a whole file, a mask could break its syntax."""
        drift = Drift(tuple(map(_public, self.drift.differing)), tuple(map(_public_error, self.drift.errors)))
        return replace(
            self,
            checks=tuple(map(_public_check, self.checks)),
            drift=drift,
            stages=tuple(replace(it, message=_public(it.message), hint=_public(it.hint)) for it in self.stages),
            stopped=None if self.stopped is None else _public_error(self.stopped),
        )


def _public(text: str) -> str:
    """Such that every encoding can write it, too: a lone surrogate comes from bytes that were no text."""
    return safety_net(text.encode(errors="replace").decode())


def _public_error(error: BootstrapError) -> BootstrapError:
    public = copy(error)
    public.message, public.hint = _public(error.message), _public(error.hint)
    public.args = (public.message,)
    return public


def _public_check(check: CheckResult) -> CheckResult:
    return replace(
        check,
        steps=tuple(replace(step, detail=_public(step.detail)) for step in check.steps),
        message=_public(check.message),
        hint=_public(check.hint),
        warnings=tuple(map(_public, check.warnings)),
        measured={name: safe_value(value) for name, value in check.measured.items()},
    )


def _check(check: CheckResult) -> Mapping[str, Any]:
    document = asdict(check)
    del document["airflow_ended"]
    if check.status != "failed":
        for name in ("cause",) if check.status == "unproven" else ("cause", "message", "hint"):
            del document[name]
    if not document["measured"]:
        del document["measured"]
    document["steps"] = [{key: value for key, value in step.items() if value != ""} for step in document["steps"]]
    document["seconds"] = document.pop("seconds")
    return document
