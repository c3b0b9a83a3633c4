"""`.pre-commit-hooks.yaml`: what pre-commit would run, on the real command line."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from bootstrap.cli import COMMANDS
from bootstrap.scan.risks.rules import RULES
from tests.project import ROOT

HOOKS: dict[str, dict[str, Any]] = {
    hook["id"]: hook for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
}
SCAN, MANIFEST = "airflow-bootstrap-scan", "airflow-bootstrap-manifest"
DAG = """\
from airflow.sdk import DAG
from airflow.providers.postgres.hooks.postgres import PostgresHook
from lib.engine import engine

with DAG("d"):
    pass

def load():
    PostgresHook("sales"), engine()
"""
ENGINE = """\
from airflow.providers.postgres.hooks.postgres import PostgresHook

def engine():
    return PostgresHook("shared")
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "dags" / "lib").mkdir(parents=True)
    (tmp_path / "dags" / "lib" / "engine.py").write_text(ENGINE)
    for name in ("one", "two"):
        (tmp_path / "dags" / f"{name}.py").write_text(DAG)
    declare(tmp_path, "sales", "shared")
    return tmp_path


def declare(repository: Path, *conn_ids: str) -> None:
    lines = [f"  {conn_id}: {{conn_type: postgres, host: db}}" for conn_id in conn_ids]
    (repository / "bootstrap.yaml").write_text("\n".join(["version: 1", "connections:", *lines, ""]))


def run(hook: str, repository: Path, *changed: str) -> subprocess.CompletedProcess[str]:
    """As pre-commit does: the entry's words, the arguments, then the changed files, in the repository's root."""
    program, *words = HOOKS[hook]["entry"].split()
    assert program == "airflow-bootstrap"
    arguments = [sys.executable, "-m", "bootstrap", *words, *HOOKS[hook].get("args", []), *changed]
    environment = {"PYTHONPATH": str(ROOT), "HOME": str(repository / "home"), "PATH": ""}
    return subprocess.run(arguments, capture_output=True, text=True, cwd=repository, env=environment, check=False)


def test_pre_commit_can_load_the_hooks() -> None:
    assert set(HOOKS) == {SCAN, MANIFEST}
    for hook in HOOKS.values():
        assert {"id", "name", "entry", "language"} <= set(hook)
        assert (hook["language"], hook["require_serial"]) == ("python", True)
        assert hook["entry"].split()[1] in COMMANDS


@pytest.mark.parametrize(
    ("hook", "file", "taken"),
    [
        (SCAN, "dags/load.py", True),
        (SCAN, "teams/a/dags/lib/load.py", True),
        (SCAN, "setup.py", False),
        (SCAN, "mydags/load.py", False),
        (MANIFEST, "bootstrap.yaml", True),
        (MANIFEST, "deploy/bootstrap.yml", True),
        (MANIFEST, "my-bootstrap.yaml", False),
        (MANIFEST, "bootstrap.yaml.j2", False),
    ],
)
def test_a_hook_gets_its_files(hook: str, file: str, taken: bool) -> None:  # noqa: FBT001
    assert bool(re.search(HOOKS[hook]["files"], file)) == taken


@pytest.mark.parametrize("changed", [["dags/one.py"], ["dags/one.py", "dags/two.py"], ["dags/one.py", "dags/lib/engine.py"]])  # fmt: skip
def test_code_that_needs_what_is_declared_passes(repository: Path, changed: list[str]) -> None:
    done = run(SCAN, repository, *changed)
    assert done.returncode == 0, done.stdout + done.stderr


def test_code_that_needs_more_fails_and_names_it_once_also_behind_an_import(repository: Path) -> None:
    declare(repository, "sales")
    done = run(SCAN, repository, "dags/one.py", "dags/two.py")
    assert done.returncode == 1
    assert done.stdout.count("shared") == 1
    assert "lib/engine.py:4" in done.stdout


def test_what_unchanged_files_need_is_not_asked_for(repository: Path) -> None:
    (repository / "dags" / "three.py").write_text(DAG.replace("sales", "elsewhere"))
    done = run(SCAN, repository, "dags/one.py", "dags/two.py")
    assert (done.returncode, "elsewhere" in done.stdout) == (0, False)


def test_what_changed_files_do_not_use_is_not_called_unused(repository: Path) -> None:
    declare(repository, "sales", "shared", "ftp")
    for changed in (["dags/one.py"], ["dags/one.py", "dags/two.py"]):
        assert "ftp" not in run(SCAN, repository, *changed).stdout


def test_a_risk_fails(repository: Path) -> None:
    (repository / "dags" / "two.py").write_text(DAG + 'PASSWORD = "tr0ub4dor"\n')
    done = run(SCAN, repository, "dags/one.py", "dags/two.py")
    assert done.returncode == 1
    assert "AB301" in done.stdout
    assert "tr0ub4dor" not in done.stdout + done.stderr


def test_each_changed_manifest_is_checked_without_its_stores(repository: Path) -> None:
    secret = 'version: 1\nstores: {team: {kind: vault, url: "https://127.0.0.1:9", auth: {method: token}, mount: m}}\nbackend: {store: team}\nconnections:\n  a: {conn_type: http, host: h, password: {secret: "team:a#p"}}\n'
    (repository / "bootstrap.yaml").write_text(secret)
    assert run(MANIFEST, repository, "bootstrap.yaml").returncode == 0
    (repository / "other.yaml").write_text(secret.replace("conn_type", "con_type"))
    done = run(MANIFEST, repository, "bootstrap.yaml", "other.yaml")
    assert done.returncode == 2
    assert "other.yaml:5:7: unknown key 'con_type'" in done.stderr
    assert "bootstrap.yaml: valid, connections: 1" in done.stderr


def test_files_without_check_are_a_mistake(repository: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bootstrap", "schema", "bootstrap.yaml"],
        capture_output=True, text=True, cwd=repository, env={"PYTHONPATH": str(ROOT), "PATH": ""}, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")


def test_the_documents_name_the_hooks_and_every_rule() -> None:
    text = (ROOT / "docs" / "scan-risks.md").read_text()
    assert [line for line in text.splitlines() if line.startswith("| AB")] == [
        f"| {rule.code} | {rule.title} | {rule.level} |" for rule in RULES.values()
    ]
    assert all(f"- id: {hook}" in text for hook in HOOKS)
