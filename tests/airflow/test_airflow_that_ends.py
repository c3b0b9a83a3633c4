"""An Airflow that prints, raises or exits where nobody expects it: by the user's own airflow_local_settings.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from bootstrap.cli import main
from tests.project import Project

pytestmark = pytest.mark.airflow
MANIFEST = """
version: 1
airflow: {home: airflow}
config: {api: {secret_key: {cmd: "echo key"}}}
register: [metadata]
connections: {web: {conn_type: sqlite, host: /tmp, checks: [sqlite]}}
"""
SAID = "print('said by the settings', flush=True)\n"
ENDINGS = {
    "exits": "import sys; sys.exit(0)",
    "exits hard": "import os; os._exit(0)",
    "raises": "raise RuntimeError('said by the settings')",
}
COMMANDS = {
    "explain": ["explain", "web"],
    "read back": ["render", "--verify"],
    "metadata": ["plan"],
    "import": ["init", "-o", "new.yaml", "--from", "metadata:airflow"],
    "smoke": ["smoke"],
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A home that is in use: nothing is made in it."""
    project = Project(tmp_path)
    project.write(MANIFEST)
    monkeypatch.chdir(project.manifest.parent)
    Path("airflow/config").mkdir(parents=True)
    Path("airflow/airflow.cfg").write_text("[core]\n[database]\nsql_alchemy_conn = sqlite:////nowhere/airflow.db\n")
    return project


def local_settings(text: str) -> None:
    Path("airflow/config/airflow_local_settings.py").write_text(text)


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("ending", "command"), [*(("exits", name) for name in COMMANDS), ("exits hard", "explain"), ("raises", "read back")]
)
def test_it_is_exit_4_with_what_it_printed(ending: str, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    local_settings(SAID + ENDINGS[ending])
    assert main(COMMANDS[command]) == 4
    captured = capsys.readouterr()
    assert "said by the settings" in captured.out + captured.err


@pytest.mark.usefixtures("project")
def test_what_it_prints_is_never_taken_for_the_answer(capsys: pytest.CaptureFixture[str]) -> None:
    local_settings(
        f"{SAID}import atexit, os; atexit.register(lambda: [print('{{}}'), os.write(1, b'{{}}'), os._exit(3)])\n"
    )
    assert main(["render", "--verify"]) == 0
    assert "read back by Airflow" in capsys.readouterr().err


def test_a_new_home_is_not_taken_for_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project = Project(tmp_path)
    project.write(MANIFEST)
    monkeypatch.chdir(project.manifest.parent)
    Path("airflow/config").mkdir(parents=True)
    local_settings(SAID + ENDINGS["exits"])
    assert main(["up"]) == 4
    captured = capsys.readouterr()
    assert "made no database; it printed: said by the settings" in captured.err
    assert not Path("airflow/airflow.cfg").exists()
