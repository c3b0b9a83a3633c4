"""Secrets that stand in the code of DAGs reach nothing that a scan writes."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from bootstrap.cli import cli

CODE = """from airflow import DAG
from airflow.hooks.base import BaseHook
from airflow.providers.http.operators.http import HttpOperator
from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator as Sql
HttpOperator(task_id="a", method="GET", endpoint="https://user:c4n4ry-login@host.example/x", http_conn_id="web")
HttpOperator(task_id="b", method="GET", endpoint="/x?token=c4n4ry-query", http_conn_id="web")
HttpOperator(task_id="c", endpoint="/services/T012ABCDEF/B012ABCDEF/c4n4ryC4N4RYc4n4ry9", http_conn_id="slack")
Sql(task_id="d", conn_id="db", sql="CREATE USER x PASSWORD 'c4n4ry-sql'; ALTER ROLE y PASSWORD 'c4n4ry-role'")
Sql(task_id="e", conn_id=f"postgresql://user:c4n4ry-uri@host/{db}", sql="SELECT 1")
Sql(task_id="f", conn_id="postgresql://user:c4n4ry-whole@host/db", sql="SELECT 1")
Sql(task_id="g", conn_id=look_up(password="c4n4ry-word", more={"api_key": "c4n4ry-key"}), sql="SELECT 1")
Sql(task_id="h", conn_id=look_up("ghp_c4n4ryC4N4RYc4n4ry0123456789abcdef"), sql="SELECT 1")
Sql(task_id="i", **look_up(token="c4n4ry-rest"))
Sql(task_id="j", conn_id="db", sql="SELECT * FROM orders")
BaseHook.get_connection("web").get_hook(password="c4n4ry-method").run("postgresql://user:c4n4ry-run@host/db")
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ["scan", "dags", "--json", "found.json", "--sarif", "found.sarif"],
        ["scan", "dags", "--policy"],
        ["init", "--from-dags", "dags"],
    ],
    ids=["report", "policy", "manifest"],
)
def test_no_secret_of_the_code_is_shown_or_written(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "etl.py").write_text(CODE)
    if arguments[0] == "scan":
        (tmp_path / "bootstrap.yaml").write_text(
            "version: 1\nconnections: {db: {conn_type: postgres, host: h, login: etl}}\n"
        )
    result = CliRunner().invoke(cli, arguments)
    shown = result.output + caplog.text  # sqlglot logs whole statements
    written = [path for path in tmp_path.rglob("*") if path.is_file() and path.parent.name != "dags"]
    for text in (shown, str(result.exception), *(path.read_text() for path in written)):
        assert "c4n4ry" not in text.lower()
    assert "db" in shown + "".join(path.read_text() for path in written)  # it did find something
    assert arguments[-1] != "--policy" or 'GRANT SELECT ON TABLE "orders"' in shown
