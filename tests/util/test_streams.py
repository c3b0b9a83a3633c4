"""stdout and stderr that are closed, full, or a pipe that nobody reads; ^C at any time; users without a name or a home."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import pytest

from tests.project import ROOT, Project

COUNT = 300
MANIFEST = f"""
version: 1
airflow: {{home: airflow}}
stores: {{here: {{kind: env}}}}
register: [file]
connections:
{"".join(f"  c{number}: {{conn_type: http, host: h{number}, checks: []}}{chr(10)}" for number in range(COUNT))}
"""
MISSING = '  bad: {conn_type: http, password: {secret: "here:NOT_THERE"}, checks: []}\n'


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    project.write(MANIFEST)
    return project


def run(project: Project, *arguments: str, **more: Any) -> subprocess.CompletedProcess[bytes]:
    """The command line with streams of its own; stderr is caught where nothing else is said."""
    streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stderr": subprocess.PIPE, **more}
    command = [sys.executable, "-m", "bootstrap", "-f", str(project.manifest), *arguments]
    return subprocess.run(command, env=project.environment(), cwd=ROOT, check=False, timeout=120, **streams)


def unread_pipe() -> IO[bytes]:
    """A pipe whose reader has gone, as behind `| head -1`."""
    reader, writer = os.pipe()
    os.close(reader)
    return os.fdopen(writer, "wb")


def closing(*numbers: int) -> Callable[[], None]:
    def close() -> None:
        for number in numbers:
            os.close(number)

    return close


def registered(project: Project) -> int:
    return (project.manifest.parent / "connections.json").read_text().count('"host"')


def test_register_finishes_its_work_for_a_reader_who_has_gone(project: Project) -> None:
    with unread_pipe() as pipe:
        done = run(project, "register", stdout=pipe)
    assert (done.returncode, registered(project)) == (0, COUNT)
    assert b"Broken" not in done.stderr


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
@pytest.mark.parametrize(("manifest", "code"), [(MANIFEST, 0), (MANIFEST + MISSING, 1)])
def test_a_reader_who_has_gone_changes_no_exit_code(project: Project, manifest: str, code: int, stream: str) -> None:
    project.write(manifest)
    with unread_pipe() as pipe:
        done = run(project, "plan", **{"stdout": subprocess.DEVNULL, stream: pipe})
    assert done.returncode == code
    assert b"Broken" not in (done.stderr or b"")


@pytest.mark.parametrize("arguments", [["schema"], ["plan"], ["register"], ["export"], ["render", "--help"]])
def test_a_full_stdout_is_an_error_in_the_end(project: Project, arguments: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = run(project, *arguments, stdout=full)
    assert done.returncode == 1
    assert b"can't write to stdout: No space left on device\nnext: " in done.stderr
    assert b"Traceback" not in done.stderr
    assert arguments != ["register"] or registered(project) == COUNT


def test_a_closed_stdout_is_an_error_in_the_end_and_no_file_takes_its_place(project: Project) -> None:
    done = run(project, "register", preexec_fn=closing(1))
    assert (done.returncode, registered(project)) == (1, COUNT)
    assert b"can't write to stdout: it is closed" in done.stderr
    assert all(b"created at" not in file.read_bytes() for file in project.folder.rglob("*") if file.is_file())


@pytest.mark.parametrize("numbers", [(2,), (0, 2), (0, 1, 2)])
def test_closed_streams_change_no_work(project: Project, numbers: tuple[int, ...]) -> None:
    done = run(project, "register", stdout=subprocess.DEVNULL, preexec_fn=closing(*numbers))
    assert (done.returncode, registered(project)) == (int(1 in numbers), COUNT)


def test_a_pipe_that_does_not_wait_gets_everything(project: Project) -> None:
    """As a program gets it whose starter reads without blocking."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    command = [sys.executable, "-m", "bootstrap", "-f", str(project.manifest), "schema"]
    with subprocess.Popen(command, env=project.environment(), cwd=ROOT, stdout=writer) as process:
        os.close(writer)
        time.sleep(3)  # the pipe is full long before
        with os.fdopen(reader, "rb") as stream:
            text = stream.read()
    assert process.returncode == 0
    assert len(text) > 65536
    assert text.endswith(b"}\n")


def test_a_value_from_a_closed_stdin_is_refused(project: Project) -> None:
    done = run(project, "store", "put", "here:X", preexec_fn=closing(0))
    assert done.returncode in {1, 2}
    assert b"Traceback" not in done.stderr


def test_an_encoding_without_our_letters_loses_no_message(project: Project) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bootstrap", "-f", str(project.manifest), "plan"],
        env=project.environment(PYTHONIOENCODING="ascii", LC_ALL="POSIX"),
        cwd=ROOT,
        check=False,
        capture_output=True,
    )
    assert done.returncode == 0
    assert b"comparing 300 connections" in done.stderr


def test_a_folder_that_is_gone_is_said_in_a_sentence(project: Project, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    code = f"import os; os.chdir({str(gone)!r}); os.rmdir({str(gone)!r}); from bootstrap.__main__ import main; main()"
    gone.mkdir()
    environment = project.environment(PYTHONPATH=str(ROOT))
    done = subprocess.run([sys.executable, "-c", code, "plan"], env=environment, check=False, capture_output=True)
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr


def test_no_file_can_be_written(project: Project) -> None:
    code = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)); from bootstrap.__main__ import main; main()"
    command = [sys.executable, "-c", code, "-f", str(project.manifest), "plan"]
    done = subprocess.run(command, env=project.environment(), cwd=ROOT, check=False, capture_output=True)
    assert done.returncode == 2
    assert re.search(rb"error: .*\.bootstrap/\.gitignore: File too large\nnext: ", done.stderr)


def test_a_bug_is_told_of_where_there_is_no_room_for_its_traceback(project: Project) -> None:
    code = """
import tempfile
from bootstrap import __main__
from bootstrap.commands.context import App
def broken(*_, **__):
    raise ZeroDivisionError("by design")
App.manifest = property(broken)
def full(*_, **__):
    raise OSError(28, "No space left on device", "/tmp/x")
tempfile.mkstemp = full
__main__.main()
"""
    done = subprocess.run(
        [sys.executable, "-c", code, "plan"], cwd=ROOT, check=False, capture_output=True, env=project.environment()
    )
    assert done.returncode == 70
    assert b"this is a bug in airflow-bootstrap: ZeroDivisionError: by design\nnext: set TMPDIR" in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_user_without_a_name_and_a_home_is_told_what_to_write(project: Project) -> None:
    """As in a container that is started with a uid alone. The uid stays: another could not read this Python's files."""
    project.write(MANIFEST.replace("home: airflow", "home: ~/airflow"))
    code = "import pwd; pwd.getpwuid = {}.__getitem__; from bootstrap.__main__ import main; main()"
    environment = {name: value for name, value in project.environment().items() if name != "HOME"}
    command = [sys.executable, "-c", code, "-f", str(project.manifest)]
    for arguments, exit_code, said in ((["doctor"], 2, b"there is no home folder for ~ here"), (["export"], 0, b"")):
        done = subprocess.run([*command, *arguments], env=environment, cwd=ROOT, check=False, capture_output=True)
        assert done.returncode == exit_code, done.stderr
        assert said in done.stderr


@pytest.mark.parametrize(
    "moment", [0.06, 0.2, *(pytest.param(it, marks=pytest.mark.slow) for it in (0.02, 0.12, 0.3, 0.45, 2.0))]
)
def test_an_interrupt_while_modules_are_imported_is_130_without_a_traceback(project: Project, moment: float) -> None:
    """The handler is there from the first line of ours on: before it, ^C is Python's own."""
    code = "print(1, flush=True); from bootstrap.__main__ import main; main()"
    command = [sys.executable, "-c", code, "-f", str(project.manifest), "plan", "--check"]
    with subprocess.Popen(
        command,
        env=project.environment(),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, 4096)  # less than the plan: a quick one does not end before ^C
        assert process.stdout.readline() == b"1\n"
        time.sleep(moment)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert b"Traceback" not in err
    assert process.returncode == 130, err


def test_an_interrupt_that_a_callback_would_swallow_comes_after_the_import() -> None:
    code = """
import importlib.abc, importlib.machinery, os, signal, sys
from bootstrap.util.own_process import Interrupts
interrupts = Interrupts()
class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, *_):
        if name == "swallower":
            try:
                os.kill(os.getpid(), signal.SIGINT)
                for _ in range(1000): pass
            except KeyboardInterrupt:
                print("swallowed")
sys.meta_path.insert(0, Finder())
try:
    try: import swallower
    except ImportError: pass
    import time
    time.sleep(5)
except KeyboardInterrupt:
    print("interrupted", interrupts.came)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "interrupted True\n"


def test_an_interrupt_that_compiled_code_swallows_leaves_no_traceback() -> None:
    code = """
import os, signal
from bootstrap.util.own_process import Interrupts
interrupts = Interrupts()
class Swallower:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(1000): pass
class Wrong:
    def __del__(self):
        raise ValueError("told of")
Swallower()
Wrong()
print(interrupts.came)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert (done.stdout, "KeyboardInterrupt" in done.stderr, "told of" in done.stderr) == ("True\n", False, True)


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077, 0o777])
def test_whatever_the_umask_is_what_holds_secrets_is_its_owners_alone(project: Project, mask: int) -> None:
    project.write(MANIFEST.replace("register: [file]", "register: [{file: {path: new/deep/connections.json}}]"))
    assert run(project, "register", umask=mask).returncode == 0
    assert run(project, "init", "-o", str(project.manifest.parent / "other.yaml"), umask=mask).returncode == 0
    made = [path for path in project.manifest.parent.rglob("*") if path != project.manifest]
    open_to_others = {path.name for path in made if path.stat().st_mode & 0o077}
    assert open_to_others == {"other.yaml"}
    assert all(path.stat().st_mode & 0o700 == (0o700 if path.is_dir() else 0o600) for path in made)


def test_a_report_is_as_open_as_the_users_umask_says(project: Project) -> None:
    for mask, mode in ((0o022, 0o644), (0o077, 0o600)):
        report = project.folder / f"{mode}.json"
        run(project, "smoke", "--json", str(report), umask=mask)
        assert report.stat().st_mode & 0o777 == mode
