"""A whole smoke run: select, prepare, run, judge, report."""

from __future__ import annotations

import contextlib
import fnmatch
import json
import math
import secrets
import shlex
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import cached_property
from hashlib import sha256
from pathlib import Path

from bootstrap import plugins
from bootstrap.airflow.environment import Environment, installed_version, require_airflow
from bootstrap.checks.kind import CheckKind, imports
from bootstrap.domain.secret import Secret
from bootstrap.errors import BootstrapError, UsageError
from bootstrap.explain import registered
from bootstrap.explain.registered import NO_KEY, ExpectedKey, elsewhere, has_rows, may_have_rows
from bootstrap.manifest.kinds import FALLBACK
from bootstrap.manifest.loader import CheckSpec, Manifest
from bootstrap.manifest.problems import nearest
from bootstrap.providers.installed import package_for, providers
from bootstrap.register.drift import Drift
from bootstrap.render.settings import credentials
from bootstrap.smoke import rows
from bootstrap.smoke.fork_runner import ForkingRunner
from bootstrap.smoke.inputs import DIGEST_KEY, TaskInputs
from bootstrap.smoke.receipt import unclean
from bootstrap.smoke.report import Report
from bootstrap.smoke.rows import Rows
from bootstrap.smoke.runner import IsolatedRunner, Limits, Outcome, command
from bootstrap.smoke.scratch import Job, Jobs, for_dag, scratch, variables_for
from bootstrap.smoke.verdict import CheckResult, failed, judge, missing_provider, unproven, with_cleaning
from bootstrap.util import children
from bootstrap.util.files import private_folder

OnResult = Callable[[CheckResult, int], None]  # a result, and how many there are now
TIMEOUT = 60.0  # seconds for one check, Airflow's start-up not included


@dataclass(frozen=True)
class Settings:
    """How to run: this many checks at a time, each with `timeout` seconds; `isolated`: each in an Airflow of its own.

    `deadline`: seconds after which the run starts no further check and ends those that go on; None: no such limit.
    """

    jobs: int
    timeout: float = TIMEOUT
    isolated: bool = False
    deadline: float | None = None
    allow_unproven: bool = False
    rows: bool = True  # checks see what is registered in the metadata database
    expected: ExpectedKey = NO_KEY


def select(manifest: Manifest, selectors: Sequence[str]) -> list[CheckSpec]:
    """The checks that any selector means: a connection, a check's id, a check's name, or a glob. None given: all."""
    every = [spec for specs in manifest.checks.values() for spec in specs]
    if not selectors:
        return every
    return [spec for spec in every if any(_means(selector, spec) for selector in selectors)]


def unchecked(manifest: Manifest, selectors: Sequence[str]) -> tuple[str, ...]:
    """The connections without a check that any selector means; none given: all of them."""
    without = [conn_id for conn_id in manifest.connections if not manifest.checks[conn_id]]
    return tuple(it for it in without if not selectors or any(fnmatch.fnmatchcase(it, given) for given in selectors))


def require_known(manifest: Manifest, selectors: Sequence[str]) -> None:
    """Raises BootstrapError for a selector that means nothing, with the names that there are."""
    every = select(manifest, [])
    for selector in selectors:
        if not unchecked(manifest, [selector]) and not any(_means(selector, spec) for spec in every):
            ids = [spec.id for spec in every]
            message = f"nothing was checked: no connection or check is named {selector!r}"
            raise BootstrapError(message, nearest(selector, [*manifest.connections, *ids]))


def _means(selector: str, spec: CheckSpec) -> bool:
    return any(fnmatch.fnmatchcase(name, selector) for name in (spec.id, spec.connection, spec.name))


def smoke(
    manifest: Manifest,
    environment: Environment,
    chosen: Sequence[CheckSpec],
    settings: Settings,
    *,
    drift: Drift,
    on_result: OnResult,
) -> Report:
    """Run the checks and tell of each result as it comes, with how many are done. Raises AirflowError.

    ^C ends the run; the report then holds what is known.
    """
    started, clock = datetime.now(timezone.utc), time.monotonic()
    results: dict[str, CheckResult] = {}
    interrupted = False
    try:
        with contextlib.closing(_results(manifest, environment, chosen, settings, drift)) as stream:
            for result in stream:
                results[result.id] = result
                on_result(result, len(results))
        for spec in chosen:
            results.setdefault(spec.id, failed(spec, "check_error", "it was never run"))
    except KeyboardInterrupt:
        interrupted = True
    return Report(
        airflow=installed_version() or "",
        started=started,
        seconds=time.monotonic() - clock,
        checks=tuple(results[spec.id] for spec in chosen if spec.id in results),
        drift=drift,
        interrupted=interrupted,
        allow_unproven=settings.allow_unproven,
    )


def _results(
    manifest: Manifest, environment: Environment, chosen: Sequence[CheckSpec], settings: Settings, drift: Drift
) -> Generator[CheckResult, None, None]:
    reason = elsewhere(manifest)
    if reason and manifest.backend is None:
        yield from (unproven(spec, reason) for spec in chosen)
        return
    require_airflow(environment)
    specs = {spec.id: spec for spec in chosen}
    for spec in chosen:
        if missing := packages_missing_for(manifest, spec):
            del specs[spec.id]
            yield missing_provider(spec, missing)
    if not specs:
        return
    needed = {conn_id for spec in specs.values() for conn_id in (spec.connection, *spec.params.connections)}
    expected = {conn_id: item for conn_id, item in drift.registered.items() if conn_id in needed}
    key = secrets.token_hex(16)
    inputs = replace(
        TaskInputs.of(manifest),
        registered=registered.expecting(manifest, expected, drift.unsettled, key),
        expected=settings.expected.told(key),
    )
    ready = environment.with_secrets({**credentials(manifest), DIGEST_KEY: Secret(key)})
    with scratch(environment) as place:
        until = math.inf if settings.deadline is None else time.monotonic() + settings.deadline
        session = _Session(manifest, inputs, ready, place.folder, settings, until)
        session.clean(place.abandoned)
        try:
            for result in session.results(specs):
                missing_here = reason and result.cause == "secret_missing"
                yield unproven(specs[result.id], reason) if missing_here else result
        finally:
            session.clean(session.unclean())


@dataclass
class _Session:
    """The checks of one run, in one scratch folder."""

    manifest: Manifest
    inputs: TaskInputs
    environment: Environment
    folder: Path
    settings: Settings
    until: float  # monotonic seconds: the run's deadline; cleaning up comes after it
    jobs: Sequence[Job] = ()

    def results(self, specs: Mapping[str, CheckSpec]) -> Iterator[CheckResult]:
        """Each check's result as it comes; those last whose task was killed before it removed what it had made."""
        self.jobs = self._prepared.checking(list(specs))
        killed: dict[str, CheckResult] = {}
        for outcome in self._run(self.jobs, self.until):
            result = judge(specs[outcome.check_id], outcome, self.settings.timeout)
            if unclean(outcome.receipt):
                killed[outcome.check_id] = result
            else:
                yield result
        for outcome in self.clean(self.unclean()):
            yield with_cleaning(killed[outcome.check_id], outcome)

    def unclean(self) -> dict[str, str]:
        """What this run's tasks made and did not remove: their run ids by check id."""
        return dict(filter(None, (unclean(job.receipt.read()) for job in self.jobs)))

    def clean(self, unclean_runs: Mapping[str, str]) -> list[Outcome]:
        """Remove what these runs made, each by a task of its own check. A check that is gone can't."""
        known = {spec.id for spec in self.inputs.checks}
        runs = {check_id: run_id for check_id, run_id in unclean_runs.items() if check_id in known}
        if not runs:
            return []
        jobs = self._prepared.cleaning(runs)
        self.jobs = [job for job in self.jobs if job.check_id not in runs]
        return list(self._run(jobs, math.inf))

    @cached_property
    def _prepared(self) -> Jobs:
        return Jobs.of(self.inputs, self.environment, self.folder, self._rows)

    @cached_property
    def _rows(self) -> Rows:
        wanted = self.settings.rows and may_have_rows(self.manifest, self.environment)
        found = rows.read(self.manifest, self.environment) if wanted else Rows()
        return found if self.manifest.register else replace(found, problem=None)  # it may be that none is there

    def _run(self, jobs: Sequence[Job], until: float) -> Iterator[Outcome]:
        limits = Limits(self.settings.jobs, self.settings.timeout, until)
        environment = self.environment.with_secrets(self._rows.secrets)
        if self.settings.isolated:
            return IsolatedRunner(environment, limits).run(jobs)
        running = {job.check_id for job in jobs}
        inputs = replace(self.inputs, checks=[spec for spec in self.inputs.checks if spec.id in running])
        variables = variables_for(inputs, self.folder)
        modules = imports(spec.name for spec in inputs.checks)
        return ForkingRunner(environment, limits, self.folder, variables, modules).run(jobs)


def packages_missing_for(manifest: Manifest, spec: CheckSpec) -> list[str]:
    """The providers that a check needs and that aren't installed."""
    installed = set(providers().values())
    if spec.name != FALLBACK:
        return [it for it in plugins.CHECKS.get(spec.name, CheckKind).PROVIDERS if it not in installed]
    conn_type = manifest.connections[spec.connection].conn_type
    package = package_for(conn_type) if conn_type is not None else None
    return [package] if package is not None and package not in installed else []


def show_command(manifest: Manifest, environment: Environment, chosen: Sequence[CheckSpec]) -> str:
    """Shell lines that run the checks by hand, with the same Airflow and in a database of their own."""
    if not chosen:
        ids = [spec.id for spec in select(manifest, [])]
        raise UsageError("no check of that name", f"there are: {', '.join(ids)}")
    airflow, variables = children.by_hand("airflow")
    state = private_folder(environment.state)
    profile = [] if manifest.profile is None else [manifest.profile]
    read_from = [str(manifest.file.absolute()), *profile]
    name = f"by-hand-{sha256(json.dumps(read_from).encode()).hexdigest()[:12]}.json"  # others may be shown meanwhile
    variables |= {
        **environment.variables,
        "AIRFLOW_HOME": str(environment.home),
        "AIRFLOW_CONFIG": str(environment.config),
        **for_dag(TaskInputs.of(manifest), state / name),
    }
    file = state / "by-hand.db"
    database = f"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN={shlex.quote(f'sqlite:///{file}')}"
    copying = [*children.by_hand("bootstrap.smoke.rows")[0], str(file), *read_from] if has_rows(manifest) else []
    exports = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    date = datetime.now(timezone.utc).isoformat()
    runs = [shlex.join([*airflow, *command(spec.id, date)]) for spec in chosen]
    migrate = f"{database} {shlex.join([*airflow, 'db', 'migrate'])}"
    copy = [shlex.join(copying)] if copying else []
    return "\n".join(["unset PYTHONOPTIMIZE", *exports, migrate, *copy, f"export {database}", *runs]) + "\n"
