"""A whole smoke run: select, prepare, run, judge, report."""

from __future__ import annotations

import fnmatch
import shlex
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from bootstrap import airflow_cfg, airflow_env, checks
from bootstrap.airflow_env import Environment
from bootstrap.drift import Drift
from bootstrap.errors import AirflowError, UsageError
from bootstrap.manifest import CheckSpec, Manifest
from bootstrap.smoke.forked import ForkingRunner
from bootstrap.smoke.report import Report
from bootstrap.smoke.runner import IsolatedRunner, Runner, command
from bootstrap.smoke.scratch import for_dag, prepare, scratch, variables_for
from bootstrap.smoke.verdict import CheckResult, failed, judge, missing_provider

TIMEOUT = 60.0  # seconds for one check, Airflow's start-up included


@dataclass(frozen=True)
class Settings:
    """How to run: this many checks at a time, each with this many seconds; `isolated`: each in an Airflow of its own."""

    jobs: int
    timeout: float = TIMEOUT
    isolated: bool = False


def select(manifest: Manifest, selectors: Sequence[str]) -> list[CheckSpec]:
    """The checks that any selector means: a connection, a check's id, a check's name, or a glob. None given: all."""
    every = [spec for specs in manifest.checks.values() for spec in specs]
    if not selectors:
        return every
    return [spec for spec in every if any(_means(selector, spec) for selector in selectors)]


def _means(selector: str, spec: CheckSpec) -> bool:
    return any(fnmatch.fnmatchcase(name, selector) for name in (spec.id, spec.connection, spec.name))


def smoke(
    manifest: Manifest,
    environment: Environment,
    chosen: Sequence[CheckSpec],
    settings: Settings,
    *,
    drift: Drift,
    on_result: Callable[[CheckResult, int], None],
) -> Report:
    """Run the checks and tell of each result as it comes, with how many are done. Raises AirflowError.

    ^C ends the run; the report then holds what is known.
    """
    started, clock = datetime.now(timezone.utc), time.monotonic()
    results: dict[str, CheckResult] = {}
    interrupted = False
    try:
        for result in _results(manifest, environment, chosen, settings):
            results[result.id] = result
            on_result(result, len(results))
        for spec in chosen:
            results.setdefault(spec.id, failed(spec, "check_error", "it was never run"))
    except KeyboardInterrupt:
        interrupted = True
    return Report(
        airflow=airflow_env.installed_version() or "",
        started=started,
        seconds=time.monotonic() - clock,
        checks=tuple(results[spec.id] for spec in chosen if spec.id in results),
        drift=drift,
        interrupted=interrupted,
    )


def _results(
    manifest: Manifest, environment: Environment, chosen: Sequence[CheckSpec], settings: Settings
) -> Iterable[CheckResult]:
    require_airflow(environment)
    specs = {spec.id: spec for spec in chosen}
    for spec in chosen:
        if (package := package_missing_for(manifest, spec)) is not None:
            del specs[spec.id]
            yield missing_provider(spec, package)
    if not specs:
        return
    with scratch(environment) as folder:
        jobs = prepare(manifest, environment, folder, list(specs))
        ready = environment.with_secrets(airflow_cfg.credentials(manifest))
        runner = _runner(ready, folder, variables_for(manifest, folder, list(specs)), settings)
        for outcome in runner.run(jobs):
            yield judge(specs[outcome.check_id], outcome, settings.timeout)


def _runner(environment: Environment, folder: Path, variables: Mapping[str, str], settings: Settings) -> Runner:
    if settings.isolated:
        return IsolatedRunner(environment, settings.jobs, settings.timeout)
    return ForkingRunner(environment, folder, variables, settings.jobs, settings.timeout)


def require_airflow(environment: Environment) -> None:
    """Raises AirflowError unless Airflow is installed and its home is there."""
    if airflow_env.installed_version() is None:
        raise AirflowError("Airflow is not installed beside this tool", "pip install 'airflow-bootstrap[airflow]'")
    if not environment.initialised:
        raise AirflowError(f"there is no {environment.config}", "airflow-bootstrap up")


def package_missing_for(manifest: Manifest, spec: CheckSpec) -> str | None:
    """The provider that a check needs and that isn't installed, else None."""
    wanted: str | None = getattr(checks.KINDS.find(spec.name), "PROVIDER", None)
    if wanted is not None:
        return None if wanted in airflow_env.providers().values() else wanted
    conn_type = manifest.connections[spec.connection].conn_type
    if conn_type is None or conn_type in airflow_env.providers():
        return None
    return airflow_env.package_for(conn_type)


def show_command(manifest: Manifest, environment: Environment, chosen: Sequence[CheckSpec]) -> str:
    """Shell lines that run the checks by hand, with the same Airflow and in a database of their own."""
    if not chosen:
        ids = [spec.id for spec in select(manifest, [])]
        raise UsageError("no check of that name", f"there are: {', '.join(ids)}")
    variables = {
        **environment.variables,
        "AIRFLOW_HOME": str(environment.home),
        "AIRFLOW_CONFIG": str(environment.config),
        **for_dag(manifest),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "sqlite:////tmp/airflow-bootstrap-by-hand.db",
    }
    exports = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    date = datetime.now(timezone.utc).isoformat()
    airflow = shlex.join([sys.executable, "-m", "airflow"])
    runs = [f"{airflow} {shlex.join(command(spec.id, date))}" for spec in chosen]
    return "\n".join([*exports, f"{airflow} db migrate", *runs]) + "\n"
