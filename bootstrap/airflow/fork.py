"""A process with Airflow, as seen by whoever has started it: what it is to do, and how it is talked to and waited for."""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import IO, Any, TypeAlias

from bootstrap.airflow.fork_server import Request

REFUSED, GONE = "refused", "gone"
Process: TypeAlias = "Fork | subprocess.Popen[str]"  # what `session.start` gives


@dataclass(frozen=True)
class Start:
    """How to start: a module and its arguments; `variables` for it alone; `stderr`, a descriptor, or None for a pipe.

    `cwd`: its folder; else this process's. `tied`: in a process group of its own, it ends with the session; else it finishes what it
    does. No fork is waited for after `until` (monotonic seconds).
    """

    command: Sequence[str]
    variables: Mapping[str, str] = field(default_factory=dict)
    stderr: int | None = None
    cwd: str | None = None
    tied: bool = False
    until: float = math.inf


class Fork:
    """A process, used as `subprocess.Popen`, whose parent is the one that forks: that tells of its end. Its streams are text."""

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
        """None: it is ready, else REFUSED or GONE, as after so many seconds."""
        self._own.settimeout(max(seconds, 0.0))
        try:
            self._own.sendall(json.dumps(asdict(request)).encode() + b"\n")
            answer = self._message()
        except OSError:
            return GONE
        self.pid = answer.get("ready", 0)
        return None if self.pid else REFUSED if "refused" in answer else GONE

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

    def communicate(self, input: str | None = None, timeout: float | None = None) -> tuple[str, str]:  # noqa: A002  its name in `subprocess`
        """Write, and read to the end: stdout, stderr. Raises subprocess.TimeoutExpired; then, as after ^C, it has been killed."""
        watchdog = threading.Timer(threading.TIMEOUT_MAX if timeout is None else timeout, self.kill)
        watchdog.daemon = True
        watchdog.start()
        with ThreadPoolExecutor(3) as pool:
            try:
                writing = pool.submit(_write, self.stdin, input or "")
                reading = [pool.submit(_read, stream) for stream in (self.stdout, self.stderr)]
                writing.result()
                out, err = (future.result() for future in reading)
                late = not watchdog.is_alive()
            except BaseException:
                self.kill()
                raise
            finally:
                watchdog.cancel()
        self.wait()
        if late:
            raise subprocess.TimeoutExpired(["a fork of Airflow"], timeout or 0.0)
        return out, err

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


def _write(stream: IO[str] | None, text: str) -> None:
    if stream is not None:
        with contextlib.suppress(BrokenPipeError), stream:
            stream.write(text)


def _read(stream: IO[str] | None) -> str:
    if stream is None:
        return ""
    with stream:
        return stream.read()


def _text(descriptor: int, mode: str) -> IO[str]:
    """As `subprocess` opens it."""
    return open(descriptor, mode, encoding="utf-8", errors="replace")
