"""Connections and variables through the REST API of every Airflow that is supported: what Airflow reads is what was written."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from bootstrap.airflow.environment import installed_version
from tests.project import Canary, Project, leaks
from tests.systems import api_server
from tests.systems.api_server import ApiServer
from tests.systems.server import write_private

pytestmark = [
    pytest.mark.contract("REST API"),
    pytest.mark.airflow,
    pytest.mark.timeout(600),
    pytest.mark.usefixtures("warm_command_line"),
]

READ = """
import json, os, sys
answer = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # Airflow logs to stdout
from airflow import settings
from airflow.models import Connection, Variable

settings.configure_orm()
with settings.Session() as session:
    rows = {row.conn_id: row for row in session.query(Connection).all()}
    held = {row.key: row.val for row in session.query(Variable).all() if row.key != "airflow_bootstrap_index"}

def fields(row):
    return [row.conn_type, row.description, row.host, row.login, row.password, row.schema, row.port, json.loads(row.extra or "null")]

json.dump({**{name: fields(row) for name, row in rows.items()}, **held}, answer)
"""
CONNECTIONS: dict[str, Any] = {
    "full": {
        "conn_type": "postgres",
        "description": "a line\nanother, ü€",
        "host": "h",
        "login": "l",
        "schema": "s",
        "port": 1,
        "password": {"secret": "files:db#password"},
        "extra": {"a": [{"token": {"secret": "files:db#password"}, "c": None}], "d": 1.5},
        "checks": [],
    },
    "bare": {"conn_type": "http", "checks": []},
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, template: Path) -> Iterator[ApiServer]:
    old = str(installed_version()).startswith("2.")
    running = api_server.running_airflow_2 if old else api_server.running
    with running(tmp_path_factory.mktemp("server"), template) as made:
        yield made


def airflow_reads(server: ApiServer, project: Project) -> dict[str, Any]:
    env = {**project.environment(), "AIRFLOW_HOME": str(server.home), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, "-c", READ], env=env, check=True, capture_output=True, text=True, timeout=240
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def write(project: Project, server: ApiServer, canary: Canary, **changed: Any) -> None:
    """A project whose store has the canary."""
    files = project.manifest.parent / "store"
    files.mkdir(parents=True, exist_ok=True)
    write_private(files / "secrets.yaml", yaml.safe_dump({"db": {"password": canary.value}}))
    write_private(files / "airflow.password", server.password)
    access = {"url": server.url, "login": "admin", "password": {"file": "store/airflow.password"}}
    document = {
        "version": 1,
        "stores": {"files": {"kind": "file", "path": "store/secrets.yaml"}},
        "register": [{"api": access}],
        "connections": CONNECTIONS,
        "variables": {"region": "eu", "held": {"secret": "files:db#password"}},
    }
    project.write(yaml.safe_dump({**document, **changed}))


def test_airflow_reads_what_register_wrote(server: ApiServer, tmp_path: Path) -> None:
    project, canary = Project(tmp_path), Canary()
    write(project, server, canary)
    result = project.run("register")
    assert (result.code, result.out.count(f"created at {server.url}")) == (0, 4), result.text
    full = ["postgres", "a line\nanother, ü€", "h", "l", canary.value, "s", 1]
    extra = {"a": [{"token": canary.value, "c": None}], "d": 1.5}
    expected = {
        "full": [*full, extra],
        "bare": ["http", None, None, None, None, None, None, None],
        "region": "eu",
        "held": canary.value,
    }
    assert airflow_reads(server, project) == expected
    result = project.run("register")
    assert (result.code, "nothing to change" in result.text) == (0, True), result.text
    without = {"full": {key: value for key, value in CONNECTIONS["full"].items() if key != "password"}}
    write(project, server, canary, connections={**CONNECTIONS, **without})
    result = project.run("register")
    assert (result.code, "full: updated" in result.out) == (0, True), result.text
    assert airflow_reads(server, project) == {**expected, "full": [*full[:4], None, *full[5:], extra]}
    result = project.run("register")
    assert (result.code, "nothing to change" in result.text) == (0, True), result.text
    assert leaks(tmp_path, canary, leave_out=project.manifest.parent / "store") == []
    assert not any(canary.found_in(result.text.encode()) for result in project.transcript)


def test_what_the_manifest_no_longer_has_is_pruned(server: ApiServer, tmp_path: Path) -> None:
    project, canary = Project(tmp_path), Canary()
    write(
        project,
        server,
        canary,
        owner="pruner",
        connections={f"gone_{n}": {"conn_type": "http"} for n in range(4)},
        variables={},
    )
    assert project.run("register").code == 0
    before = airflow_reads(server, project)
    write(
        project,
        server,
        canary,
        owner="pruner",
        connections={f"gone_{n}": {"conn_type": "http"} for n in range(3)},
        variables={},
    )
    result = project.run("register", "--prune")
    assert (result.code, "gone_3: deleted" in result.out) == (0, True), result.text
    assert airflow_reads(server, project) == {name: value for name, value in before.items() if name != "gone_3"}
