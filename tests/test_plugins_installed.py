"""A package of somebody else's, installed: its store, target, check and issuer work as ours do, also in Airflow's processes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bootstrap.checks.kind import CheckKind
from bootstrap.errors import UsageError
from bootstrap.issuers.kind import IssuerKind
from bootstrap.rotation.candidate import require_place
from bootstrap.stores.base import Deleting, LastingVersions, Store
from bootstrap.stores.env import EnvStore
from bootstrap.stores.kind import StoreKind
from bootstrap.targets.kind import TargetKind
from tests.plugins_example.acme_bootstrap import folder, gateway, json_variables, key_file
from tests.project import ROOT, Project, Result
from tests.stores.contract import DeletingContract

KINDS: tuple[StoreKind, TargetKind, CheckKind, IssuerKind] = (folder, json_variables, gateway, key_file)  # mypy looks
MANIFEST = """
version: 1
airflow: {home: airflow}
stores: {disk: {kind: acme_folder, path: secrets}}
register: [acme_json]
connections:
  gateway:
    conn_type: acme_gateway
    host: 127.0.0.1
    port: PORT
    login: {secret: "disk:gateway#login"}
    password: {secret: "disk:gateway#password"}
    rotate: {issuer: acme_key_file, file: keys.json}
  stranger:
    conn_type: acme_gateway
    host: 127.0.0.1
    port: PORT
    login: first
    password: {secret: "disk:nobody"}
"""


class TestFolderStore(DeletingContract):
    LARGEST = 2**20

    @pytest.fixture
    def store(self, tmp_path: Path) -> Store:
        return folder.FolderStore("team", tmp_path)

    def test_its_powers_are_seen(self, store: Store) -> None:
        assert isinstance(store, Deleting)
        assert isinstance(store, LastingVersions)


class KeepsAll(folder.FolderStore):
    """A store of another kind, which has no power to delete."""

    delete = None  # type: ignore[assignment]  # as if it were not there


def test_a_key_is_not_rotated_in_a_store_that_could_not_forget_it(tmp_path: Path) -> None:
    require_place("warehouse", folder.FolderStore("team", tmp_path), "team")
    with pytest.raises(UsageError, match="warehouse: store team deletes nothing, so the old key would stay in it"):
        require_place("warehouse", KeepsAll("team", tmp_path), "team")
    with pytest.raises(UsageError, match="store ci is read-only"):
        require_place("warehouse", EnvStore("ci", ""), "ci")


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for PYTHONPATH with the package, as pip installs it."""
    folder = tmp_path_factory.mktemp("acme")
    source = shutil.copytree(ROOT / "tests" / "plugins_example", folder / "source")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(source)]
    subprocess.run(build, check=True, capture_output=True)
    zipfile.ZipFile(next(folder.glob("*.whl"))).extractall(folder / "packages")
    return folder / "packages"


@dataclass
class World:
    """A project with the package, and the gateway whose keys it rotates."""

    project: Project
    packages: Path

    @property
    def folder(self) -> Path:
        return self.project.manifest.parent

    def run(self, *arguments: str, stdin: str = "") -> Result:
        return self.project.run(*arguments, stdin=stdin, PYTHONPATH=str(self.packages))

    def keys(self) -> Mapping[str, Mapping[str, object]]:
        found: Mapping[str, Mapping[str, object]] = json.loads((self.folder / "keys.json").read_text())
        return found

    def registered(self, name: str) -> Mapping[str, str]:
        document = json.loads((self.folder / "airflow-variables.json").read_text())
        found: Mapping[str, str] = json.loads(document[f"AIRFLOW_CONN_{name}"])
        return found


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, template: Path, packages: Path) -> Iterator[World]:
    made = World(Project(tmp_path_factory.mktemp("plugins")).with_airflow(template), packages)

    class Gateway(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            given = self.headers["Authorization"].partition(" ")[2]
            key = next((name for name, it in made.keys().items() if it == {"key": given, "enabled": True}), None)
            self.send_response(200 if key else 401)
            self.end_headers()
            self.wfile.write(json.dumps({"key": key}).encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Gateway) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        made.project.write(MANIFEST.replace("PORT", str(server.server_port)))
        (made.folder / "keys.json").write_text('{"first": {"key": "first-key-0815", "enabled": true}}')
        for reference, value in (("gateway#login", "first"), ("gateway#password", "first-key-0815"), ("nobody", "x")):
            result = made.run("store", "put", f"disk:{reference}", stdin=value)
            assert result.code == 0, result.text
        yield made
        server.shutdown()


def test_the_manifest_knows_each_kind_where_the_package_is(world: World) -> None:
    document = world.run("schema").text
    for name in ("acme_folder", "acme_json", "acme_gateway", "acme_key_file"):
        assert f'"{name}"' in document
    without = world.project.run("plan")
    assert without.code == 2
    assert "unknown kind of store 'acme_folder'" in without.err


def test_the_store_and_the_target_work_in_every_command(world: World) -> None:
    assert world.run("store", "list", "disk").out.split() == ["disk:gateway", "disk:nobody"]
    policy = world.run("store", "policy", "disk")
    assert (policy.code, "a store of kind acme_folder has no policies" in policy.err) == (2, True)
    assert world.run("plan", "--check").code == 1
    registered = world.run("register")
    assert registered.code == 0, registered.text
    assert world.registered("GATEWAY")["password"] == "first-key-0815"
    assert world.run("plan", "--check").code == 0
    assert str(world.folder / "secrets") in world.run("doctor").text


@pytest.mark.airflow
def test_the_check_is_the_default_of_its_type_and_runs_in_airflow(world: World) -> None:
    assert world.run("register").code == 0
    result = world.run("smoke", "--json", "-")
    checks = {check["id"]: check for check in result.json()["checks"]}
    assert checks.keys() == {"gateway.acme_gateway", "stranger.acme_gateway"}
    good, bad = checks["gateway.acme_gateway"], checks["stranger.acme_gateway"]
    assert good["status"] == "passed", result.text
    assert "as first" in [step["detail"] for step in good["steps"]]
    assert (bad["status"], bad["cause"]) == ("failed", "auth")


@pytest.mark.airflow
def test_the_issuer_rotates_a_key_in_the_store_and_the_target(world: World) -> None:
    result = world.run("rotate", "gateway")
    assert result.code == 0, result.text
    [(name, key)] = world.keys().items()
    assert name != "first"
    assert json.loads((world.folder / "secrets" / "gateway").read_text()) == {"login": name, "password": key["key"]}
    assert world.registered("GATEWAY")["password"] == key["key"]
    assert [file.name for file in (world.folder / "secrets").iterdir() if "candidate" in file.name] == []
    assert str(key["key"]) not in result.text


def test_a_check_that_lacks_a_function_is_an_error_before_airflow_starts(world: World, tmp_path: Path) -> None:
    broken = shutil.copytree(world.packages, tmp_path / "packages")
    module = broken / "acme_bootstrap" / "gateway.py"
    module.write_text(module.read_text().replace("def task(", "def tasks("))
    result = World(world.project, broken).run("smoke")
    assert result.code == 2
    assert "the check 'acme_gateway' of the package acme-bootstrap" in result.err
    assert "it has no task" in result.err
    assert "pip install --upgrade acme-bootstrap" in result.err
