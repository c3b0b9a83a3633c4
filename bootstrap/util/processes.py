"""Helpers for server processes: free ports, pids, locks, waiting."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path

from bootstrap.errors import Unavailable
from bootstrap.util import children


def free_port(wanted: int | None) -> int:
    """`wanted` if nobody listens there, else any free loopback port."""
    import socket

    for port in (0,) if wanted is None else (wanted, 0):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise Unavailable("no free port on 127.0.0.1", "end a program that listens on one")


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
    return _ps("-o", "args=", "-p", str(pid))


def own_process(argument: str) -> int | None:
    """The pid of a process of this user's that was started with this argument."""
    proc = Path("/proc")
    if not proc.joinpath("self").exists():
        lines = _ps("-U", str(os.geteuid()), "-o", "pid=,args=").splitlines()
        return next((int(line.split()[0]) for line in lines if f"{line} ".find(f" {argument} ") > 0), None)
    for process in proc.glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has just ended
            arguments = (process / "cmdline").read_bytes().split(b"\0")
            if os.fsencode(argument) in arguments and process.stat().st_uid == os.geteuid():
                return int(process.name)
    return None


def _ps(*options: str) -> str:
    import subprocess  # not at the top: `render` takes a lock, and starts no process

    answer = subprocess.run(["ps", *options], capture_output=True, text=True, check=False, env=children.environment())
    return answer.stdout


def until(ready: Callable[[], bool], timeout: float) -> bool:
    """Wait until `ready`; False if `timeout` seconds pass first."""
    deadline = time.monotonic() + timeout
    while not ready():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
