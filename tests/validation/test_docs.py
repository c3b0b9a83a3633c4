"""docs/validation.md is what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bootstrap.desired.resolve import SecretReader, resolve_all
from bootstrap.domain.connection import Connection
from bootstrap.manifest.loader import load
from bootstrap.util import distributions
from bootstrap.validation.check import check
from bootstrap.validation.hooks import install_command
from bootstrap.validation.values import NAMES
from tests.project import ROOT

PAGE = (ROOT / "docs" / "validation.md").read_text()


def test_the_example_is_told_of_as_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVICE_KEY", '{"type": "external_account", "audience": "//iam.googleapis.com/x"}')
    file = tmp_path / "bootstrap.yaml"
    file.write_text(PAGE.partition("```yaml\n")[2].partition("```")[0])
    manifest = load(file)
    found = resolve_all(manifest, SecretReader(manifest), manifest.connections)
    resolved = {conn_id: item for conn_id, item in found.items() if isinstance(item, Connection)}
    lines = [
        f"{conn_id}: {problem.field}: {problem.message} ({problem.hint})"
        for conn_id, problems in check(resolved, tmp_path).items()
        for problem in problems
    ]
    assert PAGE.partition("```text\n")[2].partition("```")[0].splitlines() == lines


def test_the_page_lists_the_types_that_take_a_name() -> None:
    listed = PAGE.partition("These take a name as their host, and no URL:")[2].partition(". ")[0]
    assert set(re.findall("`([a-z0-9_]+)`", listed)) == NAMES


def test_the_command_is_the_one_that_doctor_prints() -> None:
    packages = ["apache-airflow-providers-apache-kafka", "apache-airflow-providers-snowflake"]
    installed = str(distributions.version("apache-airflow"))
    assert install_command(packages) in re.sub(r"apache-airflow==[\d.]+", f"apache-airflow=={installed}", PAGE)
