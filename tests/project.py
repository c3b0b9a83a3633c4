"""A user's project in a folder of its own: a manifest, a home, and the real command line run in it."""

from __future__ import annotations

import base64
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.conftest import FOREIGN

if TYPE_CHECKING:
    from tests.warm_cli import WarmCommandLine

ROOT = Path(__file__).parent.parent
TIMEOUT = 280.0


_WARM: list[WarmCommandLine] = []  # what `Project.run` runs a command in, see the fixture `warm_command_line`
_WATCHED: list[Canary] = []  # whose processes are looked at: those of a user, then


@dataclass(frozen=True)
class Canary:
    """A secret that must be nowhere but in its store; hostile to quoting, and easy to find."""

    core: str = field(default_factory=lambda: secrets.token_hex(12))

    @property
    def value(self) -> str:
        return f'it\'s "q" %s\\ ü€ {self.core}'

    def found_in(self, data: bytes) -> bool:
        """As it is, or inside base64 at any alignment."""
        core = self.core.encode()
        encoded = [base64.b64encode(b"x" * shift + core)[4 * bool(shift) : -4] for shift in range(3)]
        return any(form in data for form in (core, *encoded))


@dataclass(frozen=True)
class Result:
    """What a command left."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err

    def json(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.out)
        return document


@dataclass
class Project:
    """A folder with a bootstrap.yaml; `home` is the user's $HOME."""

    folder: Path
    transcript: list[Result] = field(default_factory=list)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def manifest(self) -> Path:
        return self.folder / "work" / "bootstrap.yaml"

    def write(self, manifest: str) -> None:
        self.manifest.parent.mkdir(parents=True, exist_ok=True)
        self.manifest.write_text(manifest)

    def with_airflow(self, template: Path) -> Project:
        """An AIRFLOW_HOME that is there already, see `migrated_home`."""
        migrated_home(self.manifest.parent, template)
        return self

    def environment(self, **more: str) -> dict[str, str]:
        for folder in (self.home, self.folder / "tmp"):
            folder.mkdir(parents=True, exist_ok=True)
        kept = {key: value for key, value in os.environ.items() if not key.startswith((*FOREIGN, "PYTEST", "COV"))}
        return {**kept, "HOME": str(self.home), "TMPDIR": str(self.folder / "tmp"), "PYTHONWARNINGS": "default", **more}

    def start(self, *arguments: str, before: Sequence[str] = (), **environment: str) -> subprocess.Popen[bytes]:
        """The command line, with global options `before` the command, in a process group of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "bootstrap", "-f", str(self.manifest), *before, *arguments],
            env=self.environment(**environment),
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def run(self, *arguments: str, stdin: str = "", before: Sequence[str] = (), **environment: str) -> Result:
        if _WARM and not _WATCHED:
            argv = ["-f", str(self.manifest), *before, *arguments]
            result = Result(*_WARM[-1].run(argv, stdin, self.environment(**environment), TIMEOUT))
        else:
            result = self._run_cold(arguments, stdin, before, environment)
        self.transcript.append(result)
        return result

    def _run_cold(
        self, arguments: Sequence[str], stdin: str, before: Sequence[str], environment: Mapping[str, str]
    ) -> Result:
        process = self.start(*arguments, before=before, **environment)
        try:
            out, err = process.communicate(stdin.encode(), timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        return Result(process.returncode, out.decode(), err.decode())

    def put(self, reference: str, value: str) -> None:
        result = self.run("store", "put", reference, stdin=value)
        assert result.code == 0, result.text

    def smoke(self, *arguments: str, **environment: str) -> tuple[int, dict[str, dict[str, Any]], Result]:
        """Exit code, checks by id, and all that was printed."""
        result = self.run("smoke", "--json", "-", *arguments, **environment)
        checks = {check["id"]: check for check in result.json()["checks"]} if result.out else {}
        return result.code, checks, result


def migrated_home(folder: Path, template: Path) -> None:
    """An AIRFLOW_HOME that is there already, `airflow` beside the manifest in `folder`: to make one takes Airflow seconds."""
    home, cache = folder / "airflow", folder / ".bootstrap" / "cache"
    for each in (home, cache):
        each.mkdir(mode=0o700, parents=True)
    key = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    (home / "airflow.cfg").write_text(f"[core]\nload_examples = False\nfernet_key = {key}\n")
    (home / "airflow.cfg").chmod(0o600)
    shutil.copy(template, home / "airflow.db")
    shutil.copy(template, cache / template.name)


def leaks(folder: Path, canary: Canary, *, leave_out: Path) -> list[Path]:
    """Files below `folder`, without the store's own storage, that hold the canary."""
    files = (file for file in folder.rglob("*") if file.is_file() and leave_out not in file.parents)
    return [file for file in files if canary.found_in(_content(file))]


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""


def _is_a_fork(process: Path) -> bool:
    parent = _content(process / "stat").rpartition(b")")[2].split()[1:2]
    own, its = (_content(folder / "cmdline") for folder in (process, process.parent / (parent or [b"0"])[0].decode()))
    return own == its


@contextmanager
def commands_run_in(warm: WarmCommandLine) -> Iterator[None]:
    """Meanwhile a command is a fork of this process."""
    _WARM.append(warm)
    try:
        yield
    finally:
        _WARM.remove(warm)


@contextmanager
def watched_processes(canary: Canary, *, own_command: Sequence[str] = ()) -> Iterator[list[str]]:
    """Look at every process's arguments and environment all the time; yields what was found.

    A process that has been forked and not yet executed its program shows what its parent was started with: that is the
    parent's, and told of once. `own_command` is one that the user configured for an option: Airflow runs it with the user's
    environment, here as everywhere.
    """
    found: list[str] = []
    users = "\0".join([*own_command, ""]).encode()
    stop = threading.Event()

    def watch() -> None:
        while not stop.is_set():
            for name in ("cmdline", "environ"):
                found.extend(
                    str(file)
                    for file in Path("/proc").glob(f"[0-9]*/{name}")
                    if canary.found_in(_content(file))
                    and not _is_a_fork(file.parent)
                    and _content(file.parent / "cmdline") != users
                    and canary.found_in(_content(file))  # it is still there, so that the line was its own
                )
            time.sleep(0.05)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    _WATCHED.append(canary)
    try:
        yield found
    finally:
        _WATCHED.remove(canary)
        stop.set()
        thread.join()


@contextmanager
def without_roots_rights() -> Iterator[None]:
    """What follows is done as somebody who may not read and write everything."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)  # nobody
    try:
        yield
    finally:
        os.seteuid(before)


def steps(check: Mapping[str, Any]) -> dict[str, str]:
    """Each step's status."""
    return {step["name"]: step["status"] for step in check["steps"]}
