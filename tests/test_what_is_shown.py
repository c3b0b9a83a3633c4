"""What a user sees: no mask over our words, and nothing of others that is obeyed."""

from __future__ import annotations

import io
import json
import re
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from bootstrap.commands import store as store_command
from bootstrap.domain.secret import Secret, foreign
from bootstrap.errors import Unavailable
from bootstrap.smoke.verdict import CheckResult
from bootstrap.stores.base import Entry
from bootstrap.terminal import checklist
from bootstrap.terminal.console import Console, fit
from bootstrap.terminal.progress import Board
from tests.project import Project

ROOT = Path(__file__).parent.parent
WORDS = ["postgres", "secret", "1"]
MANIFEST = """
version: 1
airflow: {home: airflow}
stores: {local: {kind: file, path: secrets.json}}
register: [file]
connections:
  postgres_default: {conn_type: postgres, host: postgres, login: airflow, password: {secret: "local:PASSWORD"}}
  snow-1: {conn_type: http, host: snow, port: 1111, password: {secret: "local:PASSWORD"}}
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project(tmp_path_factory.mktemp("words"))
    project.write(MANIFEST)
    return project


@pytest.fixture(scope="module")
def usual(project: Project) -> list[str]:
    return shown(project, "T0tally-Other!")


def shown(project: Project, password: str) -> list[str]:
    """All that plan and register say, in text and as JSON."""
    folder = project.manifest.parent
    (folder / "secrets.json").write_text(json.dumps({"PASSWORD": password}))
    (folder / "connections.json").unlink(missing_ok=True)
    runs = [
        project.run("plan"),
        project.run("plan", "--json", "-"),
        project.run("register"),
        project.run("plan", before=("--log-format", "json")),
    ]
    assert [run.code for run in runs] == [0] * len(runs), [run.text for run in runs]
    assert json.loads(runs[1].out)["targets"]
    return [re.sub(r'"(salt|checksum|time)": "[^"]*"', "", run.text) for run in runs]


@pytest.mark.parametrize("word", WORDS)
def test_a_password_that_is_a_word_changes_nothing_of_what_is_said(
    word: str, project: Project, usual: list[str]
) -> None:
    assert shown(project, word) == usual


def printed(table: Any) -> str:
    target = io.StringIO()
    Console().rich(target).print(table)
    return target.getvalue()


def result(check_id: str, detail: str = "") -> CheckResult:
    return CheckResult(check_id, check_id, "x", "failed", (), 0.1, "auth", detail, detail)


@pytest.mark.parametrize("odd", [":snow:", "[red]x[/]", "[/]", "local:snow:", "[link=x]", ":warning: :x:"])
def test_rich_interprets_nothing(odd: str, capsys: pytest.CaptureFixture[str]) -> None:
    board = Board([odd], 1)
    board.ended(result(odd), 1)
    assert odd in printed(board.table(24))
    assert odd in printed(store_command.table("local", [Entry(odd, version=odd)], datetime.now(timezone.utc)))
    rows = [checklist.Row(odd, odd, odd, odd), checklist.check_row(result(odd))]
    checklist.show(Console(), rows)
    assert capsys.readouterr().out.count(odd) == 6


def test_a_table_obeys_no_control_character_and_shows_no_secret() -> None:
    Secret("hunter2-Canary").reveal()
    shown = printed(store_command.table("local", [Entry("a\x1b[31mb hunter2-Canary")], datetime.now(timezone.utc)))
    assert "\x1b" not in shown
    assert "hunter2" not in shown


def test_all_tables_are_made_of_cells_that_are_taken_as_they_are() -> None:
    files = {file: file.read_text() for file in (ROOT / "bootstrap").rglob("*.py")}
    assert not [
        file
        for file, text in files.items()
        if re.search(r"rich\.markup|from_markup|import .*\b(pretty|Markdown|Panel)\b", text)
    ]
    consoles = [file.name for file, text in files.items() if "from rich.console import Console" in text]
    assert consoles == ["console.py"]
    rows = [line for text in files.values() for line in re.findall(r"\.add_row\((.*)\)", text)]
    assert len(rows) >= 4
    assert not [row for row in rows if "cell" not in row and "texts" not in row and '""' not in row], rows
    columns = [line for text in files.values() for line in re.findall(r"TextColumn\(.*?\)", text)]
    assert all("markup=False" in column for column in columns)


@pytest.mark.parametrize("service", ["GITHUB_ACTIONS", "TF_BUILD", "TEAMCITY_VERSION"])
def test_a_ci_service_takes_no_command_from_what_is_printed(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = foreign("failed:\n::add-mask::x\n  ::error::y\n##vso[task.setvariable]z ##[group]a a::b")
    assert fit(text) == text
    monkeypatch.setenv(service, "true")
    assert not re.search(r"(?m)^\s*::|##\w*\[", fit(text))
    assert fit(text).replace("\u200b", "") == text
    assert "a::b" in fit(text)


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_what_was_not_marked_as_foreign_is_masked_where_it_leaves(
    log_format: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    Secret('hunter2-"Canary"').reveal()
    console = Console(log_format=log_format)
    console.error(Unavailable('it says hunter2-"Canary"', 'try hunter2-"Canary"'))
    console.data('it is hunter2-"Canary"\n')
    said = capsys.readouterr()
    assert (said.out, said.err.count("***")) == ("it is ***\n", 2)
    if log_format == "json":
        assert json.loads(said.err)["message"] == "it says ***"
