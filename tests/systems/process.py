"""Starting servers that outlive us, and ending those and no others."""

from __future__ import annotations

import contextlib
import os
import pwd
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

HOST = "127.0.0.1"

# The outer shell leaves the server behind, so that init reaps it. The inner one writes its own pid
# and then becomes the server: whenever we are killed, there is no server whose pid nobody knows.
_LEAVE = '/bin/sh -c "$0" sh "$@" &'
_BECOME = 'echo $$; exec "$@" >&2'

_POLL_SECONDS = 0.02
_SPAWN_SECONDS = 10.0
_EXEC_SECONDS, _EXEC_READS = 0.002, 50
_PROC = Path("/proc")


class ServerFailedError(RuntimeError):
    """A server ended before it was ready."""


class Account(NamedTuple):
    """Whom a child runs as, in subprocess's words; None leaves that as it is."""

    user: int | None
    group: int | None
    extra_groups: list[int] | None


def account(user: str | None) -> Account:
    """Return the account of `user`, without our own groups; of ourselves for None."""
    if user is None:
        return Account(None, None, None)
    entry = pwd.getpwnam(user)
    return Account(entry.pw_uid, entry.pw_gid, [])


def free_port(host: str = HOST) -> int:
    """Return a TCP port of `host` that nothing listens on now."""
    with socket.socket() as listener:
        listener.bind((host, 0))
        port: int = listener.getsockname()[1]
        return port


def is_free(port: int, host: str = HOST) -> bool:
    """Tell whether a server could listen on `port`; connections in TIME_WAIT don't count."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError:
            return False
        return True


@contextlib.contextmanager
def private(path: Path, flag: int) -> Iterator[int]:
    """Open a 0600 file for writing, with O_APPEND or O_TRUNC for `flag`; yield its descriptor."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | flag, 0o600)
    try:
        os.fchmod(descriptor, 0o600)
        yield descriptor
    finally:
        os.close(descriptor)


def start_detached(
    argv: Sequence[str],
    *,
    log: Path,
    pid_file: Path,
    env: Mapping[str, str] | None = None,
    user: str | None = None,
) -> int:
    """Start `argv` in a session of its own and return its pid.

    Its output is appended to `log`, its pid is in `pid_file` before it runs; both are 0600. It runs
    in /, so paths in `argv` are absolute. Without `env` it gets our environment.
    """
    who = account(user)
    with private(pid_file, os.O_TRUNC) as pid_out, private(log, os.O_APPEND) as log_out:
        subprocess.run(
            ["/bin/sh", "-c", _LEAVE, _BECOME, *argv],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=pid_out,
            stderr=log_out,
            env=env,
            cwd="/",
            start_new_session=True,
            user=who.user,
            group=who.group,
            extra_groups=who.extra_groups,
        )
    return _written_pid(pid_file)


def read_pid(pid_file: Path) -> int | None:
    """Return the pid on the file's first line, or None if there is none."""
    try:
        first, newline, _ = pid_file.read_text().partition("\n")
    except FileNotFoundError:
        return None
    return int(first) if newline and first.isdigit() else None


def is_ours(pid: int, needle: str) -> bool:
    """Tell whether `pid` lives and has `needle` in its command line (words joined by one space)."""
    return needle in _command_line(pid)


def running_pid(pid_file: Path, needle: str) -> int | None:
    """Return the pid in the file if that process is ours and lives."""
    pid = read_pid(pid_file)
    return pid if pid is not None and is_ours(pid, needle) else None


def stop(
    pid_file: Path,
    needle: str,
    timeout: float = 10.0,
    first: signal.Signals = signal.SIGTERM,
) -> None:
    """End the process that `pid_file` names, if it is ours, and remove the file.

    It gets `first`, and SIGKILL `timeout` seconds later. Raises TimeoutError if it outlives both.
    """
    for ending in (first, signal.SIGKILL):
        pid = running_pid(pid_file, needle)
        if pid is None:
            pid_file.unlink(missing_ok=True)
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, ending)
        _wait_for_end(pid, needle, timeout)
    if running_pid(pid_file, needle) is not None:
        message = f"the process in {pid_file} ignores SIGKILL"
        raise TimeoutError(message)
    pid_file.unlink(missing_ok=True)


def wait_until(ready: Callable[[], bool], timeout: float, pid: int) -> None:
    """Wait until `ready()`. Raises ServerFailedError if `pid` ends before, else TimeoutError."""
    deadline = time.monotonic() + timeout
    while not ready():
        if not _command_line(pid):
            message = f"process {pid} ended before it was ready"
            raise ServerFailedError(message)
        if time.monotonic() > deadline:
            message = f"process {pid} was not ready within {timeout} s"
            raise TimeoutError(message)
        time.sleep(_POLL_SECONDS)


def wait_for_port(host: str, port: int, timeout: float, pid: int) -> None:
    """Wait until something accepts connections on the port. Raises like `wait_until`."""
    wait_until(lambda: accepts(host, port), timeout, pid)


def accepts(host: str, port: int) -> bool:
    """Tell whether something accepts connections on the port."""
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


def _written_pid(pid_file: Path) -> int:
    deadline = time.monotonic() + _SPAWN_SECONDS
    while (pid := read_pid(pid_file)) is None:
        if time.monotonic() > deadline:
            message = f"no process wrote its pid to {pid_file}"
            raise TimeoutError(message)
        time.sleep(_POLL_SECONDS / 10)
    return pid


def _wait_for_end(pid: int, needle: str, timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while is_ours(pid, needle) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)


def _command_line(pid: int) -> str:
    """Return the words of a process joined by spaces; "" if it has ended (also as a zombie)."""
    if not (_PROC / "self").exists():
        argv = ["ps", "-ww", "-o", "args=", "-p", str(pid)]
        return subprocess.run(argv, check=False, capture_output=True, text=True).stdout.strip()
    for _ in range(_EXEC_READS):
        try:
            words = (_PROC / str(pid) / "cmdline").read_bytes()
            state = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return ""
        if words or state in {"Z", "X"}:
            break
        time.sleep(_EXEC_SECONDS)  # in the middle of exec, a process has no words for a moment
    return words.replace(b"\0", b" ").decode(errors="replace")
