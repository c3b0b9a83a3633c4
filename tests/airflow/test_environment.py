from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from bootstrap.airflow.environment import Environment, locate, require_airflow, require_usable_paths
from bootstrap.airflow.home import make_home, prepare_home
from bootstrap.airflow.process import run_airflow
from bootstrap.domain.secret import redact
from bootstrap.errors import AirflowError
from bootstrap.manifest.loader import Manifest, load
from bootstrap.providers import installed


def manifest(folder: Path, text: str = "version: 1\n") -> Manifest:
    file = folder / "bootstrap.yaml"
    file.write_text(text)
    return load(file)


def test_the_manifests_home_is_relative_to_the_manifest_and_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_HOME", "/elsewhere")
    monkeypatch.setenv("AIRFLOW_CONFIG", "/elsewhere/airflow.cfg")
    found = locate(manifest(tmp_path, "version: 1\nairflow: {home: .airflow, env: {A: b}}\n"))
    assert (found.home, found.config) == (tmp_path / ".airflow", tmp_path / ".airflow" / "airflow.cfg")
    assert found.child()["AIRFLOW_CONFIG"] == str(found.config)
    assert found.child()["A"] == "b"


def test_else_the_environments_home_else_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    assert locate(manifest(tmp_path)).home == tmp_path / "user" / "airflow"
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "own"))
    assert locate(manifest(tmp_path)).config == tmp_path / "own" / "airflow.cfg"
    monkeypatch.setenv("AIRFLOW_CONFIG", str(tmp_path / "x.cfg"))
    assert locate(manifest(tmp_path)).config == tmp_path / "x.cfg"


def test_providers_are_known_without_importing_airflow() -> None:
    known = installed.providers()
    assert known["postgres"] == "apache-airflow-providers-postgres"
    assert known["google_cloud_platform"] == "apache-airflow-providers-google"
    assert installed.package_for("oracle") == "apache-airflow-providers-oracle"
    assert installed.package_for("no_such_type") is None


def test_a_home_that_exists_is_never_touched(tmp_path: Path) -> None:
    home = tmp_path / "airflow"
    home.mkdir()
    (home / "airflow.cfg").write_text("[core]\n")
    environment = Environment(home, home / "airflow.cfg", {}, tmp_path)
    assert prepare_home(environment) is False
    assert [file.name for file in home.iterdir()] == ["airflow.cfg"]


@pytest.mark.airflow
def test_a_new_home_keeps_a_database_that_is_there_and_airflow_reads_the_file(tmp_path: Path) -> None:
    home = tmp_path / "airflow"
    home.mkdir()
    (home / "airflow.db").write_text("somebody's")
    (tmp_path / "state").mkdir()
    environment = Environment(home, home / "airflow.cfg", {}, tmp_path / "state")
    assert prepare_home(environment) is True
    assert (home / "airflow.db").read_text() == "somebody's"
    assert (home / "airflow.cfg").stat().st_mode & 0o777 == 0o600
    assert sorted(file.name for file in home.iterdir() if file.is_file()) == ["airflow.cfg", "airflow.db"]
    assert f"sql_alchemy_conn = sqlite:///{home}/airflow.db" in (home / "airflow.cfg").read_text()


def test_a_failing_airflow_command_shows_its_last_line_and_exit_4(tmp_path: Path) -> None:
    environment = Environment(tmp_path, tmp_path / "airflow.cfg", {}, tmp_path)
    with pytest.raises(AirflowError, match=r"json\.tool .* failed: .*No such file") as caught:
        run_airflow(environment, "json.tool", "/no/such/file")
    assert caught.value.exit_code == 4


def test_variables_with_secrets_reach_airflow_through_a_pipe_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CI_PASSWORD", "TEAM_TOKEN", "HARMLESS"):
        monkeypatch.setenv(name, f"value of {name}")
    text = """
version: 1
stores:
  here: {kind: env, prefix: CI_}
  team: {kind: vault, url: "http://127.0.0.1:9", auth: {method: token, token: {env: TEAM_TOKEN}}}
connections: {db: {conn_type: postgres, password: {secret: "here:PASSWORD"}}}
"""
    found = locate(manifest(tmp_path, text))
    assert sorted(found.secrets) == ["CI_PASSWORD", "TEAM_TOKEN"]
    assert "CI_PASSWORD" not in found.child()
    assert "TEAM_TOKEN" not in found.child()
    assert found.child()["HARMLESS"] == "value of HARMLESS"
    (tmp_path / "show.py").write_text("import os; print(os.environ['CI_PASSWORD'])")
    assert run_airflow(found, "show", PYTHONPATH=str(tmp_path)) == "value of CI_PASSWORD\n"


def test_local_systems_are_never_behind_a_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "internal.example.com")
    assert locate(manifest(tmp_path)).child()["NO_PROXY"] == "internal.example.com,127.0.0.1,localhost"


def test_an_address_from_the_environment_stays_readable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_HOST", "db.internal")
    text = (
        "version: 1\nstores: {here: {kind: env}}\nconnections: {db: {conn_type: x, host: {secret: 'here:DB_HOST'}}}\n"
    )
    assert "db.internal" in locate(manifest(tmp_path, text)).pipe()
    assert redact("db.internal refuses connections") == "db.internal refuses connections"


@pytest.mark.parametrize("name", ["what?", "dollar$HOME", "per%cent", "new\nline", "bell\a"])
@pytest.mark.parametrize("place", ["home", "project"])
def test_a_folder_that_airflow_would_take_for_another_is_refused_and_nothing_is_made(
    tmp_path: Path, name: str, place: str
) -> None:
    odd = tmp_path / name
    odd.mkdir()
    text = f"version: 1\nairflow: {{home: {json.dumps(str(odd / 'airflow'))}}}\n"
    environment = locate(manifest(tmp_path, text) if place == "home" else manifest(odd, "version: 1\n"))
    for work in (prepare_home, require_airflow, lambda found: run_airflow(found, "airflow")):
        with pytest.raises(
            AirflowError, match=r"(?s)can't work in .*: in its paths, .* means something else"
        ) as caught:
            work(environment)
        assert caught.value.hint
    assert {file.name for file in tmp_path.iterdir()} <= {name, "bootstrap.yaml", ".bootstrap"}
    assert not (odd / "airflow").exists()


@pytest.mark.parametrize("name", ["ha#sh", "se;mi", "sp ace", "üni", "-dash", "qu'o\"te", "{br}ace", "back\\slash"])
def test_other_signs_in_a_folder_are_fine(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    require_usable_paths(locate(manifest(tmp_path / name, "version: 1\nairflow: {home: airflow}\n")))


def test_a_home_that_can_not_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for home in ("file", "file/airflow"):
        environment = locate(manifest(tmp_path, f"version: 1\nairflow: {{home: {home}}}\n"))
        with pytest.raises(AirflowError, match=r"can't create .*file"):
            prepare_home(environment)


def test_an_airflow_cfg_that_is_a_fifo_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "airflow").mkdir()
    os.mkfifo(tmp_path / "airflow" / "airflow.cfg")
    with pytest.raises(AirflowError, match="is not a regular file"):
        require_airflow(locate(manifest(tmp_path, "version: 1\nairflow: {home: airflow}\n")))


def test_who_may_enter_a_home_that_is_there_is_left_to_its_owner(tmp_path: Path) -> None:
    (tmp_path / "airflow").mkdir()
    (tmp_path / "airflow").chmod(0o750)
    make_home(locate(manifest(tmp_path, "version: 1\nairflow: {home: airflow}\n")))
    assert (tmp_path / "airflow").stat().st_mode & 0o777 == 0o750
