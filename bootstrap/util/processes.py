"""Small tools for keeping a server process: ports, pids, locks, waiting."""

from __future__ import annotations

import contextlib
import fcntl
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from bootstrap.errors import Unavailable
from bootstrap.util import children


def free_port(wanted: int | None) -> int:
    """`wanted` if nobody listens there, else any free loopback port."""
    for port in (wanted, 0):
        if port is None:
            continue
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise Unavailable("no free port on 127.0.0.1", "end a program that listens")


def flock(descriptor: int) -> bool:
    """Lock an open file; False if somebody else has it locked."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def command_line(pid: int) -> str:
    """The command line of a process, or '' if there is none."""
    proc = Path(f"/proc/{pid}/cmdline")
    if proc.parent.parent.joinpath("self").exists():
        try:
            return proc.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            return ""
    answer = subprocess.run(
        ["ps", "-o", "args=", "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
        env=children.environment(),
    )
    return answer.stdout


def until(ready: Callable[[], bool], timeout: float) -> bool:
    """Wait until `ready`; False if `timeout` seconds pass first."""
    deadline = time.monotonic() + timeout
    while not ready():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
