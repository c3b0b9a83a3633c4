"""Issuers that are programs: what they answer, and what is no answer."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bootstrap.domain.secret import Secret, redact
from bootstrap.errors import IssuerDenied, IssuerUnavailable
from bootstrap.issuers import command, random
from bootstrap.issuers.base import Attempt, Issuer
from tests.project import Canary
from tests.rotation.databases import Manifest
from tests.rotation.programs import keysmith

PROGRAM = str(Path(keysmith.__file__))
KILLED = """
import sys
from pathlib import Path
from tests.issuers.test_command_issuer import attempt, command, opened
opened(command, Path(sys.argv[1]), *sys.argv[2:]).issue(attempt())
"""


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
        return any(each["value"] == value.unmasked() and each["state"] == "enabled" for each in there.values())


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
    assert value.unmasked() not in redact(f"it is {value.unmasked()}")


def test_a_key_is_not_made_too_late(issuer: Issuer) -> None:
    with pytest.raises(IssuerUnavailable, match="too slow"):
        issuer.issue(attempt(age=300))
    assert list(issuer.keys()) == []


def script(folder: Path, text: str) -> None:
    program = folder / "program.sh"
    program.write_text(f"#!/bin/bash\n{text}\n")
    program.chmod(0o700)


@contextlib.contextmanager
def listening() -> Iterator[tuple[socket.socket, int]]:
    with socket.create_server(("127.0.0.1", 0)) as line:
        line.settimeout(60)
        yield line, line.getsockname()[1]


def answering(folder: Path, text: str, code: int = 0) -> Issuer:
    script(folder, f"cat > /dev/null\ncat <<'END'\n{text}\nEND\nexit {code}")
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


@pytest.mark.parametrize("timeout", ["0s", "101s", "2w"])
def test_no_other_machine_may_take_a_rotation_over_while_a_program_runs(tmp_path: Path, timeout: str) -> None:
    with pytest.raises(ValidationError, match="expected 1s to 100s"):
        opened(command, tmp_path, "./program", timeout=timeout)


def test_what_a_program_leaves_running_is_ended(tmp_path: Path) -> None:
    with listening() as (line, port):
        script(
            tmp_path,
            f"exec 3<>/dev/tcp/127.0.0.1/{port}; sleep 1000 >&- 2>&- & cat > /dev/null; echo '{{\"keys\": []}}'",
        )
        assert opened(command, tmp_path, "./program.sh").keys() == []
        with line.accept()[0] as connection:
            assert connection.recv(1) == b""  # nobody holds its other end


def test_a_program_that_outlives_us_is_waited_for(tmp_path: Path) -> None:
    """Else we would learn that there is no key, and it would make one."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    argv = (sys.executable, str(Path(keysmith.__file__).with_name("slow_keysmith.py")), "keys.json")
    child = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path), *argv], stdout=subprocess.PIPE)
    with child, gate.open("w"):  # the program has opened it, too, and waits for its end
        child.kill()
        child.wait()
        with pytest.raises(IssuerUnavailable, match="still runs for an earlier call"):
            opened(command, tmp_path, *argv, timeout="1s").lost(attempt())
    assert opened(command, tmp_path, *argv).lost(attempt()) == ["made-late"]


@pytest.mark.parametrize(
    "made",
    [
        {"id": "a", "fields": {"password": ""}},
        {"id": "a", "fields": {"passwrd": "CANARY"}},
        {"id": "a", "fields": {"password": "CANARY", "login": "x"}},
        {"id": "CANARY", "fields": {"password": "CANARY"}},
        {"id": "a\nb", "fields": {"password": "CANARY"}},
        {"id": "", "fields": {"password": "CANARY"}},
        {"id": "a", "fields": {"CANARY": 1}},
        {"id": "a", "fields": {"password": "CANARY"}, "CANARY": 1},
        {"id": "a", "fields": {"password": "CANARY"}, "created": "2026-01-31T12:00:00"},
    ],
)
def test_a_key_that_a_connection_can_not_use_is_none(tmp_path: Path, made: dict[str, Any]) -> None:
    canary = Canary()
    text = json.dumps({"key": made}).replace("CANARY", canary.core)
    with pytest.raises(IssuerUnavailable) as caught:
        answering(tmp_path, text).issue(attempt())
    assert canary.core not in f"{caught.value.message}{caught.value.hint}"
    assert caught.value.__cause__ is None


def test_a_key_that_is_no_text_is_not_made_to_one(tmp_path: Path) -> None:
    script(tmp_path, r"""cat > /dev/null; printf '{"key": {"id": "a", "fields": {"password": "caf\351"}}}'""")
    with pytest.raises(IssuerUnavailable, match="not an answer"):
        opened(command, tmp_path, "./program.sh").issue(attempt())


def test_a_login_that_is_the_id_can_be_shown(tmp_path: Path) -> None:
    fields = {"login": "AKIDEXAMPLE", "password": "a-password-of-it"}
    script(tmp_path, f"cat > /dev/null; echo '{json.dumps({'key': {'id': 'AKIDEXAMPLE', 'fields': fields}})}'")
    key = opened(command, tmp_path, "./program.sh", fields=["login", "password"]).issue(attempt())
    assert {name: value.reveal() for name, value in key.fields.items()} == fields
    assert redact("AKIDEXAMPLE a-password-of-it") == "AKIDEXAMPLE ***"


def test_what_a_program_says_is_shown_where_it_can_hold_no_key(tmp_path: Path) -> None:
    said = "echo first >&2; printf 'no \\033[31mroute\\n' >&2; exit 3"
    script(tmp_path, f"cat > /dev/null; {said}")
    issuer = opened(command, tmp_path, "./program.sh")
    for ask in (issuer.keys, partial(issuer.issue, attempt())):
        with pytest.raises(IssuerUnavailable, match=r"exit code 3: no \[31mroute$"):
            ask()
    canary = Canary()
    script(tmp_path, f'cat > /dev/null; echo \'{{"password": "{canary.core}"}}\'; echo {canary.core} >&2; exit 3')
    with pytest.raises(IssuerUnavailable, match="exit code 3") as caught:
        opened(command, tmp_path, "./program.sh").issue(attempt())
    assert canary.core not in caught.value.message


def test_what_a_program_gets_is_masked_in_what_it_says(tmp_path: Path) -> None:
    canary = Canary()
    script(tmp_path, "cat >&2; exit 1")
    with pytest.raises(IssuerUnavailable) as caught:
        opened(command, tmp_path, "./program.sh").identify({"password": Secret(canary.core)})
    assert "identify" in caught.value.message.rpartition("exit code 1: ")[2]
    assert canary.core not in caught.value.message
    script(tmp_path, "cat >&2; exit 1")
    with pytest.raises(IssuerUnavailable) as caught:
        opened(random, tmp_path, "./program.sh").issue(attempt())
    assert '"value": "***"' in caught.value.message


def test_an_error_counts_whatever_the_exit_code(tmp_path: Path) -> None:
    text = json.dumps({"error": {"kind": "denied", "message": "no\nmore"}})
    with pytest.raises(IssuerDenied, match="issue: no more") as caught:
        answering(tmp_path, text, 1).issue(attempt())
    assert caught.value.hint


def test_a_program_can_not_name_keys_that_were_there_before(tmp_path: Path) -> None:
    issuer = answering(tmp_path, '{"ids": ["old", "new"]}')
    for begun in (replace(attempt(), current="old"), replace(attempt(), known=("old",))):
        with pytest.raises(IssuerDenied, match="old, which was there before"):
            issuer.lost(begun)
    assert issuer.lost(attempt()) == ["old", "new"]


def test_a_program_sees_secrets_in_its_pipe_only(tmp_path: Path) -> None:
    canary = Canary()
    script(tmp_path, "cat > asked; env > seen; tr '\\0' ' ' < /proc/$$/cmdline >> seen; echo '{\"id\": null}'")
    assert opened(command, tmp_path, "./program.sh", "word").identify({"password": Secret(canary.core)}) is None
    assert canary.core in (tmp_path / "asked").read_text()
    assert "word" in (tmp_path / "seen").read_text()
    assert canary.core not in (tmp_path / "seen").read_text()


def test_a_program_that_is_not_there_has_done_nothing(tmp_path: Path) -> None:
    with pytest.raises(IssuerDenied, match="can't start"):
        opened(command, tmp_path, "./missing").keys()
