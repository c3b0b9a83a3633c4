"""One Airflow, many runs: Airflow is started once, and what needs an Airflow is a fork of it.

`AirflowSession` is begun by a command that will need Airflow several times, or late: while it still reads stores, Airflow is
being imported. `start` gives a process, whether there is a session or not; who uses it can't tell them apart.

What forks share, and can't change: imported modules, the API server's application in memory, the class of each option and
variable that modules read while they were imported (see `warm_state`). Made anew in each fork: its environment, its secrets, the
configuration, the list of secrets backends, the secrets masker, logging, `airflow_local_settings`, the database's engine, the current folder, and stdin, stdout
and stderr. What differs otherwise can't be a fork: the session starts Airflow again for it, and where that is no
help, it is started by itself.

The process that forks has neither secrets nor connections, opens no database, asks no store and has no thread. It ends when the session is left, and when the process that began it
is gone, however that ended.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

from typing_extensions import Self

from bootstrap.airflow.fork_server import OUTLIVES, TIED, Request
from bootstrap.airflow.warm_state import OWN
from bootstrap.util import children

if TYPE_CHECKING:
    from bootstrap.airflow.environment import Environment

START_TIMEOUT = 120.0  # seconds for Airflow to import everything
_NOT_OF_THE_SERVER = ("AIRFLOW_CONN_", "AIRFLOW_VAR_", children.INTERNAL)  # nothing that is imported needs them
_REFUSED, _GONE = "refused", "gone"


class Process(Protocol):
    """What `start` gives: a fork, or a process as `subprocess` has it. Its streams are text."""

    pid: int
    stdin: IO[str] | None
    stdout: IO[str] | None
    stderr: IO[str] | None

    @property
    def returncode(self) -> int | None:
        """As `subprocess` has it: negative for a signal; None while it runs."""

    def poll(self) -> int | None:
        """Its exit code, or None."""

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code. Raises subprocess.TimeoutExpired."""

    def send_signal(self, sig: int) -> None:
        """Nothing, once it has ended."""

    def kill(self) -> None:
        """SIGKILL."""


@dataclass(frozen=True)
class Start:
    """How to start: a module and its arguments; `variables` for it alone; `stderr`, a descriptor, or None for a pipe.

    `cwd`: its folder; else this process's. `group`: in a session and a process group of its own. `outlives`: it finishes what it does when
    we are gone. No fork is waited for after `until` (monotonic seconds).
    """

    command: Sequence[str]
    variables: Mapping[str, str] = field(default_factory=dict)
    stderr: int | None = None
    cwd: str | None = None
    group: bool = False
    outlives: bool = True
    until: float = math.inf


def start(environment: Environment, how: Start) -> Process:
    """A module in an Airflow process, of the environment's session where it has one."""
    if environment.session is not None and (fork := environment.session.fork(environment, how)) is not None:
        return fork
    process = subprocess.Popen(
        children.command(*how.command),
        env=environment.child(**how.variables),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if how.stderr is None else how.stderr,
        encoding="utf-8",
        errors="replace",
        start_new_session=how.group,
        cwd=how.cwd,
    )
    if process.stdin is not None:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(f"{environment.pipe()}\n")
            process.stdin.flush()
    return process


class AirflowSession:
    """A context manager; `begin` starts Airflow, as the first `fork` would, and does not wait for it. Threads may share it.

    `modules` are imported beside Airflow: what most forks would import again. `restarts`: so many times it starts Airflow again
    for what can't be a fork of the one that it has.
    """

    def __init__(self, modules: Sequence[str] = (), *, restarts: int = 2) -> None:
        self._modules = tuple(modules)
        self._restarts = restarts
        self._lock = threading.Lock()
        self._servers: list[_Server] = []  # the last one forks; those before it have forks that still run

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def begin(self, environment: Environment) -> None:
        """Start an Airflow for this environment, and for all that differ from it in what a fork makes anew."""
        self._server(_basis(environment, {}))

    def fork(self, environment: Environment, how: Start) -> Process | None:
        """The process, where Airflow is ready to run the module; None: it must be started by itself."""
        request = _request(environment, how)
        basis = _basis(environment, how.variables)
        server = self._server(basis)
        answer = server.fork(request, how)
        if answer == _REFUSED and server.basis != basis and self._restarts > 0:
            answer = self._again(server, basis).fork(request, how)
        return answer if isinstance(answer, Fork) else None

    def _server(self, basis: Mapping[str, str]) -> _Server:
        with self._lock:
            if not self._servers:
                self._servers.append(_Server(basis, self._modules))
            return self._servers[-1]

    def _again(self, refusing: _Server, basis: Mapping[str, str]) -> _Server:
        """Another Airflow, unless another thread has been here meanwhile."""
        with self._lock:
            if self._servers[-1] is refusing:
                self._restarts -= 1
                for server in [server for server in self._servers if server.idle]:
                    self._servers.remove(server)
                    server.close()
                self._servers.append(_Server(basis, self._modules))
            return self._servers[-1]

    def close(self) -> None:
        """All forks end with it, but for those that outlive it."""
        with self._lock:
            while self._servers:
                self._servers.pop().close()


def _basis(environment: Environment, variables: Mapping[str, str]) -> dict[str, str]:
    """The environment of the process that forks."""
    given = environment.child(**variables)
    return {name: value for name, value in given.items() if not name.startswith(_NOT_OF_THE_SERVER)} | OWN


def _request(environment: Environment, how: Start) -> Request:
    secrets = {name: value.as_public() for name, value in environment.secrets.items()}
    return Request(list(how.command), environment.child(**how.variables), secrets, how.cwd or str(Path.cwd()))


class _Server:
    """A process of `fork_server`."""

    def __init__(self, basis: dict[str, str], modules: Sequence[str]) -> None:
        self.basis = basis
        self._forks: list[Fork] = []
        self._control, theirs = socket.socketpair()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  for as long as the process is there
        with theirs:
            self._process = subprocess.Popen(
                children.command("bootstrap.airflow.fork_server", str(theirs.fileno()), *modules),
                env=basis,
                stdin=subprocess.PIPE,
                stdout=self._log,
                stderr=self._log,
                start_new_session=True,
                pass_fds=[theirs.fileno()],
            )
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError), self._process.stdin as stream:
                stream.write(b"{}\n")  # no secrets

    @property
    def idle(self) -> bool:
        """Whether none of its forks runs."""
        self._forks = [fork for fork in self._forks if fork.poll() is None]
        return not self._forks

    def fork(self, request: Request, how: Start) -> Fork | str:
        """A fork that is ready, _REFUSED, or _GONE where none can come."""
        fork, handed = Fork.waiting(how.stderr)
        try:
            socket.send_fds(self._control, [OUTLIVES if how.outlives else TIED], handed)
            answer = fork.ask(request, min(START_TIMEOUT, how.until - time.monotonic()))
        except OSError:  # it has ended, or takes too long: no fork is waited for any more
            answer = _GONE
        finally:
            for descriptor in handed:
                os.close(descriptor)
        if answer is not None:
            fork.close()
            return answer
        self._forks.append(fork)
        return fork

    def close(self) -> None:
        """Without forks, there is nothing that it would have to end."""
        self._control.close()
        if self.idle:
            self._process.kill()
        self._process.wait()
        self._log.close()


class Fork:
    """A process, as `Process` says, whose parent is the one that forks: that tells of its end."""

    def __init__(self, own: socket.socket, stdin: int, stdout: int, stderr: int | None) -> None:
        self.pid = 0
        self.returncode: int | None = None
        self.stdin: IO[str] | None = _text(stdin, "w")
        self.stdout: IO[str] | None = _text(stdout, "r")
        self.stderr: IO[str] | None = None if stderr is None else _text(stderr, "r")
        self._own = own
        self._told = b""

    @classmethod
    def waiting(cls, stderr: int | None) -> tuple[Fork, list[int]]:
        """One without a process, and the descriptors to hand to it."""
        own, theirs = socket.socketpair()
        reading, stdin = os.pipe()
        stdout, writing = os.pipe()
        ours, complaining = os.pipe() if stderr is None else (None, os.dup(stderr))
        return cls(own, stdin, stdout, ours), [theirs.detach(), reading, writing, complaining]

    def ask(self, request: Request, seconds: float) -> str | None:
        """None: it is ready, else _REFUSED or _GONE. Raises OSError, which a time-out is."""
        self._own.settimeout(max(seconds, 0.0))
        self._own.sendall(json.dumps(asdict(request)).encode() + b"\n")
        answer = self._message()
        self.pid = answer.get("ready", 0)
        return None if self.pid else _REFUSED if "refused" in answer else _GONE

    def poll(self) -> int | None:
        """Its exit code, or None."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.wait(0)
        return None

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code. Raises subprocess.TimeoutExpired."""
        if self.returncode is None:
            self._own.settimeout(timeout)
            try:
                self.returncode = self._message().get("ended", -signal.SIGKILL)
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired(["a fork of Airflow"], timeout or 0.0) from None
            except OSError:
                self.returncode = -signal.SIGKILL  # with the process that forks
            self._own.close()
        return int(self.returncode)

    def send_signal(self, sig: int) -> None:
        """Nothing, once it has ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, sig)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def close(self) -> None:
        """What it would have had."""
        self._own.close()
        for stream in (self.stdin, self.stdout, self.stderr):
            if stream is not None:
                stream.close()

    def _message(self) -> dict[str, Any]:
        """The next, {} where none can come. Raises OSError, which a time-out is."""
        while b"\n" not in self._told:
            data = self._own.recv(4096)
            if not data:
                return {}
            self._told += data
        line, _, self._told = self._told.partition(b"\n")
        message: dict[str, Any] = json.loads(line)
        return message


def _text(descriptor: int, mode: str) -> IO[str]:
    """As `subprocess` opens it."""
    return open(descriptor, mode, encoding="utf-8", errors="replace")  # noqa: PTH123, SIM115  whoever has the process closes it
