"""Secrets that are drawn here and installed by a program."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bootstrap.domain.secret import Secret
from bootstrap.errors import IssuerUnavailable
from bootstrap.issuers import random
from bootstrap.issuers.base import Issuer
from tests.rotation.databases import Manifest
from tests.rotation.databases import attempt as begun
from tests.rotation.programs import keysmith


def opened(folder: Path, *push: str, **options: Any) -> Issuer:
    found = random.Options.model_validate({"issuer": "random", "push": list(push), **options})
    return random.open_issuer(found, Manifest(None, None, folder))  # type: ignore[arg-type]  # asks for no admin


SMITH = (sys.executable, str(Path(keysmith.__file__)), "keys.json")


def test_no_two_secrets_are_the_same_and_each_is_long(tmp_path: Path) -> None:
    issuer = opened(tmp_path, *SMITH, length=16, field="extra.token")
    made = [issuer.issue(replace(begun(None), run=f"run-{number}")) for number in range(3)]
    values = {key.fields["extra.token"].unmasked() for key in made}
    assert [len(value) for value in values] == [16, 16, 16]
    assert all(set(value) <= set(random._LETTERS) for value in values)
    assert [issuer.identify(key.fields) for key in made] == ["run-0", "run-1", "run-2"]
    assert issuer.identify({"extra.token": Secret("somebody's")}) is None


def test_only_what_this_run_installed_is_lost(tmp_path: Path) -> None:
    issuer = opened(tmp_path, *SMITH)
    issuer.issue(replace(begun(None), run="another"))
    assert issuer.lost(begun(None)) == []
    issuer.issue(begun("another", "another"))
    assert issuer.lost(begun("another", "another")) == ["run-1"]


def test_a_secret_whose_installing_failed_half_way_is_found(tmp_path: Path) -> None:
    program = tmp_path / "push.sh"
    python, script, file = SMITH
    program.write_text(f'#!/bin/sh\n"{python}" "{script}" {file}\n[ -e mended ]\n')
    program.chmod(0o700)
    issuer = opened(tmp_path, "./push.sh")
    with pytest.raises(IssuerUnavailable, match="exit code 1"):
        issuer.issue(begun(None))
    (tmp_path / "mended").touch()
    assert issuer.lost(begun(None)) == ["run-1"]


@pytest.mark.parametrize("options", [{"length": 15}, {"length": 1025}, {"timeout": "0s"}, {"push": []}])
def test_weak_or_senseless_options_are_refused(options: dict[str, Any]) -> None:
    given = {"issuer": "random", "push": ["./push"], **options}
    with pytest.raises(ValidationError):
        random.Options.model_validate(given)
