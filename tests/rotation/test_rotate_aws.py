"""An AWS key is rotated end to end, while tasks use it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bootstrap.stores.embedded import Server
from tests.project import Canary, Project, Result, leaks
from tests.systems import moto, require

pytestmark = [pytest.mark.airflow, pytest.mark.usefixtures("warm_command_line")]

TASKS = 30  # that use the connection while its key changes
MANIFEST = """
version: 1
airflow: {home: airflow}
stores:
  local: {kind: embedded}
backend: {store: local}
connections:
  cloud:
    conn_type: aws
    login: {secret: "local:aws/cloud#access_key_id"}
    password: {secret: "local:aws/cloud#secret_access_key"}
    extra: {region_name: us-east-1, endpoint_url: URL}
    checks: [CHECKS]
    ROTATE
"""
ROTATE = (
    'rotate: {issuer: aws_access_key, user: airflow, endpoint_url: URL, admin: {secret: "local:aws/admin"}, settle: 0s}'
)


@dataclass
class World:
    """A project with a key of a stand-in for AWS."""

    server: moto.Moto
    project: Project
    canary: Canary = field(default_factory=Canary)

    def text(self, checks: int, rotate: str) -> str:
        found = MANIFEST.replace("CHECKS", ", ".join(["sts"] * checks)).replace("ROTATE", rotate)
        return found.replace("URL", self.server.url)

    def populate(self) -> None:
        self.project.write(self.text(1, ROTATE))
        key_id, secret = self.server.mint("airflow")
        self.project.put("local:aws/cloud#access_key_id", key_id)
        self.project.put("local:aws/cloud#secret_access_key", secret)
        admin, secret = self.server.mint("admin")
        self.project.put("local:aws/admin", f'{{"conn_type": "aws", "login": "{admin}", "password": "{secret}"}}')

    @property
    def store(self) -> Server:
        return Server(self.project.manifest.parent / ".bootstrap" / "stores" / "local")

    def value(self, name: str) -> str:
        return self.project.run("store", "get", "--reveal", f"local:aws/cloud#{name}").out.strip()

    def keys(self) -> set[str]:
        listed = self.server.client("iam").list_access_keys(UserName="airflow")
        return {key["AccessKeyId"] for key in listed["AccessKeyMetadata"]}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, template: Path) -> Iterator[World]:
    require("moto", "make test")
    folder = tmp_path_factory.mktemp("aws")
    with moto.running(folder / "moto") as server:
        built = World(server, Project(folder / "project").with_airflow(template))
        try:
            built.populate()
            result = built.project.run("up")
            assert result.code == 0, result.text
            yield built
        finally:
            built.store.stop()


@pytest.mark.slow
def test_a_key_is_rotated_and_no_task_fails(world: World) -> None:
    old_id, old = world.value("access_key_id"), world.value("secret_access_key")
    file = world.project.manifest.with_name("load.yaml")
    file.write_text(world.text(TASKS, ""))
    results: list[Result] = []

    def load() -> None:
        process = Project(world.project.folder).start("smoke", "--jobs", "1", "--json", "-", before=("-f", str(file)))
        out, err = process.communicate(timeout=280)
        results.append(Result(process.returncode, out.decode(), err.decode()))

    thread = threading.Thread(target=load)
    thread.start()
    rotated = world.project.run("rotate", "cloud")
    thread.join()
    assert rotated.code == 0, rotated.text
    checks = results[0].json()["checks"]
    assert [check for check in checks if check["status"] != "passed"] == []
    assert len(checks) == TASKS
    new = world.value("secret_access_key")
    assert world.keys() == {world.value("access_key_id")} != {old_id}
    assert not moto.accepts_key(world.server.url, old_id, old)
    assert new not in rotated.text
    canary = Canary(new)
    assert leaks(world.project.folder, canary, leave_out=world.store.folder) == []
    assert world.project.run("smoke").code == 0


def test_a_limit_is_told_and_nothing_is_changed(world: World) -> None:
    other = world.server.client("iam").create_access_key(UserName="airflow")["AccessKey"]["AccessKeyId"]
    before = world.value("access_key_id")
    result = world.project.run("rotate", "cloud")
    world.server.client("iam").delete_access_key(UserName="airflow", AccessKeyId=other)
    assert result.code == 1
    assert other in result.err
    assert world.value("access_key_id") == before
    assert world.keys() == {before}


def test_a_system_that_lacks_the_bucket_proves_nothing_and_the_way_back_is_open(world: World) -> None:
    before = world.value("access_key_id")
    text = world.text(1, ROTATE).replace("checks: [sts]", "checks: [{s3: {bucket: not-there}}]")
    world.project.write(text)
    result = world.project.run("rotate", "cloud")
    world.project.write(world.text(1, ROTATE))
    assert result.code == 1
    assert world.value("access_key_id") == before
    status = world.project.run("rotate", "--rollback")
    assert status.code == 0, status.text
    assert world.keys() == {before}
