"""One Airflow, many runs: Airflow is started once, and what needs an Airflow is a fork of it.

`AirflowSession` is begun by a command that will need Airflow several times, or late: while it still reads stores, Airflow is
being imported. `start` gives a process, whether there is a session or not; who uses it can't tell them apart.

Forks share what can't differ between them: imported modules, the API server's application in memory, and what modules took
from options and variables while they were imported, which is written down (see `warm_state`). Made anew in each fork are its
environment, its secrets, the configuration, the list of secrets backends, the secrets masker, logging, `airflow_local_settings`,
the database's engine, the current folder, and stdin, stdout and stderr. For what differs otherwise the session starts Airflow
again, or, where that is no help either, what was asked for is started by itself, as without a session.

The process that forks has no secrets and no connections, opens no database, asks no store and has no thread. It ends when the
session is left, and when the process that began it is gone, however that ended; so do forks that are `tied`, as checks are.
Others, as one that writes to the metadata database, finish what they do.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from typing_extensions import Self

from bootstrap.airflow.environment import Environment, installed_version, require_usable_paths
from bootstrap.airflow.fork import GONE, Fork, Process, Start
from bootstrap.airflow.fork_server import OUTLIVES, TIED, Request
from bootstrap.airflow.releases import release
from bootstrap.airflow.warm_state import OWN
from bootstrap.errors import AirflowError
from bootstrap.util import children

START_TIMEOUT = 120.0  # seconds for Airflow to import everything
_NOT_OF_THE_SERVER = ("AIRFLOW_CONN_", "AIRFLOW_VAR_", children.INTERNAL)  # nothing that is imported needs them
_entered: list[AirflowSession] = []


def start(environment: Environment, how: Start) -> Process:
    """A module in an Airflow process: a fork of the session that has been entered last, where it can be one."""
    if _entered and (fork := _entered[-1].fork(environment, how)) is not None:
        return fork
    process = subprocess.Popen(
        children.command(*how.command),
        env=environment.child(**how.variables),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if how.stderr is None else how.stderr,
        encoding="utf-8",
        errors="replace",
        start_new_session=how.tied,
        cwd=how.cwd,
    )
    if process.stdin is not None:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(f"{environment.pipe()}\n")
            process.stdin.flush()
    return process


class AirflowSession:
    """A context manager; `begin` starts Airflow, as the first `fork` would, and does not wait for it. Threads may share it.

    `modules` are imported beside Airflow: what most forks would import again. `restarts`: so many times it starts Airflow again for what can't be a fork of the one that it has. Inside another session
    it uses that one's.
    """

    def __init__(self, modules: Sequence[str] = (), *, restarts: int = 2) -> None:
        self._modules = modules
        self._restarts = restarts
        self._lock = threading.Lock()
        self._servers: list[_Server] = []  # the last one forks; those before it have forks that still run
        self._outer: AirflowSession | None = None

    def __enter__(self) -> Self:
        self._outer = _entered[-1] if _entered else None
        _entered.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()
        self.close()

    def leave(self) -> None:
        """What is started from now on is no fork; the session can be entered again."""
        _entered.remove(self)

    def begin(self, environment: Environment) -> None:
        """Start an Airflow for this environment, and for all that differ from it in what a fork makes anew.

        Nothing where there can be none: whoever needs it will tell why.
        """
        if self._outer is not None:
            self._outer.begin(environment)
            return
        with contextlib.suppress(AirflowError):
            require_usable_paths(environment)
            if _can_fork():
                self._server(_basis(environment, {}))

    def fork(self, environment: Environment, how: Start) -> Process | None:
        """The process, where Airflow is ready to run the module; None: it must be started by itself."""
        if self._outer is not None:
            return self._outer.fork(environment, how)
        if not _can_fork():
            return None
        secrets = {name: value.unmasked() for name, value in environment.secrets.items()}
        own = environment.child(**how.variables)
        request = Request(list(how.command), own, secrets, how.cwd or str(Path.cwd()))
        basis = _basis(environment, how.variables)
        server = self._server(basis)
        answer = server.fork(request, how)
        if not isinstance(answer, Fork) and server.basis != basis and self._restarts > 0:
            answer = self._again(server, basis).fork(request, how)
        return answer if isinstance(answer, Fork) else None

    def _server(self, basis: Mapping[str, str]) -> _Server:
        with self._lock:
            if not self._servers:
                self._servers.append(_Server(basis, self._modules))
            return self._servers[-1]

    def _again(self, before: _Server, basis: Mapping[str, str]) -> _Server:
        """Another Airflow, unless another thread has been here meanwhile."""
        with self._lock:
            if self._servers[-1] is before:
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


def _can_fork() -> bool:
    """Where Airflow has an execution API, which is what takes long to start; without, it is made anew in another way."""
    version = installed_version()
    return version is not None and release(version).execution_api


def _basis(environment: Environment, variables: Mapping[str, str]) -> dict[str, str]:
    """The environment of the process that forks."""
    given = environment.child(**variables)
    return {name: value for name, value in given.items() if not name.startswith(_NOT_OF_THE_SERVER)} | OWN


class _Server:
    """A process of `fork_server`."""

    def __init__(self, basis: Mapping[str, str], modules: Sequence[str]) -> None:
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
        """A fork that is ready; else REFUSED, or GONE where none can come."""
        fork, handed = Fork.waiting(how.stderr)
        try:
            socket.send_fds(self._control, [TIED if how.tied else OUTLIVES], handed)
        except OSError:  # it has ended
            fork.close()
            return GONE
        finally:
            for descriptor in handed:
                os.close(descriptor)
        answer = fork.ask(request, min(START_TIMEOUT, how.until - time.monotonic()))
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
