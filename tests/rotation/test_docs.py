"""What docs/rotation.md shows can be done."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bootstrap import plugins
from bootstrap.cli import COMMANDS
from bootstrap.commands.rotate import command
from bootstrap.manifest.loader import load
from bootstrap.rotation.steps import STEPS
from tests.project import ROOT

PAGE = (ROOT / "docs" / "rotation.md").read_text()
MANIFESTS = re.findall(r"```yaml\n(version: 1\n.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("text", MANIFESTS)
def test_its_manifests_load(text: str, tmp_path: Path) -> None:
    file = tmp_path / "bootstrap.yaml"
    file.write_text(text)
    found = load(file)
    assert found.rotations or found.backend_rotation


def test_it_names_every_issuer() -> None:
    assert all(f"| `{name}` |" in PAGE for name in plugins.ISSUERS.names())


def test_it_names_every_option_and_step() -> None:
    options = {option for parameter in command.params for option in parameter.opts if option.startswith("--")}
    assert {option for option in options if option not in PAGE} == {"--timeout"}
    steps = {step.removesuffix("_live").removesuffix("_disabled") for step in STEPS} - {"forget", "enable", "abandon"}
    assert all(f"\n| {step}" in PAGE for step in steps)


def test_it_is_a_command() -> None:
    assert "rotate" in COMMANDS
