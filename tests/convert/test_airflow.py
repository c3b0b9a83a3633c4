"""Airflow itself writes what is converted, and reads what is exported: true metadata databases, true commands."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from bootstrap.airflow.environment import Environment, locate
from bootstrap.airflow.process import run_airflow
from bootstrap.desired.resolve import SecretReader, resolve_all
from bootstrap.domain.connection import Connection
from bootstrap.errors import AirflowError
from bootstrap.manifest.loader import load
from bootstrap.store_admin.put_get import value_of
from bootstrap.targets.metadata import target as metadata
from tests.project import Canary, Project, leaks, watched_processes
from tests.targets.applying import put, registered

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.timeout(600),
    pytest.mark.usefixtures("warm_command_line", "airflow_session"),
]

KEY = Fernet.generate_key().decode()
CANARY = Canary()
WANTED = {
    "plain": Connection("http", host="https://api.internal/v1", port=8443, extra={"timeout": 5}),
    "hostile": Connection(
        "postgres",
        description="Zürich: #1, 'yes'",
        host="DB.Internal",
        login="00123",
        password=CANARY.value,
        schema="a/b\nc",
        port=5432,
        extra={"sslmode": "require", "api_token": "tok-of-hostile", "n": {"a": [1, None, True, "null", "1e3"]}},
    ),
    "google": Connection(
        "google_cloud_platform",
        extra={"project": "p", "keyfile_dict": {"type": "service_account", "private_key": "k-1"}},
    ),
    "bare": Connection("my_type"),
    "a-b.c": Connection("aws", login="AKIA", password="with # and = and %", extra={"region_name": "eu-west-1"}),
}


def make(folder: Path, template: Path) -> Project:
    """A project whose AIRFLOW_HOME, old/, has a migrated database and a Fernet key; its manifest is to be made."""
    project = Project(folder)
    work = project.manifest.parent
    home = work / "old"
    home.mkdir(parents=True)
    (home / "airflow.cfg").write_text(f"[core]\nload_examples = False\nfernet_key = {KEY}\n")
    (work / "old.yaml").write_text("version: 1\nairflow: {home: old}\n")
    (home / "airflow.db").write_bytes(template.read_bytes())
    return project


def environment(work: Path) -> Environment:
    return locate(load(work / "old.yaml"))


def register(work: Path, connections: Mapping[str, Connection]) -> None:
    manifest = load(work / "old.yaml")
    target = metadata.open_target(metadata.Options(), manifest, SecretReader(manifest))
    assert put(target, connections) == ["created"] * len(connections)
    target.close()


def fingerprints(work: Path) -> dict[str, Any]:
    manifest = load(work / "old.yaml")
    target = metadata.open_target(metadata.Options(), manifest, SecretReader(manifest))
    found = registered(target, WANTED)
    target.close()
    return {conn_id: item.fields for conn_id, item in found.items()}


def stop(project: Project) -> None:
    """Whatever is in the manifest by now."""
    project.write("version: 1\nstores: {local: {kind: embedded}}\n")
    project.run("store", "stop")


def resolved(project: Project) -> dict[str, Any]:
    manifest = load(project.manifest)
    return dict(resolve_all(manifest, SecretReader(manifest), manifest.connections))


def as_uri(connections: Mapping[str, Connection]) -> dict[str, Connection]:
    """A URI has no description, and Airflow reads its host in small letters."""
    return {
        conn_id: replace(item, description=None, host=item.host.lower() if item.host else None)
        for conn_id, item in connections.items()
    }


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, template: Path) -> Path:
    """A folder with old/, an Airflow that has WANTED and variables, and what it exports."""
    folder = tmp_path_factory.mktemp("airflow")
    project = make(folder, template)
    work = project.manifest.parent
    register(work, WANTED)
    airflow = environment(work)
    variables = {"region": "eu-west-1", "digits": "00123", "config": {"a": [1, None]}, "api_key": CANARY.value}
    (folder / "v.json").write_text(json.dumps(variables))
    run_airflow(airflow, "airflow", "variables", "import", str(folder / "v.json"))
    (folder / "v.json").unlink()
    for name in ("c.json", "c.yaml", "uri.env"):
        run_airflow(airflow, "airflow", "connections", "export", str(folder / name))
    json_lines = ("--serialization-format", "json")
    run_airflow(airflow, "airflow", "connections", "export", str(folder / "json.env"), *json_lines)
    run_airflow(airflow, "airflow", "variables", "export", str(folder / "variables.json"))
    return folder


@pytest.mark.parametrize(
    "name", ["c.json", *(pytest.param(name, marks=pytest.mark.slow) for name in ("c.yaml", "json.env")), "uri.env"]
)
def test_what_airflow_exports_is_converted(exported: Path, tmp_path: Path, name: str) -> None:
    project = Project(tmp_path)
    project.manifest.parent.mkdir(parents=True)
    try:
        done = project.run("init", "--from", str(exported / name))
        assert done.code == 0, done.text
        found = resolved(project)
    finally:
        stop(project)
    if name == "uri.env":
        assert found == as_uri(WANTED)
    else:
        assert found == WANTED
    assert leaks(tmp_path, CANARY, leave_out=project.manifest.parent / ".bootstrap") == []
    assert not any(CANARY.found_in(result.text.encode()) for result in project.transcript)


def test_variables_that_airflow_exports(exported: Path, tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.manifest.parent.mkdir(parents=True)
    try:
        done = project.run("init", "--from", str(exported / "variables.json"))
        assert done.code == 0, done.text
        text = project.manifest.read_text()
        project.write("version: 1\nstores: {local: {kind: embedded}}\n")
        manifest = load(project.manifest)
        assert value_of(SecretReader(manifest), manifest, "local:source-variables/api_key#value") == CANARY.value
    finally:
        stop(project)
    for line in ("region: eu-west-1", 'digits: "00123"', 'api_key: {secret: "local:source-variables/api_key#value"}'):
        assert f"  {line}\n" in text
    assert not CANARY.found_in(text.encode())


def test_a_metadata_database_is_converted(exported: Path, tmp_path: Path) -> None:
    project = Project(tmp_path)
    home = tmp_path / "work" / "theirs"
    shutil.copytree(exported / "work" / "old", home)
    with closing(sqlite3.connect(home / "airflow.db")) as database:  # as Airflow 2 has it; Airflow 3 would change that
        database.execute("PRAGMA journal_mode = DELETE")
    before = {file: file.read_bytes() for file in home.iterdir() if file.is_file()}
    try:
        with watched_processes(CANARY) as seen:
            done = project.run("init", "--from", f"metadata:{home}")
        assert done.code == 0, done.text
        assert "5 connections, 4 variables" in done.err
        assert {file: file.read_bytes() for file in before} == before
        text = project.manifest.read_text()
        project.manifest.write_text(text.partition("variables:\n  ")[0])
        assert resolved(project) == WANTED
    finally:
        stop(project)
    assert seen == []
    assert "config: |" not in text
    assert 'digits: "00123"' in text
    shutil.rmtree(home)
    assert leaks(tmp_path, CANARY, leave_out=project.manifest.parent / ".bootstrap") == []
    assert not CANARY.found_in(done.text.encode())


def test_what_can_not_be_read_in_a_database_is_told_of(template: Path, tmp_path: Path) -> None:
    project = make(tmp_path, template)
    work = project.manifest.parent
    register(work, {"good": WANTED["plain"]})
    rows = [
        ("of_another_key", "http", Fernet(Fernet.generate_key()).encrypt(b"x").decode(), 1, None),
        ("bad_extra", "http", None, 0, '["x"]'),
        ("a/b", "http", None, 0, None),
    ]
    with closing(sqlite3.connect(work / "old" / "airflow.db")) as database, database:
        columns = "(conn_id, conn_type, password, is_encrypted, extra, is_extra_encrypted)"
        database.executemany(f"INSERT INTO connection {columns} VALUES (?, ?, ?, ?, ?, 0)", rows)  # noqa: S608
    done = project.run("init", "--from", "metadata:" + str(work / "old"), "--script", str(tmp_path / "s.sh"))
    assert done.code == 1
    for said in (
        "of_another_key: its password can't be decrypted",
        "extra is not a JSON object",
        "a/b: a connection's",
    ):
        assert said in done.err
    assert list(load(project.manifest).connections) == ["good"]


def test_a_home_without_an_airflow(tmp_path: Path) -> None:
    from bootstrap.convert import sources

    with pytest.raises(AirflowError, match=r"there is no .*airflow\.cfg"):
        sources.read_database(str(tmp_path / "none"), tmp_path)
    assert not (tmp_path / "none").exists()
    (tmp_path / "airflow.cfg").write_text("[core]\n")
    with pytest.raises(AirflowError, match=r"there is no .*airflow\.db"):
        sources.read_database(str(tmp_path), tmp_path)
    assert not (tmp_path / "airflow.db").exists()


@pytest.mark.parametrize("name", ["e.json", pytest.param("e.yaml", marks=pytest.mark.slow), "e.env"])
def test_airflow_imports_what_is_exported(exported: Path, template: Path, tmp_path: Path, name: str) -> None:
    project = make(tmp_path, template)
    work = project.manifest.parent
    try:
        assert project.run("init", "--from", str(exported / "c.json")).code == 0
        done = project.run("export", "-o", str(tmp_path / name))
        assert done.code == 0, done.text
    finally:
        stop(project)
    assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
    run_airflow(environment(work), "airflow", "connections", "import", str(tmp_path / name))
    described = {conn_id: replace(item, description=None) for conn_id, item in WANTED.items()}
    wanted = described if name == "e.env" else WANTED  # a URI of ours keeps a host's capitals, which it encodes
    assert ("hostile: its description is left out" in done.err) is (name == "e.env")
    found = fingerprints(work)
    for conn_id, item in wanted.items():
        empty = Connection("x", host="", login="", password="", schema="").fingerprints()  # a URI's None
        assert {key: value for key, value in found[conn_id].items() if value != empty.get(key)} == item.fingerprints()
