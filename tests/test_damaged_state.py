"""Our own files, damaged: rebuilt where they can be, named where they can't; never a bug of ours."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from bootstrap.airflow import home
from bootstrap.airflow.environment import Environment
from bootstrap.airflow.home import database_template
from bootstrap.cli import main
from bootstrap.errors import Unavailable
from bootstrap.smoke.scratch import scratch
from bootstrap.stores.embedded import configuration
from tests.project import Project, without_roots_rights

MANIFEST = """
version: 1
airflow: {home: airflow}
stores: {team: {kind: vault, url: "https://vault.internal", auth: {method: token, token: {env: VAULT_TOKEN}}}}
backend: {store: team}
register: [file]
connections: {web: {conn_type: http, host: example.com, checks: []}}
"""
LEFTOVER = ".bootstrap/smoke/run-x/0/receipt"
RECEIPT = '{"nonce": "n", "made": "r-0", "check_id": "web.http"}\n'


def folder_in_its_place(file: Path) -> None:
    file.unlink()
    file.mkdir()


DAMAGE: dict[str, Callable[[Path], object]] = {
    "empty": lambda file: file.write_bytes(b""),
    "cut short": lambda file: file.write_bytes(file.read_bytes()[: file.stat().st_size // 2]),
    "not UTF-8": lambda file: file.write_bytes(b"\xff\xfe\n"),
    "another shape": lambda file: file.write_text('{"x": 1}\n'),
    "a list": lambda file: file.write_text("[[5]]\n"),
    "a number": lambda file: file.write_text("5\n"),
    "deep": lambda file: file.write_text("[" * 100_000),
    "a folder": folder_in_its_place,
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose state has a file of each kind that needs no Airflow, and the leftover of a killed run."""
    project = Project(tmp_path_factory.mktemp("made"))
    project.write(MANIFEST)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project.manifest.parent)
        patch.setenv("VAULT_TOKEN", "s.token")
        Path("airflow").mkdir()
        Path("airflow/airflow.cfg").write_text("[core]\nx = 1\n")
        for command in (["render"], ["render", "-o", "another.cfg"], ["register", "--into", "file"], ["doctor"]):
            main(command)
        leftover = Path(LEFTOVER)
        leftover.parent.mkdir(parents=True)
        leftover.write_text(RECEIPT)
        (leftover.parent.parent / "lock").touch()
    return project.manifest.parent


def files_of(folder: Path) -> list[str]:
    return sorted(str(file.relative_to(folder)) for file in folder.glob(".bootstrap/**/*") if file.is_file())


@pytest.mark.parametrize("damage", DAMAGE)
def test_each_file_of_ours_may_be_damaged(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    names = files_of(made)
    kinds = {Path(name).parts[1] for name in names}
    assert {".gitignore", "cache", "render", "run.lock", "smoke"} <= kinds
    monkeypatch.setenv("VAULT_TOKEN", "s.token")
    for number, name in enumerate(names):
        copy = tmp_path / str(number)
        shutil.copytree(made, copy)
        monkeypatch.chdir(copy)
        DAMAGE[damage](copy / name)
        for command in (["render", "--check"], ["render"], ["plan", "--into", "file"], ["register", "--into", "file"]):
            code = main(command)
            text = capsys.readouterr().err
            assert code != 70, (name, command, text)
            assert code in {0, 1} or "next: " in text, (name, command, text)
        with scratch(Environment(copy / "airflow", copy / "airflow/airflow.cfg", {}, copy / ".bootstrap")):
            pass


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_cache_is_made_again(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    shutil.copytree(made, tmp_path / "p")
    monkeypatch.chdir(tmp_path / "p")
    monkeypatch.setenv("VAULT_TOKEN", "s.token")
    caches = list(Path(".bootstrap/cache").glob("*.json"))
    assert caches
    main(["render", "-o", "-"])
    before = capsys.readouterr().out
    for file in caches:
        DAMAGE[damage](file)
    assert main(["render", "-o", "-"]) == 0
    assert capsys.readouterr().out == before


def test_an_answer_that_somebody_changed_is_no_answer(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(made, tmp_path / "p")
    monkeypatch.chdir(tmp_path / "p")
    monkeypatch.setenv("VAULT_TOKEN", "s.token")
    for file in Path(".bootstrap/cache").glob("*.json"):
        entries = json.loads(file.read_text())
        file.write_text(json.dumps({key: {**entry, "answer": 5} for key, entry in entries.items()}))
    assert main(["render", "-o", "-"]) == 0
    assert "VaultBackend" in capsys.readouterr().out


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_record_of_what_the_file_was_is_named_and_nothing_is_taken_out_on_a_guess(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    shutil.copytree(made, tmp_path / "p")
    monkeypatch.chdir(tmp_path / "p")
    monkeypatch.setenv("VAULT_TOKEN", "s.token")
    for file in Path(".bootstrap/render").iterdir():
        file.unlink()
    assert main(["render", "--remove", "-o", "another.cfg"]) == 0  # without a record: what has the manifest's values
    Path("airflow/airflow.cfg").write_text("[core]\nx = 1\n")
    main(["render"])
    (record,) = Path(".bootstrap/render").iterdir()
    before = Path("airflow/airflow.cfg").read_text()
    DAMAGE[damage](record)
    capsys.readouterr()
    assert main(["render", "--remove"]) == 4
    said = capsys.readouterr().err
    assert f"{record} can't be read" in said
    assert "next: restore it; or remove it" in said
    assert Path("airflow/airflow.cfg").read_text() == before


@pytest.mark.parametrize("damage", DAMAGE)
def test_an_empty_database_that_is_damaged_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    """Airflow's own `db migrate` has a stand-in: it takes 5 s, and what it makes is not looked at."""
    made: list[Path] = []

    def migrate(_environment: Environment, _config: Path, database: Path) -> None:
        made.append(database)
        with sqlite3.connect(database) as connection:
            connection.executescript(
                "CREATE TABLE alembic_version (version_num); INSERT INTO alembic_version VALUES ('x')"
            )
            connection.execute("CREATE TABLE filler AS SELECT randomblob(9000) AS x")
        connection.close()

    monkeypatch.setattr(home, "_migrate", migrate)
    environment = Environment(tmp_path, tmp_path / "airflow.cfg", {}, tmp_path)
    template = database_template(environment)
    assert database_template(environment) == template
    assert len(made) == 1
    DAMAGE[damage](template)
    assert database_template(environment) == template
    assert len(made) == 2
    assert template.read_bytes().startswith(b"SQLite format 3\0")


@pytest.mark.parametrize("damage", [name for name in DAMAGE if name != "a folder"])
def test_where_the_store_listens_is_known_from_its_configuration_too(tmp_path: Path, damage: str) -> None:
    configuration.configure(tmp_path)
    before = configuration.address(tmp_path)
    assert set(before) == {"port", "cluster_port"}
    DAMAGE[damage](tmp_path / "address.json")
    assert configuration.address(tmp_path) == before
    DAMAGE[damage](configuration.config_file(tmp_path))
    assert configuration.address(tmp_path) == {}
    configuration.configure(tmp_path)
    assert set(configuration.address(tmp_path)) == set(before)


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_can_not_be_made_again_is_named(tmp_path: Path, damage: str) -> None:
    keys = tmp_path / "keys.json"
    keys.write_text('{"root_token": "t"}')
    DAMAGE[damage](keys)
    if damage == "another shape":
        assert configuration.read_json(keys) == {"x": 1}
        return
    with pytest.raises(Unavailable, match=r"keys\.json is damaged"):
        configuration.read_json(keys)


@pytest.mark.skipif(os.geteuid() != 0, reason="the mode of a folder keeps only others than its owner out")
def test_a_state_folder_that_may_not_be_read_is_said(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(made, tmp_path / "p")
    monkeypatch.chdir(tmp_path / "p")
    monkeypatch.setenv("VAULT_TOKEN", "s.token")
    with without_roots_rights():
        assert main(["render", "--check"]) in {1, 2, 4}
    assert "next: " in capsys.readouterr().err
