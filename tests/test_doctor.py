from __future__ import annotations

from pathlib import Path

import pytest

from bootstrap import openbao
from bootstrap.airflow_env import locate
from bootstrap.desired import Secrets
from bootstrap.doctor import Finding, examine, worst
from bootstrap.errors import Exit
from bootstrap.manifest import load

MANIFEST = """
version: 1
airflow: {home: airflow, dags: dags}
stores:
  here: {kind: env}
  team: {kind: vault, url: "http://127.0.0.1:9"}
connections:
  ferry: {conn_type: oracle, host: db, password: {secret: "here:FERRY"}}
  api: {conn_type: http, host: api}
"""


def findings(folder: Path, manifest: str = MANIFEST) -> dict[str, Finding]:
    file = folder / "bootstrap.yaml"
    file.write_text(manifest)
    found = load(file)
    return {item.subject: item for item in examine(found, locate(found), Secrets(found))}


def test_each_thing_that_is_missing_comes_with_the_command_that_mends_it(tmp_path: Path) -> None:
    found = findings(tmp_path)
    assert found["airflow"].ok
    assert found["providers"].fix == "pip install apache-airflow-providers-oracle"
    assert found["home"].ok
    assert "up creates it" in found["home"].message
    assert found["dags"].fix.startswith("mkdir -p")
    assert found["store here"].ok
    assert "secrets" not in found  # a store is down: every secret in it would be told of again


def test_a_store_without_credential_is_refused_not_missing(tmp_path: Path) -> None:
    finding = findings(tmp_path)["store team"]
    assert (finding.exit_code, finding.fix) == (Exit.STORE, "export VAULT_TOKEN=…")


def test_a_store_that_is_down_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULT_TOKEN", "x")
    finding = findings(tmp_path)["store team"]
    assert finding.exit_code == Exit.STORE
    assert "refused" in finding.message


def test_a_missing_secret_is_named_with_its_connection(tmp_path: Path) -> None:
    without_team = MANIFEST.replace('  team: {kind: vault, url: "http://127.0.0.1:9"}\n', "")
    finding = findings(tmp_path, without_team)["secret"]
    assert finding.message.startswith("connection ferry: here:FERRY: $FERRY is not set")
    assert finding.fix == "export FERRY=…"
    assert finding.exit_code == Exit.FAILED


def test_the_embedded_store_without_its_server_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openbao, "find_binary", lambda: None)  # it is installed here
    finding = findings(tmp_path, "version: 1\nstores: {local: {kind: embedded}}\n")["store local"]
    assert finding.exit_code == Exit.STORE
    assert "airflow-bootstrap[embedded]" in finding.fix


def test_a_home_whose_database_is_gone_is_not_usable_and_never_made_anew(tmp_path: Path) -> None:
    home = tmp_path / "airflow"
    home.mkdir()
    (home / "airflow.cfg").write_text(f"[database]\nsql_alchemy_conn = sqlite:///{home}/airflow.db\n")
    finding = findings(tmp_path)["home"]
    assert (finding.exit_code, finding.fix) == (Exit.AIRFLOW, f"AIRFLOW_HOME={home} airflow db migrate")


def test_the_worst_finding_gives_the_exit_code() -> None:
    codes = (Exit.OK, Exit.STORE, Exit.FAILED)
    assert worst([Finding("x", "y", "z", code) for code in codes]) == Exit.STORE
    assert worst([]) == Exit.OK
