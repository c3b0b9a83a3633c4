"""Which process works on a rotation, and whether it still can."""

from __future__ import annotations

import getpass
import os
import secrets
import socket
from pathlib import Path

from bootstrap.util.model import Model

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_NAMESPACE = Path("/proc/self/ns/pid")


class Holder(Model):
    """A process: `machine` is the same for all of one boot and one space of pids; '' where that can't be told."""

    who: str
    machine: str
    pid: int
    started: str
    nonce: str

    @property
    def is_dead(self) -> bool:
        """Whether it has ended for certain: a process of this machine that is not there any more."""
        return self.machine != "" and self.machine == _machine() and _started(self.pid) != self.started

    @property
    def is_alive(self) -> bool:
        """Whether it runs for certain: as `is_dead`, on this machine."""
        return self.machine != "" and self.machine == _machine() and _started(self.pid) == self.started


def here() -> Holder:
    """The process that asks, for one run."""
    pid = os.getpid()
    return Holder(who=who(), machine=_machine(), pid=pid, started=_started(pid), nonce=secrets.token_hex(8))


def who() -> str:
    """The user and the host, for people."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def _machine() -> str:
    try:
        return f"{_BOOT.read_text().strip()} {_NAMESPACE.readlink()}"
    except OSError:
        return ""


def _started(pid: int) -> str:
    """When a process began, in ticks since the boot (proc(5), stat, field 22); '' if there is none, or a dead one."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in {"Z", "X"} else fields[19]
