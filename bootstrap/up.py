"""The main job: doctor → render → register → smoke, one report, one exit code."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone

from bootstrap import doctor
from bootstrap.airflow.environment import Environment, installed_version, require_airflow
from bootstrap.airflow.home import prepare_home
from bootstrap.desired.resolve import SecretReader
from bootstrap.errors import BootstrapError
from bootstrap.manifest.loader import Manifest
from bootstrap.register import drift
from bootstrap.register.drift import Drift
from bootstrap.register.plan import Plan, plan
from bootstrap.render import cfg_file, verify
from bootstrap.render.cfg_file import Rendering
from bootstrap.render.settings import settings
from bootstrap.scan.manifest import used
from bootstrap.smoke.needed_by import covered
from bootstrap.smoke.report import Report, StageResult, StageStatus
from bootstrap.smoke.run import OnResult, Settings, select, smoke, unchecked
from bootstrap.util.files import shown

Watch = Callable[[Sequence[str], int], AbstractContextManager[OnResult]]  # check ids, and how many at a time


@dataclass
class Progress:
    """What has been done so far; stays true when a stage raises."""

    say: Callable[[str], None]
    stages: list[StageResult] = field(default_factory=list)
    changed: bool | None = None  # whether anything had to be changed; None: that was not looked at
    smoke: Report | None = None
    stopped: BootstrapError | None = None
    interrupted: bool = False
    started: datetime = field(default_factory=lambda: datetime.now(timezone.utc))
    _clock: float = field(default_factory=time.monotonic)

    def told(self, texts: Iterable[str]) -> None:
        """Each of them."""
        for text in texts:
            self.say(text)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Keep an error of the block instead of raising it; its parts become results, unless the stage has reported it itself."""
        began, before = time.monotonic(), len(self.stages)
        try:
            yield
        except BootstrapError as err:
            self.stopped = err
            if not any(result.status == "failed" for result in self.stages[before:]):
                seconds = time.monotonic() - began
                for part in err.parts or (err,):
                    self.stages.append(StageResult(name, "", part.message, "failed", part.hint, seconds, part.line))
        except KeyboardInterrupt:
            self.interrupted = True

    @property
    def unchanged(self) -> bool:
        """Whether nothing had to be changed."""
        return self.changed is False and not self.ended

    @property
    def ended(self) -> bool:
        """Whether nothing may follow."""
        return self.stopped is not None or self.interrupted

    def report(self) -> Report:
        """All of it; what was checked, as far as it came to that."""
        checked = self.smoke or Report(installed_version() or "", self.started, 0.0, ())
        return replace(
            checked,
            started=self.started,
            seconds=time.monotonic() - self._clock,
            stages=tuple(self.stages),
            stopped=self.stopped,
            interrupted=self.interrupted or checked.interrupted,
        )


@dataclass(frozen=True)
class Job:
    """What `up` works with. `approve` is asked before others' connections are changed, and `replace` before options at deprecated
    places are taken out of airflow.cfg; they raise to refuse.

    `register`: False proves what is there, and changes no connection.
    """

    manifest: Manifest
    environment: Environment
    secrets: SecretReader
    settings: Settings
    watch: Watch
    approve: Callable[[Sequence[Plan]], None]
    register: bool = True
    replace: Callable[[Rendering], None] = cfg_file.require_no_shadow


def up(job: Job, progress: Progress) -> None:
    """Run the stages; the first that fails is the last."""
    progress.changed = False
    for name, stage in (("doctor", _doctor), ("render", _render), ("register", _register), ("smoke", _smoke)):
        progress.say(f"{name} …")
        before = len(progress.stages)
        with progress.stage(name):
            for result in stage(job, progress):
                progress.stages.append(result)
        if progress.ended:
            return
        if len(progress.stages) == before and name != "smoke":
            progress.stages.append(StageResult(name, "", "nothing to do"))


def _doctor(job: Job, _progress: Progress) -> Iterator[StageResult]:
    findings = []
    for finding in doctor.examine(job.manifest, job.environment, job.secrets):
        findings.append(finding)
        yield _result("doctor", finding)
    wrong = [finding for finding in findings if not finding.ok]
    if wrong:
        fixes = "; ".join(item.fix for item in wrong)
        message = f"{len(wrong)} of {len(findings)} things are missing"
        raise BootstrapError(message, fixes, doctor.worst(findings))


def _result(stage: str, finding: doctor.Finding) -> StageResult:
    status: StageStatus = "failed" if not finding.ok else "warning" if finding.warning else "ok"
    return StageResult(stage, finding.subject, finding.message, status, finding.fix)


def _render(job: Job, progress: Progress) -> Iterator[StageResult]:
    began = time.monotonic()
    if prepare_home(job.environment):
        progress.changed = True
        home = f"{shown(job.environment.home)} created"
        yield StageResult("render", "airflow home", home, "changed", seconds=time.monotonic() - began)
    if not job.manifest.decides_airflow_cfg:
        return
    began = time.monotonic()
    wanted = settings(job.manifest)
    cfg_file.require_readable(job.environment.config)
    rendering = cfg_file.render(wanted, job.environment.config)
    if rendering.shadows:
        job.replace(rendering)
        rendering = cfg_file.render(wanted, job.environment.config, replace_deprecated=True)
        cfg_file.require_no_shadow(rendering)
    if not rendering.changed:
        yield StageResult("render", "airflow.cfg", "nothing to change")
        return
    progress.changed = True
    verify.write_verified(rendering, wanted, job.environment)
    for advice in wanted.advice:
        progress.say(advice)
    written = "written, read back by Airflow"
    yield StageResult("render", "airflow.cfg", written, "changed", seconds=time.monotonic() - began)
    yield from _looked_up(job)


def _looked_up(job: Job) -> Iterator[StageResult]:
    """What airflow.cfg says to be in the store, as Airflow finds it there."""
    findings = list(doctor.config_options(job.manifest, job.environment, job.secrets))
    yield from (_result("render", finding) for finding in findings)
    wrong = [finding for finding in findings if not finding.ok]
    if wrong:
        message = f"Airflow does not get {', '.join(item.subject for item in wrong)}"
        raise BootstrapError(message, wrong[0].fix, doctor.worst(findings))


def _register(job: Job, progress: Progress) -> Iterator[StageResult]:
    """Everything is compared, and approved where others use it too, before the first write."""
    if not job.register:
        yield StageResult("register", "", "left out (--no-register)")
        return
    began = time.monotonic()
    plans = [plan(job.manifest, job.secrets, target) for target in job.manifest.register]
    for found in plans:
        for key, problem in {**found.errors, **found.conflicts}.items():
            yield StageResult("register", str(key), problem.message, "failed", problem.hint)
        found.raise_if_unsafe()
        progress.told(found.warnings)
    shared = [found for found in plans if found.pending and found.target.shared]
    if shared:
        job.approve(shared)
    for found in plans:
        errors = []
        for applied in found.apply():
            seconds, began = time.monotonic() - began, time.monotonic()
            if applied.error is not None:
                errors.append(applied.error)
                yield StageResult("register", str(applied.key), applied.error.message, "failed", applied.error.hint)
                continue
            unchanged = applied.action == "unchanged"
            progress.changed = progress.changed or not unchanged
            done = f"{applied.done} at {applied.where}"
            yield StageResult("register", str(applied.key), done, "ok" if unchanged else "changed", seconds=seconds)
        progress.told(notice.text for notice in found.notices)
        if errors:
            raise errors[0]


def _smoke(job: Job, progress: Progress) -> Iterator[StageResult]:
    require_airflow(job.environment)
    if not progress.changed:
        progress.say("nothing to change")
    chosen = select(job.manifest, [])
    if job.register:  # then nothing differs
        found = Drift(registered=drift.registered(job.manifest, job.secrets))
    else:
        found = drift.find(job.manifest, job.environment, job.secrets)
    with used.searching(job.manifest) as search:
        with job.watch([spec.id for spec in chosen], job.settings.jobs) as on_result:
            report = smoke(job.manifest, job.environment, chosen, job.settings, drift=found, on_result=on_result)
        report = covered(report, search.found() if search is not None else None, chosen)
    progress.smoke = replace(report, unchecked=unchecked(job.manifest, []))
    yield from ()
