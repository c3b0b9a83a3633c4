"""The truth about a check, from what is left of it. Pure: no process, no file, no Airflow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from bootstrap import plugins
from bootstrap.checks.base import STEPS, CauseName, StepName
from bootstrap.checks.kind import CheckKind, own_steps
from bootstrap.domain.secret import foreign
from bootstrap.manifest.loader import CheckSpec
from bootstrap.smoke.diagnosis import usual_hint
from bootstrap.smoke.runner import START_TIMEOUT, Outcome

_NO_BACKEND = "in initialize_secrets_backends"  # the function of Airflow's, in a traceback
_LONGER = "give the run a later --deadline, more --jobs, or fewer checks"
Status = Literal["passed", "failed", "skipped"]  # of a step
CheckStatus = Literal["passed", "failed", "unproven"]


@dataclass(frozen=True)
class Step:
    """One step of a check; seconds are wall time inside the task."""

    name: StepName
    status: Status
    seconds: float
    detail: str = ""


@dataclass(frozen=True)
class CheckResult:
    """A check as the report shows it; `cause`, `message` and `hint` are empty when it passed.

    `unproven`: this machine can't look where the connection is registered; `message` says why, and there is no `cause`.
    `airflow_ended`: Airflow did not come to the check's task.
    """

    id: str
    connection: str
    check: str
    status: CheckStatus
    steps: tuple[Step, ...]
    seconds: float
    cause: CauseName | None = None
    message: str = ""
    hint: str = ""
    warnings: tuple[str, ...] = ()
    measured: Mapping[str, Any] = field(default_factory=dict)
    airflow_ended: bool = False


def judge(spec: CheckSpec, outcome: Outcome, timeout: float) -> CheckResult:
    """Passed means: exit code 0, and a receipt of this run for the state `success` and for each step of the check's own
    work. Anything else is a failure.
    """
    steps = _steps(outcome)
    succeeded = any(entry.get("outcome") == "success" for entry in outcome.receipt)
    if succeeded and outcome.exit_code == 0 and not any(step.status == "failed" for step in steps):
        passed = {step.name for step in steps if step.status == "passed"}
        own = own_steps(plugins.CHECKS.get(spec.name, CheckKind), spec.params)
        undone = [step for step in ("resolve", *own[-1:]) if step not in passed]  # the last passes with all before it
        if not undone:
            return _result(spec, "passed", steps, **_told(outcome))
        message = f"the task succeeded without the check's own work: it did not do {', '.join(undone)}"
        return failed(spec, "check_error", message, steps, **_told(outcome))
    failure = next((entry for entry in outcome.receipt if entry.get("status") == "failed"), None)
    if failure is not None:
        hint = failure.get("hint", "")
        return failed(spec, failure["cause"], failure.get("message", ""), steps, hint=hint, **_told(outcome))
    if not outcome.receipt:
        return _never_begun(spec, outcome)
    last: Mapping[str, Any] = next((entry for entry in reversed(outcome.receipt) if "step" in entry), {})
    name: StepName = last["step"] if last.get("status") == "started" else "resolve"
    steps = tuple(step for step in steps if step.name != name)
    steps += (Step(name, "failed", max(0.0, outcome.seconds - sum(step.seconds for step in steps))),)
    if outcome.run_over:
        message = f"the run's deadline came before the end of `{name}`"
        return failed(spec, "timeout", message, steps, hint=_LONGER, **_told(outcome))
    cause, message = _why_ended(outcome, name, timeout, succeeded=succeeded)
    return failed(spec, cause, message, steps, **_told(outcome))


def _never_begun(spec: CheckSpec, outcome: Outcome) -> CheckResult:
    """Airflow did not come to the task."""
    steps = (Step("resolve", "failed", 0.0),)
    if outcome.run_over:
        return failed(spec, "timeout", "the run's deadline came before the check had begun", hint=_LONGER)
    if outcome.exit_code is None:
        return failed(spec, "timeout", f"Airflow did not begin the task within {START_TIMEOUT:g} s", steps)
    if _NO_BACKEND in outcome.output:
        message = f"Airflow can't set up its secrets backend, nor start without it: {_last_line(outcome)}"
        return failed(spec, "store_denied", message, steps)
    words = _last_words(outcome, succeeded=False)
    return replace(failed(spec, "check_error", words, steps), airflow_ended=True)


def _why_ended(outcome: Outcome, step: StepName, timeout: float, *, succeeded: bool) -> tuple[CauseName, str]:
    """Why the task ended in the middle of this step."""
    if outcome.exit_code is not None:
        return "check_error", _last_words(outcome, succeeded=succeeded)
    if step == "resolve":  # it asks nobody but Airflow's secrets backend
        return "store_unreachable", f"Airflow's secrets backend gave no answer within {timeout:g} s"
    return "timeout", f"no end of `{step}` within {timeout:g} s"


def with_cleaning(result: CheckResult, cleaning: Outcome) -> CheckResult:
    """The result of a check that was killed, and of the task that then removed what it had made."""
    done = next((step for step in _steps(cleaning) if step.name == "clean"), None) or Step("clean", "failed", 0.0)
    steps = result.steps if any(step.name == "clean" for step in result.steps) else (*result.steps, done)
    warnings = (*result.warnings, *_told(cleaning)["warnings"])
    if done.status == "failed" and not warnings:
        warnings = ("could not remove what the check made",)
    return replace(result, steps=steps, warnings=warnings, seconds=round(sum(step.seconds for step in steps), 3))


def _told(outcome: Outcome) -> dict[str, Any]:
    """What the task said beside its steps."""
    warnings = tuple(str(entry["warning"]) for entry in outcome.receipt if "warning" in entry)
    measured: dict[str, Any] = {}
    for entry in outcome.receipt:
        measured |= entry.get("measured", {})
    return {"warnings": warnings, "measured": measured}


def failed(
    spec: CheckSpec, cause: CauseName, message: str, steps: tuple[Step, ...] = (), *, hint: str = "", **more: Any
) -> CheckResult:
    """A failed check with the next step for its cause."""
    hint = hint or usual_hint(spec.id, plugins.CHECKS.get(spec.name, CheckKind), cause)
    return _result(spec, "failed", steps, cause=cause, message=message, hint=hint, **more)


def unproven(spec: CheckSpec, reason: str) -> CheckResult:
    """The result of a check that would prove nothing here."""
    hint = "run it beside the Airflow that has the connection; or accept that nothing is proven: --allow-unproven"
    return _result(spec, "unproven", (Step("resolve", "skipped", 0.0),), message=reason, hint=hint)


def _result(spec: CheckSpec, status: CheckStatus, steps: tuple[Step, ...], **more: Any) -> CheckResult:
    ordered = tuple(sorted(steps, key=lambda step: STEPS.index(step.name)))
    return CheckResult(
        id=spec.id,
        connection=spec.connection,
        check=spec.name,
        status=status,
        steps=ordered,
        seconds=round(sum(step.seconds for step in ordered), 3),
        **more,
    )


def _steps(outcome: Outcome) -> tuple[Step, ...]:
    ended: dict[StepName, Step] = {}
    for entry in outcome.receipt:
        if "step" in entry and entry["status"] != "started":
            ended[entry["step"]] = Step(entry["step"], entry["status"], entry["seconds"], entry.get("detail", ""))
    return tuple(ended.values())


def _last_words(outcome: Outcome, *, succeeded: bool) -> str:
    if succeeded:
        return f"the task succeeded, but its process ended with exit code {outcome.exit_code}"
    return f"Airflow did not run the task (exit code {outcome.exit_code}); its last line: {_last_line(outcome)}"


def _last_line(outcome: Outcome) -> str:
    lines = [line.strip() for line in foreign(outcome.output).splitlines() if line.strip()]
    return lines[-1][-300:] if lines else "nothing"


def missing_provider(spec: CheckSpec, packages: Sequence[str]) -> CheckResult:
    """The result of a check whose providers aren't installed: it isn't run at all."""
    missing = f"{' and '.join(packages)} {'are' if len(packages) > 1 else 'is'} not installed"
    return failed(spec, "provider_missing", missing, hint=f"pip install {' '.join(packages)}")
