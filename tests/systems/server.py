"""How the servers run: detached, with a log, on a free port, in a clean environment."""

from __future__ import annotations

import contextlib
import os
import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from .process import (
    ServerFailedError,
    free_port,
    is_free,
    private,
    running_pid,
    start_detached,
    stop,
    wait_until,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

T = TypeVar("T")


@dataclass(frozen=True)
class Server:
    """How to run one server; `needle` is a part of its command line that no other server has."""

    name: str
    folder: Path
    argv: Sequence[str]
    needle: str
    env: Mapping[str, str] = field(repr=False)
    user: str | None = None
    ending: signal.Signals = signal.SIGTERM

    @property
    def log(self) -> Path:
        """Where its output goes."""
        return self.folder / f"{self.name}.log"

    @property
    def pid_file(self) -> Path:
        """Where its pid is."""
        return self.folder / f"{self.name}.pid"

    @property
    def pid(self) -> int | None:
        """Its pid, if it runs."""
        return running_pid(self.pid_file, self.needle)

    def start(self, ready: Callable[[int], bool], timeout: float = 30.0) -> int:
        """Start it and wait until `ready(pid)`; return its pid. Ends it if that fails."""
        pid = start_detached(self.argv, log=self.log, pid_file=self.pid_file, env=self.env, user=self.user)
        try:
            wait_until(lambda: ready(pid), timeout, pid)
        except BaseException as error:
            self.stop()
            if isinstance(error, ServerFailedError):
                message = f"{self.name} did not start; see {self.log}"
                raise ServerFailedError(message) from error
            raise
        return pid

    def stop(self, timeout: float = 10.0) -> None:
        """End it, if it runs."""
        stop(self.pid_file, self.needle, timeout, self.ending)


def on_free_port(start: Callable[[int], T], wanted: int | None = None) -> T:
    """Call `start` with the wanted port if that is free, and else with another.

    Another program may take the port before the server does, so it is given more chances.
    """
    port = wanted if wanted is not None and is_free(wanted) else free_port()
    for _ in range(5):
        with contextlib.suppress(ServerFailedError):
            return start(port)
        port = free_port()
    return start(port)


def clean_env(**extra: str) -> dict[str, str]:
    """Return an environment without the user's PG*, AWS_*, BAO_*, proxy and Python settings."""
    return {"PATH": os.defpath, "LC_ALL": "C", **extra}


def write_private(path: Path, text: str) -> None:
    """Write a 0600 file atomically."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    with private(temporary, os.O_TRUNC) as descriptor:
        os.write(descriptor, text.encode())
    temporary.replace(path)
