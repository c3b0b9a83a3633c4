"""docs/render.md: its commands do what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bootstrap.render import formats
from tests.project import ROOT, Project

HERE, _, DOCS = (ROOT / "docs" / "render.md").read_text().partition("# Elsewhere\n")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = Project(tmp_path_factory.mktemp("project"))
    [manifest] = re.findall(r"```yaml\n(.*?)```", DOCS, re.DOTALL)
    made.write(manifest)
    script = made.folder / "airflow-bootstrap"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -m bootstrap "$@"\n')
    script.chmod(0o700)
    return made


@pytest.mark.parametrize("manifest", re.findall(r"```yaml\n(.*?)```", HERE, re.DOTALL))
def test_the_manifests_are_rendered(manifest: str, tmp_path: Path) -> None:
    made = Project(tmp_path)
    made.write(manifest)
    done = made.run("render", "-o", "-", VAULT_SECRET_ID="x", VAULT_TOKEN="x", AZURE_CLIENT_SECRET="x")
    assert done.code == 0, done.text
    for option in re.findall(r"^ *(?:backend|workers|core|database|use_cache|multi_team):", manifest, re.MULTILINE):
        assert option.strip(" :") in done.out


def test_every_option_is_told() -> None:
    from bootstrap.commands.render import command

    told = re.findall(r"^\| `(-[\w-]+)", HERE, re.MULTILINE)
    assert sorted([*told, "--format"]) == sorted(option.opts[0] for option in command.params)


def test_every_format_is_told() -> None:
    rows = re.findall(r"^\| `(\w+)`", DOCS, re.MULTILINE)
    assert rows == ["cfg", *formats.NAMES]
    assert re.findall(r"^## (\w+)$", DOCS, re.MULTILINE) == list(formats.NAMES)


@pytest.mark.airflow
def test_the_commands_do_and_print_what_they_say(project: Project) -> None:
    steps = [
        step
        for block in re.findall(r"```console\n(.*?)```", DOCS, re.DOTALL)
        for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
    ]
    assert len(steps) == len(re.findall(r"^\$ ", DOCS, re.MULTILINE)) > 5
    for step in steps:
        command, _, picture = step.partition("\n")
        done = run(command, project)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        assert done.stdout.splitlines()[-1:] == picture.splitlines(), command
    written = {path.name for path in project.manifest.parent.iterdir() if path.is_file()}
    assert written >= {"airflow.env", "airflow-values.yaml", "environment.yaml", "options.json"}


def test_what_would_win_is_unset_or_switched_off(project: Project) -> None:
    assert (
        run(
            "airflow-bootstrap render --format env | grep -q '^unset AIRFLOW__API_AUTH__JWT_SECRET$'", project
        ).returncode
        == 0
    )
    values = "airflow-bootstrap render --format helm | grep -q '^  AIRFLOW__API_AUTH__JWT_SECRET: false$'"
    assert run(values, project).returncode == 0


def run(command: str, project: Project) -> subprocess.CompletedProcess[str]:
    home = project.manifest.parent / "airflow"
    places = f"{project.folder}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=project.manifest.parent,
        env=project.environment(PATH=places, PYTHONPATH=str(ROOT), VAULT_TOKEN="x", AIRFLOW_HOME=str(home)),
        capture_output=True,
        text=True,
        check=False,
    )
