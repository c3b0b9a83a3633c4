"""Airflow's Fernet key by the command line: the connections in its metadata database are read before and after."""

from __future__ import annotations

import configparser
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.project import Canary, Project, leaks

pytestmark = [pytest.mark.airflow, pytest.mark.usefixtures("warm_command_line")]

MANIFEST = """
version: 1
airflow: {home: airflow, fernet_key: {every: 180d, grace: GRACE}}
stores:
  local: {kind: env, prefix: TEST_}
register: [metadata]
connections:
  site:
    conn_type: http
    host: 127.0.0.1
    port: 80
    login: me
    password: {secret: "local:PASSWORD"}
    checks: []
"""


@dataclass
class World:
    """A project whose connection is in the metadata database."""

    project: Project
    canary: Canary = field(default_factory=Canary)

    def write(self, grace: str) -> None:
        self.project.write(MANIFEST.replace("GRACE", grace))

    def key(self) -> str:
        parser = configparser.RawConfigParser()
        parser.read(self.project.manifest.parent / "airflow" / "airflow.cfg")
        return parser["core"]["fernet_key"]

    def run(self, *arguments: str) -> tuple[int, str]:
        result = self.project.run(*arguments, TEST_PASSWORD=self.canary.value)
        return result.code, result.text


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, template: Path) -> World:
    built = World(Project(tmp_path_factory.mktemp("fernet")).with_airflow(template))
    built.write("0s")
    built.run("register")
    code, text = built.run("register", "--check")
    assert code == 0, text
    return built


def test_the_new_key_alone_reads_every_row(world: World) -> None:
    before = world.key()
    code, text = world.run("rotate", "airflow:fernet_key")
    assert code == 0, text
    assert before not in world.key()
    assert "," not in world.key()
    assert before not in text
    assert world.key() not in text
    assert world.run("register", "--check")[0] == 0
    assert leaks(world.project.folder, world.canary, leave_out=world.project.folder / "nowhere") == []


@pytest.mark.slow
def test_in_its_grace_airflow_has_both_and_the_old_one_comes_back(world: World) -> None:
    world.write("1h")
    before = world.key()
    code, text = world.run("rotate")
    assert code == 0, text
    assert "restart" in text
    assert world.key().endswith(f",{before}")
    assert "grace until" in world.run("rotate", "--status")[1]
    assert "nothing is due" in world.run("rotate", "--due")[1]
    code, text = world.run("rotate", "--rollback")
    assert code == 0, text
    assert world.key() == before
    assert world.run("register", "--check")[0] == 0
