"""A run as its user sees it: on a terminal of 24 lines of 80 columns, in a log, in a CI."""

from __future__ import annotations

import fcntl
import io
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from junitparser import JUnitXml
from rich.console import Console

from bootstrap.checks.base import CauseName
from bootstrap.smoke.verdict import CheckResult
from bootstrap.terminal.progress import Board
from tests.project import ROOT, Project
from tests.smoke.test_report import check

pytestmark = pytest.mark.usefixtures("warm_command_line")

ROWS, COLUMNS = 24, 80
CHECKS = 15
TAKE_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)
SHOW_CURSOR, HIDE_CURSOR = "\x1b[?25h", "\x1b[?25l"


class Terminal:
    """A program on a terminal of its own, as its session's leader: ^C reaches it."""

    def __init__(self, arguments: list[str], environment: dict[str, str]) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        self.text = ""
        self.process = subprocess.Popen(
            [sys.executable, "-c", TAKE_TERMINAL, sys.executable, *arguments],
            env={**environment, "TERM": "xterm-256color"},
            cwd=ROOT,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )

    def read_until(self, pattern: str) -> None:
        """Read on until the text holds the pattern."""
        self._read(lambda: re.search(pattern, self.text) is not None)

    def press(self, key: bytes) -> None:
        os.write(self.master, key)

    def end(self) -> int:
        """Wait for the program; its exit code. The terminal's settings are as before."""
        self._read(lambda: self.process.poll() is not None)
        self._take()
        assert termios.tcgetattr(self.slave) == self.before
        return self.process.returncode

    def _read(self, done: Callable[[], bool], seconds: float = 120) -> None:
        limit = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < limit, self.text
            self._take()
            time.sleep(0.02)

    def _take(self) -> None:
        while select.select([self.master], [], [], 0)[0]:
            self.text += os.read(self.master, 65536).decode(errors="replace")

    def close(self) -> None:
        """Nothing is left of it."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        os.close(self.master)
        os.close(self.slave)

    @property
    def last_screen(self) -> list[str]:
        """The lines after the live table was taken away."""
        return plain(self.text.rpartition(SHOW_CURSOR)[2]).splitlines()


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text).replace("\r\n", "\n")


@contextmanager
def terminal(arguments: list[str], environment: dict[str, str]) -> Iterator[Terminal]:
    opened = Terminal(arguments, environment)
    try:
        yield opened
    finally:
        opened.close()


def rows(board: Board, height: int = ROWS) -> list[str]:
    console = Console(width=COLUMNS, file=io.StringIO(), force_terminal=False)
    with console.capture() as captured:
        console.print(board.table(height))
    return [" ".join(line.split()) for line in captured.get().splitlines()]


def ended(check_id: str, cause: CauseName | None = None) -> CheckResult:
    return replace(check(cause), id=check_id)


def test_the_board_shows_who_waits_who_runs_and_who_is_done() -> None:
    board = Board(["a", "b", "c", "d"], jobs=2)
    assert rows(board) == ["▸ a running 0 s", "▸ b running 0 s", "· c waiting", "· d waiting", "0 of 4 done 0 s"]
    board.ended(ended("b"), 1)
    board.ended(ended("a", "auth"), 2)
    assert rows(board) == [
        "✗ a auth 0.4 s",
        "✓ b passed 0.4 s",
        "▸ c running 0 s",
        "▸ d running 0 s",
        "2 of 4 done, 1 failed 0 s",
    ]


def test_a_board_that_is_higher_than_the_screen_keeps_what_matters() -> None:
    names = [f"check-{number}" for number in range(40)]
    board = Board(names, jobs=2)
    for number, name in enumerate(names[:20]):
        board.ended(ended(name, "auth" if number == 3 else None), number + 1)
    shown = rows(board, height=10)
    assert len(shown) == 9
    assert [line.split()[:2] for line in shown[:3]] == [["▸", "check-20"], ["▸", "check-21"], ["✗", "check-3"]]


def test_a_line_of_the_board_never_wraps() -> None:
    assert len(rows(Board(["x" * 200], jobs=1))) == 2


class Service(SimpleHTTPRequestHandler):
    """Answers everything at once, but /hang never."""

    def do_GET(self) -> None:
        if self.path == "/hang":
            time.sleep(60)
        self.send_response(200)
        self.end_headers()

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, *_: Any) -> None:
        """Not into the tests' output."""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, port: int) -> Project:
    """Fifteen checks of one server; Airflow gets the connections from the environment."""
    project = Project(tmp_path_factory.mktemp("terminal"))
    names = [f"service_{number}" for number in range(CHECKS)]
    project.write(
        json.dumps(
            {
                "version": 1,
                "airflow": {
                    "home": "airflow",
                    "env": {f"AIRFLOW_CONN_{name.upper()}": f"http://127.0.0.1:{port}" for name in names},
                },
                "connections": {
                    name: {"conn_type": "http", "host": "127.0.0.1", "port": port, "checks": ["http"]} for name in names
                },
                "profiles": {"hang": {"connections": {names[1]: {"checks": [{"http": {"path": "hang"}}]}}}},
            },
            indent=1,
        )
    )
    home = project.manifest.parent / "airflow"
    home.mkdir()
    (home / "airflow.cfg").write_text("[core]\n")
    return project


def command(project: Project, *arguments: str, before: tuple[str, ...] = ()) -> list[str]:
    return ["-m", "bootstrap", "-f", str(project.manifest), *before, *arguments]


@pytest.mark.airflow
def test_a_good_run_streams_and_ends_on_one_screen(project: Project) -> None:
    with terminal(command(project, "smoke"), project.environment()) as screen:
        assert screen.end() == 0, screen.text
        assert HIDE_CURSOR in screen.text
        drawn = {int(done) for done in re.findall(rf"(\d+) of {CHECKS} done", plain(screen.text))}
        assert drawn & set(range(1, CHECKS)), plain(screen.text)  # a table drawn in the middle of the run
        lines = screen.last_screen
    assert len(lines) < ROWS, lines
    assert max(map(len, lines)) <= COLUMNS
    assert sum("✓resolve ✓reach ✓authenticate ✓access" in line for line in lines) == CHECKS
    assert lines[-1].startswith(f"passed: {CHECKS} of {CHECKS} checks passed")
    assert "\x1b[?25l" not in screen.text.rpartition(SHOW_CURSOR)[2]


@pytest.mark.airflow
def test_control_c_leaves_the_terminal_sane(project: Project) -> None:
    arguments = command(project, "smoke", "service_0", "service_1", before=("--profile", "hang"))
    with terminal(arguments, project.environment()) as screen:
        screen.read_until("1 of 2 done")
        screen.press(b"\x03")
        assert screen.end() == 130, screen.text
        assert screen.text.rindex(SHOW_CURSOR) > screen.text.rindex(HIDE_CURSOR)
        assert screen.last_screen[-1].startswith("failed: 1 of 1 checks passed; interrupted")


@pytest.mark.airflow
def test_quiet_shows_no_progress_on_a_terminal(project: Project) -> None:
    with terminal(command(project, "smoke", "service_0", before=("--quiet",)), project.environment()) as screen:
        assert screen.end() == 0, screen.text
        assert HIDE_CURSOR not in screen.text
        assert plain(screen.text).startswith("stage")


@pytest.mark.airflow
def test_a_ci_gets_its_files_annotations_and_summary(project: Project) -> None:
    folder = project.folder
    files = [part for name in ("junit", "html") for part in (f"--{name}", str(folder / name))]
    result = project.run(
        "smoke",
        "service_[01]",
        "--timeout",
        "8",
        *files,
        "--json",
        "-",
        before=("--profile", "hang"),
        GITHUB_ACTIONS="true",
        GITHUB_STEP_SUMMARY=str(folder / "summary"),
        GITHUB_WORKSPACE=str(project.folder),
    )
    assert result.code == 1, result.text
    assert [item["status"] for item in result.json()["checks"]] == ["passed", "failed"]
    assert "[2/2] service_1.http FAILED (timeout)" in result.err
    line = 2 + project.manifest.read_text().splitlines().index('  "hang": {')
    [annotation] = [text for text in result.err.splitlines() if text.startswith("::")]
    assert re.match(r"::error file=work/bootstrap.yaml,line=(\d+),title=service_1.http::no end of", annotation)
    assert f"line={line + 1}," in annotation
    [suite] = JUnitXml.fromstring((folder / "junit").read_bytes())
    assert [(case.name, len(case.result)) for case in suite] == [("service_0.http", 0), ("service_1.http", 1)]
    assert "service_1.http" in (folder / "html").read_text()
    assert "| ❌ | service&#95;1.http |" in (folder / "summary").read_text()
