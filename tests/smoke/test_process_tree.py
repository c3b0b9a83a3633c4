"""A check that ends takes along what it started, also what left for a session of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.project import Project

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(400), pytest.mark.usefixtures("warm_command_line")]

MANIFEST = """
version: 1
airflow: {home: airflow}
connections:
  leaves: {conn_type: generic, checks: [{python: {callable: starts.and_returns}}]}
  hangs: {conn_type: generic, checks: [{python: {callable: starts.and_hangs}}]}
"""
MODULE = """
import subprocess, time

def and_returns(connection):
    subprocess.Popen(["sleep", "30041"], start_new_session=True)

def and_hangs(connection):
    subprocess.Popen(["setsid", "--fork", "sleep", "30042"])
    time.sleep(600)
"""


@pytest.mark.parametrize(
    "how", [pytest.param((), id="forked"), pytest.param(("--isolated",), id="isolated", marks=pytest.mark.slow)]
)
def test_nothing_that_a_check_started_outlives_it(template: Path, tmp_path: Path, how: tuple[str, ...]) -> None:
    project = Project(tmp_path).with_airflow(template)
    project.write(MANIFEST)
    (project.manifest.parent / "starts.py").write_text(MODULE)
    variables = {f"AIRFLOW_CONN_{name}": json.dumps({"conn_type": "generic"}) for name in ("LEAVES", "HANGS")}
    code, checks, result = project.smoke("--timeout", "20", *how, **variables)
    assert code == 1, result.text
    assert {name: check.get("cause") for name, check in checks.items()} == {
        "leaves.python": None,
        "hangs.python": "timeout",
    }, result.text
    assert _sleeping() == []


def _sleeping() -> list[str]:
    lines = [file.read_bytes() for file in Path("/proc").glob("[0-9]*/cmdline") if file.exists()]
    return [line.decode() for line in lines if line.startswith(b"sleep\x003004")]
