"""What was registered, as a real Airflow reads it: `airflow connections get`, and a task under `airflow tasks test`.

One target after the other, each in a home of its own. Of the target `api`, test_api.py has the API's own answers besides.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.fernet import Fernet
from dotenv import dotenv_values

from bootstrap.stores.embedded import Server
from bootstrap.targets.kubernetes import text as kubernetes_text
from tests.project import Canary, Project, leaks
from tests.systems import api_server
from tests.systems.server import write_private

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(900), pytest.mark.usefixtures("warm_command_line")]

HARD = 'it\'s "50 %" \\ {{ x }} $HOME `id` ü€\n second line '
DAG = """
import json, os
from datetime import datetime, timezone
from bootstrap.airflow.compat import BaseHook, DAG, FunctionOperator

def look_up():
    from airflow.sdk import Variable
    found = {}
    for conn_id in ("full", "bare", "empty"):
        conn = BaseHook.get_connection(conn_id)
        names = ("conn_type", "description", "host", "login", "password", "schema", "port")
        found[conn_id] = {name: getattr(conn, name) for name in names} | {"extra": conn.extra_dejson}
    found["variables"] = {key: Variable.get(key) for key in ("region", "limits", "api_token")}
    with open(os.environ["READ_BACK"], "w") as file:
        json.dump(found, file)

with DAG(dag_id="reads", schedule=None, start_date=datetime(2020, 1, 1, tzinfo=timezone.utc), catchup=False):
    FunctionOperator(task_id="reads", work=look_up)
"""


@dataclass
class Site:
    """A project, its Airflow, and what that needs in its environment."""

    project: Project
    canary: Canary
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def work(self) -> Path:
        return self.project.manifest.parent

    def airflow(self, *arguments: str, **more: str) -> str:
        environment = self.project.environment(AIRFLOW_HOME=str(self.work / "airflow"), **self.environment, **more)
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-m", "airflow", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


def manifest(register: Any, **more: Any) -> dict[str, Any]:
    secret = {"secret": "files:all#hard"}
    full: dict[str, Any] = {"conn_type": "generic", "description": "ü\nd", "host": "h", "schema": "", "port": 1}
    full |= {"login": secret, "password": secret, "extra": {"a": [{"b": secret, "c": None}], "d": 1.5, "": "x"}}
    return {
        "version": 1,
        "airflow": {"home": "airflow"},
        "stores": {"files": {"kind": "file", "path": "secrets/secrets.yaml"}, **more.pop("stores", {})},
        "register": register,
        "connections": {
            "full": {**full, "checks": []},
            "bare": {"conn_type": "http", "checks": []},
            "empty": {"conn_type": "http", "password": "", "host": "", "checks": []},
        },
        "variables": {
            "region": "eu-west-1",
            "limits": {"n": [1, {"key": {"secret": "files:all#plain"}}]},
            "api_token": {"secret": "files:all#plain"},
        },
        **more,
    }


@contextmanager
def site(folder: Path, document: Mapping[str, Any], template: Path | None) -> Iterator[Site]:
    canary = Canary()
    made = Site(Project(folder), canary)
    made.project.write(yaml.safe_dump(document))
    (made.work / "secrets").mkdir(mode=0o700)
    values = {"hard": canary.core + HARD, "plain": canary.core}
    write_private(made.work / "secrets" / "secrets.yaml", yaml.safe_dump({"all": values}))
    home = made.work / "airflow"
    if template is not None:
        home.mkdir()
        key = Fernet.generate_key().decode()
        (home / "airflow.cfg").write_text(f"[core]\nload_examples = False\nfernet_key = {key}\n")
        (home / "airflow.db").write_bytes(template.read_bytes())
    yield made


def dags(made: Site) -> None:
    folder = made.work / "airflow" / "dags"
    folder.mkdir(exist_ok=True)
    (folder / "reads.py").write_text(DAG)


def check(made: Site) -> None:
    """Everything is read, by a command and by a task, as it was written."""
    hard, plain = made.canary.core + HARD, made.canary.core
    full: dict[str, Any] = {"conn_type": "generic", "description": "ü\nd", "host": "h", "schema": "", "port": 1}
    full |= {"login": hard, "password": hard, "extra": {"a": [{"b": hard, "c": None}], "d": 1.5, "": "x"}}
    (got,) = json.loads(made.airflow("connections", "get", "full", "-o", "json"))
    assert {name: got[name] for name in ("conn_type", "description", "host", "login", "password")} == {
        name: full[name] for name in ("conn_type", "description", "host", "login", "password")
    }
    assert (str(got["port"]), got["extra_dejson"]) == ("1", {**full["extra"], "d": "1.5"})
    dags(made)
    answer = made.project.folder / "tmp" / "read.json"
    made.airflow("tasks", "test", "reads", "reads", "2031-01-01T00:00:00+00:00", READ_BACK=str(answer))
    found = json.loads(answer.read_text())
    answer.unlink()
    unset = dict.fromkeys(("description", "host", "login", "password", "schema", "port"))
    assert found["full"].pop("description") in {"ü\nd", None}  # a task gets none from the database
    assert {**full, **found["full"], "schema": found["full"]["schema"] or ""} == full
    assert found["bare"] == {**unset, "conn_type": "http", "extra": {}}
    emptied = {name: value or None for name, value in found["empty"].items()}  # some of Airflow's readers drop ''
    assert emptied == {**unset, "conn_type": "http", "extra": None}
    limits = json.loads(found["variables"].pop("limits"))
    assert (limits, found["variables"]) == (
        {"n": [1, {"key": plain}]},
        {"region": "eu-west-1", "api_token": plain},
    )


def register(made: Site, **environment: str) -> None:
    """Twice: the second time nothing is to be done."""
    done = made.project.run("register", **environment)
    assert (done.code, done.out.count(": created at ")) == (0, 6), done.text
    again = made.project.run("register", **environment)
    assert (again.code, "nothing to change" in again.err) == (0, True), again.text
    assert made.project.run("register", "--check", "--prune", **environment).code == 0
    assert not any(made.canary.found_in(result.text.encode()) for result in made.project.transcript)


@pytest.mark.slow
def test_metadata(template: Path, tmp_path: Path) -> None:
    with site(tmp_path, manifest(["metadata"]), template) as made:
        register(made)
        check(made)
        database = made.work / "airflow" / "airflow.db"  # Airflow encrypts the password and extra, not the login
        assert leaks(made.work, made.canary, leave_out=made.work / "secrets") == [database]


@pytest.mark.slow
def test_env(template: Path, tmp_path: Path) -> None:
    with site(tmp_path, manifest(["env"]), template) as made:
        register(made)
        made.environment = {name: value or "" for name, value in dotenv_values(made.work / "airflow.env").items()}
        check(made)
        assert leaks(made.work, made.canary, leave_out=made.work / "secrets") == [made.work / "airflow.env"]


@pytest.mark.slow
def test_kubernetes(template: Path, tmp_path: Path) -> None:
    with site(tmp_path, manifest([{"kubernetes": {"namespace": "airflow"}}]), template) as made:
        register(made)
        text = (made.work / "airflow-secret.yaml").read_text()
        found = kubernetes_text.read(text, "the Secret")
        made.environment = {name: str(value) for name, value in found.values.items()}
        check(made)
        assert leaks(made.work, made.canary, leave_out=made.work / "secrets") == [made.work / "airflow-secret.yaml"]


@pytest.mark.slow
def test_file(template: Path, tmp_path: Path) -> None:
    kwargs = {"connections_file_path": "connections.json", "variables_file_path": "variables.json"}
    kwargs = {name: str(tmp_path / "work" / file) for name, file in kwargs.items()}
    backend = {"class": "airflow.secrets.local_filesystem.LocalFilesystemBackend", "kwargs": kwargs}
    with site(tmp_path, manifest(["file"], backend=backend), template) as made:
        assert made.project.run("render").code == 0
        register(made)
        check(made)


def test_backend(template: Path, tmp_path: Path) -> None:
    document = manifest(["backend"], stores={"local": {"kind": "embedded"}}, backend={"store": "local"})
    with site(tmp_path, document, template) as made:
        try:
            done = made.project.run("render")
            assert done.code == 0, done.text
            register(made)
            check(made)
        finally:
            Server(made.work / ".bootstrap" / "stores" / "local").stop()


@pytest.mark.slow
def test_api(template: Path, tmp_path: Path) -> None:
    with api_server.running(tmp_path / "work", template) as server:
        write_private(tmp_path / "password", server.password)
        options = {"url": server.url, "login": "admin", "password": {"file": str(tmp_path / "password")}}
        with site(tmp_path, manifest([{"api": options}]), None) as made:
            register(made)
            check(made)
