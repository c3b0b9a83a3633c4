"""Devices, FIFOs, sockets and what a process has open: used as they are."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from bootstrap.cli import main
from bootstrap.util import special_files
from bootstrap.util.files import write_atomic
from bootstrap.util.special_files import is_special, own_descriptor
from tests.project import Project

MANIFEST = """
version: 1
airflow: {home: airflow}
stores: {team: {kind: vault, url: "https://vault.internal", auth: {method: token, token: {env: VAULT_TOKEN}}}}
backend: {store: team}
register: [TARGET]
connections: {web: {conn_type: http, host: example.com, checks: []}}
"""
WRITERS = {
    "render": ["render", "-o", "SINK"],
    "render --format": ["render", "--format", "env", "-o", "SINK"],
    "register --into env": ["register", "--into", "env"],
    "register --into file": ["register", "--into", "file"],
    "register --into kubernetes": ["register", "--into", "kubernetes"],
    "plan --out": ["plan", "--into", "env", "--out", "SINK"],
    "plan --json": ["plan", "--into", "env", "--json", "SINK"],
    "export": ["export", "-o", "SINK"],
    "init": ["init", "-o", "SINK"],
}
TARGETS = (
    "env: {path: sink}}, {file: {path: sink.json, variables: sink.json.variables.json}}, {kubernetes: {path: sink.yaml}"
)


@pytest.fixture(autouse=True)
def _little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(special_files, "READER", 0.2)
    monkeypatch.setattr(special_files, "PATIENCE", 0.5)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    project = Project(tmp_path)
    project.write(MANIFEST.replace("TARGET", f"{{{TARGETS}}}"))
    monkeypatch.setenv("VAULT_TOKEN", "s.token")
    monkeypatch.chdir(project.manifest.parent)
    return project


def run(name: str) -> int:
    return main([argument.replace("SINK", "sink") for argument in WRITERS[name]])


def sink(writer: str) -> Path:
    """Where it writes."""
    return Path({"register --into file": "sink.json", "register --into kubernetes": "sink.yaml"}.get(writer, "sink"))


def null_device(file: Path) -> None:
    """Never the machine's own."""
    if os.geteuid() != 0:
        pytest.skip("only root can make a device")
    os.mknod(file, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    file.chmod(0o666)


@pytest.mark.parametrize("writer", WRITERS)
def test_a_device_stays_a_device(project: Project, writer: str) -> None:
    null_device(sink(writer))
    if writer == "init":
        project.manifest.unlink()
    before = sink(writer).stat()
    assert run(writer) == 0
    after = sink(writer).stat()
    assert (after.st_mode, after.st_ino, after.st_uid) == (before.st_mode, before.st_ino, before.st_uid)
    assert not list(Path().glob(".sink*"))


@pytest.mark.parametrize("writer", WRITERS)
def test_a_fifo_gets_what_a_file_would_get(project: Project, writer: str) -> None:
    os.mkfifo(sink(writer))
    if writer == "init":
        project.manifest.unlink()
    came: list[bytes] = []
    reader = threading.Thread(target=lambda: came.append(sink(writer).read_bytes()), daemon=True)
    reader.start()
    assert run(writer) == 0
    reader.join(10)
    [content] = came
    assert content
    assert sink(writer).is_fifo()


@pytest.mark.parametrize("writer", WRITERS)
def test_a_fifo_that_nobody_reads_is_told_of_in_time(
    project: Project, writer: str, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(sink(writer))
    if writer == "init":
        project.manifest.unlink()
    assert run(writer) in {1, 2, 4}
    assert "it is a FIFO that nobody reads" in capsys.readouterr().err


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("arguments", [["plan"], ["plan", "--check"]])
def test_a_target_that_is_a_fifo_is_never_read(arguments: list[str]) -> None:
    os.mkfifo("sink")
    assert main([*arguments, "--into", "env"]) == int("--check" in arguments)


def test_a_socket_is_refused_and_stays(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        with pytest.raises(OSError, match="can't be written like a file"):
            write_atomic(tmp_path / "socket", "x")
        assert (tmp_path / "socket").is_socket()


def test_who_reads_too_little_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    reader = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(TimeoutError, match="takes nothing more"):
        write_atomic(tmp_path / "fifo", b"x" * 1_000_000)
    os.close(reader)


def test_a_manifest_comes_out_of_a_fifo(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo("fifo")
    text = project.manifest.read_text()
    writer = threading.Thread(target=lambda: Path("fifo").write_text(text), daemon=True)
    writer.start()
    assert main(["-f", "fifo", "render", "-o", "-"]) == 0
    assert "VaultBackend" in capsys.readouterr().out


@pytest.mark.usefixtures("project")
def test_a_manifest_that_nobody_writes_is_not_waited_for_for_ever(capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo("fifo")
    assert main(["-f", "fifo", "plan"]) == 2
    assert "nothing comes out of" in capsys.readouterr().err


def test_what_this_process_has_open_is_told_by_each_of_its_names(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/dev/stdout")
    (tmp_path / "again").symlink_to("link")
    for name in ("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", f"/proc/{os.getpid()}/fd/1", tmp_path / "again"):
        assert own_descriptor(Path(name)) == 1
    assert own_descriptor(tmp_path / "file") is None
    assert not is_special(tmp_path / "file")
    assert not is_special(tmp_path)


def test_what_is_open_gets_the_text_behind_what_it_has(tmp_path: Path) -> None:
    """A shell's `{ echo 1; tool -o /dev/stdout; echo 3; } > file`: the file is neither replaced nor begun anew."""
    code = (
        "import sys; from pathlib import Path; from bootstrap.util.files import write_atomic\n"
        "print(1, flush=True); write_atomic(Path('/dev/stdout'), '2\\n'); print(3)"
    )
    with (tmp_path / "file").open("w") as stream:
        subprocess.run([sys.executable, "-c", code], stdout=stream, check=True)
    assert (tmp_path / "file").read_text() == "1\n2\n3\n"


def test_an_inline_credential_is_not_printed_by_another_name_of_stdout(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.write(
        project.manifest.read_text().replace("backend: {store: team}", "backend: {store: team, credential: inline}")
    )
    assert main(["render", "--format", "env", "-o", "/dev/stdout"]) == 2
    assert "would contain a credential" in capsys.readouterr().err


def test_two_targets_may_write_to_one_device(project: Project) -> None:
    null_device(Path("sink"))
    Path("sink.yaml").symlink_to("sink")
    assert main(["-f", str(project.manifest), "plan", "--into", "env", "--into", "kubernetes"]) == 0
