"""Issuers that are programs: what they answer, and what is no answer."""

from __future__ import annotations

import json
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from bootstrap.errors import IssuerDenied, IssuerUnavailable
from bootstrap.rotation.issuers import command, random
from bootstrap.rotation.issuers.base import Attempt, Issuer
from bootstrap.secret import Secret, redact
from tests.project import Canary
from tests.rotation.databases import Manifest
from tests.rotation.programs import keysmith

PROGRAM = str(Path(keysmith.__file__))


def opened(module: Any, folder: Path, *argv: str, **options: Any) -> Issuer:
    name = module.__name__.rpartition(".")[2]
    program = {"command": "run", "random": "push"}[name]
    found = module.Options.model_validate({"issuer": name, program: list(argv), **options})
    issuer: Issuer = module.open_issuer(found, Manifest(None, None, folder))  # type: ignore[arg-type]  # asks for no admin
    return issuer


@pytest.fixture(params=[command, random], ids=["command", "random"])
def issuer(request: pytest.FixtureRequest, tmp_path: Path) -> Issuer:
    return opened(request.param, tmp_path, sys.executable, PROGRAM, "keys.json")


def attempt(age: float = 0) -> Attempt:
    return Attempt("run-1", datetime.now(timezone.utc) - timedelta(seconds=age), None)


def accepted(folder: Path, value: Secret) -> bool:
    with keysmith.keys(folder / "keys.json") as there:
        return any(each["value"] == value.as_public() and each["state"] == "enabled" for each in there.values())


def test_a_key_lives_as_the_program_says(issuer: Issuer, tmp_path: Path) -> None:
    key = issuer.issue(attempt())
    value = key.fields["password"]
    assert accepted(tmp_path, value)
    assert issuer.identify(key.fields) == key.id
    assert issuer.lost(attempt()) == [key.id]
    issuer.disable(key.id)
    assert not accepted(tmp_path, value)
    assert [each.state for each in issuer.keys()] == ["disabled"]
    issuer.enable(key.id)
    assert accepted(tmp_path, value)
    for _ in range(2):
        issuer.destroy(key.id)
    assert list(issuer.keys()) == []
    with pytest.raises(IssuerDenied, match="gone"):
        issuer.enable(key.id)
    assert value.as_public() not in redact(f"it is {value.as_public()}")


def test_a_key_is_not_made_too_late(issuer: Issuer) -> None:
    with pytest.raises(IssuerUnavailable, match="too slow"):
        issuer.issue(attempt(age=300))
    assert list(issuer.keys()) == []


def answering(folder: Path, text: str, code: int = 0) -> Issuer:
    program = folder / "program.sh"
    program.write_text(f"#!/bin/sh\ncat > /dev/null\ncat <<'END'\n{text}\nEND\nexit {code}\n")
    program.chmod(0o700)
    return opened(command, folder, "./program.sh", timeout="5s")


@pytest.mark.parametrize(
    "text", ["", "[]", "nonsense", '{"key": {"id": 7}}', '{"key": {"id": "a", "fields": {"x": 1}, "value": "CANARY"}}']
)
def test_what_is_no_answer_is_told_without_quoting_it(tmp_path: Path, text: str) -> None:
    canary = Canary()
    with pytest.raises(IssuerUnavailable) as caught:
        answering(tmp_path, text.replace("CANARY", canary.core)).issue(attempt())
    assert canary.core not in f"{caught.value.message}{caught.value.hint}"
    assert "not an answer" in caught.value.message


@pytest.mark.parametrize(("kind", "error"), [("denied", IssuerDenied), ("unavailable", IssuerUnavailable)])
def test_an_error_is_what_the_program_says(tmp_path: Path, kind: str, error: type[Exception]) -> None:
    text = json.dumps({"error": {"kind": kind, "message": "no more keys", "hint": "delete one"}})
    with pytest.raises(error, match=r"program\.sh: issue: no more keys"):
        answering(tmp_path, text).issue(attempt())


def test_an_exit_code_is_no_answer(tmp_path: Path) -> None:
    with pytest.raises(IssuerUnavailable, match="exit code 3"):
        answering(tmp_path, '{"keys": []}', 3).keys()


def test_a_program_that_hangs_is_ended(tmp_path: Path) -> None:
    issuer = opened(command, tmp_path, "sleep", "60", timeout="1s")
    with pytest.raises(IssuerUnavailable, match="no answer in 1 s"):
        issuer.keys()


def test_a_program_that_is_not_there_has_done_nothing(tmp_path: Path) -> None:
    with pytest.raises(IssuerDenied, match="can't start"):
        opened(command, tmp_path, "./missing").keys()
