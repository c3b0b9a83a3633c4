"""`scan` as a command: what is new since a revision, policies, exit codes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bootstrap.cli import cli

DAG = """from airflow import DAG
from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator
with DAG("a"):
    SQLExecuteQueryOperator(task_id="x", conn_id="warehouse", sql="SELECT * FROM orders")
"""
MORE = """    SQLExecuteQueryOperator(task_id="y", conn_id="warehouse", sql="INSERT INTO orders SELECT 1")
    from airflow.providers.slack.operators.slack import SlackAPIPostOperator
    SlackAPIPostOperator(task_id="z", channel="#x", text="hi")
"""
MANIFEST = "version: 1\nconnections:\n  warehouse: {conn_type: postgres, host: db.internal, login: etl}\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "etl.py").write_text(DAG)
    (tmp_path / "bootstrap.yaml").write_text(MANIFEST)
    git = ["git", "-c", "user.name=A", "-c", "user.email=a@example.com"]
    for arguments in (["init", "-q"], ["add", "dags", "bootstrap.yaml"], ["commit", "-qm", "first"]):
        subprocess.run([*git, *arguments], check=True)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["scan", "dags", *arguments], standalone_mode=False, catch_exceptions=False)


def test_a_diff_shows_what_the_change_adds_and_nothing_else(project: Path) -> None:
    assert "needs nothing more" in run("--diff", "HEAD").output
    (project / "dags" / "etl.py").write_text(DAG + MORE)
    result = run("--diff", "HEAD", "--json", "found.json")
    assert "slack_api_default (not declared)" in result.output
    assert "INSERT on table orders (warehouse)" in result.output
    found = json.loads((project / "found.json").read_text())
    rights = {each["id"]: [one["verb"] for one in each["resources"]] for each in found["connections"]}
    assert rights == {"slack_api_default": ["write"], "warehouse": ["write"]}


def test_a_folder_that_is_new_is_new_as_a_whole(project: Path) -> None:
    (project / "more").mkdir()
    (project / "more" / "etl.py").write_text(DAG)
    result = CliRunner().invoke(cli, ["scan", "more", "--diff", "HEAD"], standalone_mode=False)
    assert "read on table orders (warehouse)" in result.output or "SELECT on table orders (warehouse)" in result.output


@pytest.mark.usefixtures("project")
def test_a_revision_that_git_does_not_know_is_a_usage_error() -> None:
    from bootstrap.errors import UsageError

    with pytest.raises(UsageError, match="git"):
        run("--diff", "--output=stolen")


@pytest.mark.usefixtures("project")
def test_a_policy_grants_what_the_code_does() -> None:
    assert 'GRANT SELECT ON TABLE "orders" TO "etl";' in run("--policy").output


@pytest.mark.parametrize(("what", "code"), [("undeclared", 1), ("unused", 0), ("risk", 0), ("dynamic", 0)])
def test_the_exit_code_is_what_fail_on_asks_for(what: str, code: int, project: Path) -> None:
    (project / "dags" / "etl.py").write_text(DAG + MORE)
    assert run("--fail-on", what).return_value == code
    assert run().return_value == 0
