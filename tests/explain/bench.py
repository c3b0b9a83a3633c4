"""Airflow homes with an airflow.cfg of their own, and connections in each source; what `explain` says, and what Airflow does.

The server's look-up is the call that the API server makes; the worker's is made by a real task under `airflow tasks test`.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias
from unittest.mock import patch

import yaml

from bootstrap.airflow.environment import installed_version, locate
from bootstrap.airflow.fork import Start
from bootstrap.airflow.releases import release
from bootstrap.airflow.session import start
from bootstrap.manifest.loader import load
from tests.project import Canary, Project, Result

Connection: TypeAlias = Mapping[str, Any]
HOSTS = {"environment": "env.example", "database": "database.example"}
VAULT = "airflow.providers.hashicorp.secrets.vault.VaultBackend"
_TIMEOUT = 240.0

DAG = """
import json, os
from datetime import datetime, timezone
from bootstrap.airflow.compat import BaseHook, DAG, FunctionOperator

def got(get, key):
    try:
        return get(key)
    except Exception as err:
        return {"error": f"{type(err).__name__}: {err}"}

def look_up():
    try:
        from airflow.sdk import Variable
    except ImportError:
        from airflow.models import Variable
    wanted = json.loads(os.environ["PROBE"])
    found = {key: got(lambda key: {"host": BaseHook.get_connection(key).host}, key) for key in wanted["connections"]}
    found |= {f"variable {key}": got(lambda key: {"host": Variable.get(key)}, key) for key in wanted["variables"]}
    with open(os.environ["PROBE_FILE"] + ".task", "w") as file:
        json.dump(found, file)

with DAG(dag_id="probe", schedule=None, start_date=datetime(2020, 1, 1, tzinfo=timezone.utc), catchup=False):
    FunctionOperator(task_id="probe", work=look_up)
"""


@dataclass
class Site:
    """A project whose airflow.cfg is written by hand. `canary` is every password that isn't in the environment."""

    project: Project
    canary: Canary = field(default_factory=Canary)
    environment: dict[str, str] = field(default_factory=dict)
    team: str = ""

    @property
    def home(self) -> Path:
        return self.project.manifest.parent / "airflow"

    @property
    def database(self) -> Path:
        return self.home / "airflow.db"

    def write(
        self,
        config: Mapping[str, Mapping[str, Any]],
        *,
        template: Path | None,
        manifest: Mapping[str, Any] | None = None,
    ) -> None:
        """airflow.cfg, and a migrated database where there is a template for it."""
        document = {"version": 1, "airflow": {"home": "airflow"}, **(manifest or {})}
        self.project.write(yaml.safe_dump(document))
        (self.home / "dags").mkdir(parents=True)
        (self.home / "dags" / "probe.py").write_text(DAG)
        core = {"dags_folder": str(self.home / "dags"), "load_examples": "False", **config.get("core", {})}
        database = {"sql_alchemy_conn": f"sqlite:///{self.database}"}
        if not release(installed_version()).any_executor_on_sqlite:
            core["executor"] = "SequentialExecutor"
        whole = {**config, "core": core, "database": {**database, **config.get("database", {})}}
        lines = [f"[{section}]\n" + "".join(_line(*item) for item in keys.items()) for section, keys in whole.items()]
        (self.home / "airflow.cfg").write_text("\n".join(lines))
        if template is not None:
            self.database.write_bytes(template.read_bytes())

    def in_database(self, *conn_ids: str, host: str = HOSTS["database"], **more: Any) -> None:
        with closing(sqlite3.connect(self.database)) as connection, connection:
            for conn_id in conn_ids:
                row = {"conn_id": conn_id, "conn_type": "http", "host": host, "password": self.canary.value, **more}
                row = {"is_encrypted": 0, "is_extra_encrypted": 0, **row}
                marks = ", ".join(f":{name}" for name in row)
                connection.execute(f"INSERT INTO connection ({', '.join(row)}) VALUES ({marks})", row)  # noqa: S608

    def variable_in_database(self, *keys: str, value: str = HOSTS["database"], encrypted: int = 0) -> None:
        with closing(sqlite3.connect(self.database)) as connection, connection:
            for key in keys:
                row = (key, value, encrypted)
                connection.execute("INSERT INTO variable (key, val, is_encrypted) VALUES (?, ?, ?)", row)

    def in_team(self, *names: str) -> None:
        with closing(sqlite3.connect(self.database)) as connection, connection:
            connection.executemany("INSERT INTO team (name) VALUES (?)", [(name,) for name in names])

    def in_environment(self, *conn_ids: str, text: str | None = None) -> None:
        for conn_id in conn_ids:
            value = json.dumps({"conn_type": "http", "host": HOSTS["environment"]}) if text is None else text
            self.environment[f"AIRFLOW_CONN_{conn_id.upper()}"] = value

    def explain(self, *arguments: str) -> Result:
        """The command; nothing that it prints holds the canary, and the database is as it was."""
        before = self._digest()
        team = ("--team", self.team) if self.team else ()
        result = self.project.run("explain", *arguments, *team, **self.environment)
        assert self._digest() == before
        assert not self.canary.found_in(result.text.encode()), result.text
        return result

    def lookups(self, connections: Sequence[str], variables: Sequence[str] = ()) -> dict[str, dict[str, Any]]:
        """`explain --json`, by id; of a variable: "variable ID"."""
        asked = [part for key in variables for part in ("--variable", key)]
        result = self.explain(*connections, *asked, "--json")
        assert result.out, result.text
        lookups = result.json()["lookups"]
        return {f"variable {item['id']}" if item["kind"] == "variable" else item["id"]: item for item in lookups}

    def happens(self, connections: Sequence[str], keys: Sequence[str] = ()) -> dict[str, dict[str, dict[str, str]]]:
        """What the server and a task really get: {"host": …} or {"error": …}, by side and id.

        In a fork of the session that is entered, if any; else, as the judge of that, in an Airflow of its own.
        """
        file = self.project.folder / "probe.json"
        variables = {
            "PROBE": json.dumps({"connections": list(connections), "variables": list(keys)}),
            "PROBE_FILE": str(file),
            "PROBE_TEAM": self.team,
        }
        with patch.dict(os.environ, self.environment):
            how = Start(["tests.explain.happens"], variables, cwd=str(self.project.folder))
            process = start(locate(load(self.project.manifest)), how)
            out, err = process.communicate(timeout=_TIMEOUT)
        found = {}
        for side, suffix in (("server", ".server"), ("worker", ".task")):
            written = Path(f"{file}{suffix}")
            assert written.exists(), out[-3000:] + err[-3000:]
            found[side] = json.loads(written.read_text())
        return found

    def _digest(self) -> tuple[str, float] | None:
        if not self.database.exists():
            return None
        return hashlib.sha256(self.database.read_bytes()).hexdigest(), self.database.stat().st_mtime


def hosts_of(side: Mapping[str, Any], hosts: Mapping[str, str]) -> dict[str, str | None]:
    """What a chain of `explain` predicts, as a look-up would show it. `hosts` is by source; for a
    backend, by where it found the secret, or by section."""
    if side["winner"] is None:
        return {"error": side["says"]}
    row = next(row for row in side["sources"] if row["source"] == side["winner"])
    if not {"host", "value"} & set(row["fields"]):
        return {"host": None}
    origin = row.get("origin", row)
    known = {**HOSTS, **hosts}
    return {"host": known.get(origin.get("found_at", "")) or known[origin.get("section") or origin["source"]]}


def agree(site: Site, hosts: Mapping[str, str], connections: Sequence[str], variables: Sequence[str] = ()) -> Any:
    """What `explain` predicts is what happens, for every id and on both sides. Returns the look-ups."""
    lookups = site.lookups(connections, variables)
    happened = site.happens(connections, variables)
    for side in ("server", "worker"):
        for key, lookup in lookups.items():
            predicted, real = hosts_of(lookup[side], hosts), happened[side][key]
            if "error" in predicted:
                assert str(predicted["error"]) in real.get("error", ""), (side, key, predicted, real)
            else:
                assert (predicted["host"], "error" in real) == (real.get("host") or None, False), (side, key, real)
    return lookups


def _line(key: str, value: Any) -> str:
    return f"{key} = {value if isinstance(value, str) else json.dumps(value)}\n"
