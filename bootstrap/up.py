"""The main job: doctor → render → register → smoke, one report, one exit code."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from bootstrap import airflow_cfg, airflow_env, doctor, read_back
from bootstrap.airflow_env import Environment
from bootstrap.airflow_settings import settings
from bootstrap.checklist import Mark, Row, check_row
from bootstrap.desired import Secrets
from bootstrap.drift import Drift
from bootstrap.errors import BootstrapError, Exit
from bootstrap.files import shown
from bootstrap.manifest import Manifest
from bootstrap.plan import plan
from bootstrap.smoke.report import Report
from bootstrap.smoke.run import OnResult, Settings, require_airflow, select, smoke

Watch = Callable[[Sequence[str], int], AbstractContextManager[OnResult]]  # check ids, and how many at a time


@dataclass
class Progress:
    """What has been done so far; stays true when a stage raises."""

    say: Callable[[str], None]
    watch: Watch
    rows: list[Row] = field(default_factory=list)
    changed: bool = False
    report: Report | None = None
    stopped: BootstrapError | None = None

    @property
    def exit_code(self) -> Exit:
        """Of the stage that failed, else of smoke."""
        if self.stopped is not None:
            return self.stopped.exit_code
        return self.report.exit_code if self.report else Exit.FAILED


@dataclass(frozen=True)
class Job:
    """What `up` works with."""

    manifest: Manifest
    environment: Environment
    secrets: Secrets
    settings: Settings


def up(job: Job, progress: Progress) -> None:
    """Run the stages; the first that fails is the last."""
    for name, stage in (("doctor", _doctor), ("render", _render), ("register", _register), ("smoke", _smoke)):
        progress.say(f"{name} …")
        began = time.monotonic()
        before = len(progress.rows)
        try:
            for row in stage(job, progress):
                progress.rows.append(row)
        except BootstrapError as err:
            progress.stopped = err
            progress.rows.append(Row(name, "", "", err.message.splitlines()[0], "failed", time.monotonic() - began))
            return
        if len(progress.rows) == before:
            progress.rows.append(Row(name, "", "", "nothing to do"))


def _doctor(job: Job, _progress: Progress) -> Iterator[Row]:
    findings = []
    for finding in doctor.examine(job.manifest, job.environment, job.secrets):
        findings.append(finding)
        mark: Mark = "failed" if not finding.ok else "warning" if finding.warning else "ok"
        yield Row("doctor", finding.subject, "", finding.message, mark)
    wrong = [finding for finding in findings if not finding.ok]
    if wrong:
        err = BootstrapError(
            f"{len(wrong)} of {len(findings)} things are missing", "; ".join(item.fix for item in wrong)
        )
        err.exit_code = doctor.worst(findings)
        raise err


def _render(job: Job, progress: Progress) -> Iterator[Row]:
    began = time.monotonic()
    if airflow_env.prepare_home(job.environment):
        progress.changed = True
        home = f"{shown(job.environment.home)} created"
        yield Row("render", "airflow home", "", home, "changed", time.monotonic() - began)
    if not job.manifest.decides_airflow_cfg:
        return
    began = time.monotonic()
    wanted = settings(job.manifest)
    rendering = airflow_cfg.render(wanted, job.environment.config)
    if not rendering.changed:
        yield Row("render", "airflow.cfg", "", "nothing to change")
        return
    progress.changed = True
    read_back.write_verified(rendering, wanted, job.environment)
    for advice in wanted.advice:
        progress.say(advice)
    yield Row("render", "airflow.cfg", "", "written, read back by Airflow", "changed", time.monotonic() - began)
    yield from _looked_up(job)


def _looked_up(job: Job) -> Iterator[Row]:
    """What airflow.cfg says to be in the store, as Airflow finds it there."""
    findings = list(doctor.config_options(job.manifest, job.environment, job.secrets))
    for finding in findings:
        yield Row("render", finding.subject, "", finding.message, "ok" if finding.ok else "failed")
    wrong = [finding for finding in findings if not finding.ok]
    if wrong:
        err = BootstrapError(f"Airflow does not get {', '.join(item.subject for item in wrong)}", wrong[0].fix)
        err.exit_code = doctor.worst(findings)
        raise err


def _register(job: Job, progress: Progress) -> Iterator[Row]:
    """Everything is compared before the first write."""
    began = time.monotonic()
    plans = [plan(job.manifest, job.secrets, target) for target in job.manifest.register]
    for found in plans:
        found.raise_if_unsafe()
        for warning in found.warnings:
            progress.say(warning)
    for found in plans:
        errors = []
        for applied in found.apply():
            seconds, began = time.monotonic() - began, time.monotonic()
            if applied.error is not None:
                errors.append(applied.error)
                continue
            unchanged = applied.action == "unchanged"
            progress.changed |= not unchanged
            detail = f"{applied.done} at {applied.where}"
            yield Row("register", str(applied.key), "", detail, "ok" if unchanged else "changed", seconds)
        if errors:
            raise errors[0]


def _smoke(job: Job, progress: Progress) -> Iterator[Row]:
    require_airflow(job.environment)
    if not progress.changed:
        progress.say("nothing to change")
    chosen = select(job.manifest, [])
    with progress.watch([spec.id for spec in chosen], job.settings.jobs) as on_result:
        progress.report = smoke(
            job.manifest,
            job.environment,
            chosen,
            job.settings,
            drift=Drift(),  # it has just been rendered and registered
            on_result=on_result,
        )
    yield from map(check_row, progress.report.checks)
