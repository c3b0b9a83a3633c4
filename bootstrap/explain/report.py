"""What Airflow would resolve, source by source, on the server and on a worker: asked of Airflow's own backend objects.

One child process with Airflow answers all look-ups. It reads the user's airflow.cfg and metadata database, and writes
neither. Connections stay in that process; what comes out is which fields are set, and which differ.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bootstrap.airflow import releases
from bootstrap.airflow.environment import Environment, installed_version
from bootstrap.airflow.process import ask_airflow
from bootstrap.domain.secret import safe_json
from bootstrap.errors import AirflowError, Exit, UsageError
from bootstrap.explain import findings
from bootstrap.explain.findings import Warned
from bootstrap.explain.registered import place
from bootstrap.manifest.loader import Manifest
from bootstrap.render import settings as airflow_settings

VERSION = 1  # of the JSON report


@dataclass(frozen=True)
class Wanted:
    """What to look up: conn_ids, keys of variables, options as section.key; for a team, if it isn't empty."""

    connections: Sequence[str] = ()
    variables: Sequence[str] = ()
    options: Sequence[str] = ()
    team: str = ""

    @property
    def queries(self) -> list[dict[str, str]]:
        """For the child."""
        kinds = (("connection", self.connections), ("variable", self.variables), ("config", self.options))
        return [{"kind": kind, "id": name} for kind, names in kinds for name in dict.fromkeys(names)]


@dataclass(frozen=True)
class Lookup:
    """One look-up: the child's plain data, and what to make of it."""

    data: Mapping[str, Any]
    warnings: tuple[Warned, ...]
    airflow: str

    @property
    def exit_code(self) -> Exit:
        """0: found, and nothing to be said."""
        return findings.exit_code(self.data, self.warnings)

    def as_json(self) -> dict[str, Any]:
        """As in the report."""
        document = dict(self.data)
        for side in ("server", "worker"):
            if self.data[side]["winner"] is None and self.data["kind"] != "config":
                document[side] = {**self.data[side], "says": findings.says(self.data, side, self.airflow)}
        return {**document, "warnings": [item.as_json() for item in self.warnings]}


@dataclass(frozen=True)
class Report:
    """All look-ups. `cache_seconds`: how old a value may be that a DAG file gets while it is parsed; None: no cache."""

    airflow: str
    team: str
    lookups: tuple[Lookup, ...]
    cache_seconds: int | None = None

    @property
    def exit_code(self) -> Exit:
        """The worst."""
        return max(item.exit_code for item in self.lookups)

    def as_json(self) -> str:
        """For programs; no value in it."""
        lookups = [item.as_json() for item in self.lookups]
        document = {"version": VERSION, "airflow": self.airflow, "team": self.team or None, "lookups": lookups}
        return safe_json(document, indent=1)


def explain(manifest: Manifest, environment: Environment, wanted: Wanted) -> Report:
    """Raises AirflowError, UsageError where there are no teams, Denied where Airflow's credential can't be had."""
    version = installed_version()
    if wanted.team and not releases.release(version).teams:
        raise UsageError(f"--team {wanted.team}: Airflow {version} has no teams", "leave out --team")
    if wanted.team and wanted.options:
        raise UsageError("--team is for connections and variables", "ask for --config by itself")
    for option in wanted.options:
        if not all(option.rpartition(".")[::2]):
            raise UsageError(f"--config {option}: expected SECTION.KEY", "for instance --config core.fernet_key")
    ready = environment.with_secrets(airflow_settings.credentials(manifest))
    request = {"queries": wanted.queries, "team": wanted.team or None, "stores": _stores(manifest)}
    answer = ask_airflow(ready, "bootstrap.explain.child", request=json.dumps(request))
    if "failed" in answer:
        hint = f"see why: AIRFLOW_HOME={environment.home} airflow version"
        raise AirflowError(f"Airflow does not start ({answer['failed']})", hint)
    if "no_teams" in answer:
        raise UsageError(f"--team {wanted.team}: [core] multi_team is not switched on", "leave out --team")
    if "unusable" in answer:  # the backend of [secrets] can't be made: no process of Airflow's starts
        row = {"source": "backend", "asks": None, "class": "", **answer["unusable"]}
        chain = {"sources": [row], "winner": None}
        answer["lookups"] = [{**query, "server": chain, "worker": chain, "differs": []} for query in wanted.queries]
    airflow, ignored = answer["airflow"], answer.get("ignored_kwargs", ())
    lookups = (Lookup(data, tuple(findings.warnings(data, ignored)), airflow) for data in answer["lookups"])
    return Report(airflow, wanted.team, tuple(lookups), answer.get("cache_seconds"))


def _stores(manifest: Manifest) -> dict[str, Any]:
    """What the manifest's stores look like in airflow.cfg, so that a backend there can be called by its store's name."""
    if manifest.backend is None:
        return {}
    settings = airflow_settings.settings(manifest)
    parts = {"secrets": (manifest.backend, settings.secrets), "workers": (manifest.backend.workers, settings.workers)}
    return {
        section: {"name": source.store, "class": serving.backend_class, "kwargs": place(serving.kwargs)}
        for section, (source, serving) in parts.items()
        if source is not None and serving is not None and source.store is not None
    }
