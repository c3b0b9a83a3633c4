"""Devices, FIFOs, sockets and /dev/fd/N: written to as they are, never replaced, never waited for forever."""

from __future__ import annotations

import errno
import os
import re
import select
import stat
import time
from pathlib import Path

READER = 2.0  # seconds for somebody to open the other end of a FIFO
PATIENCE = 30.0  # seconds without a byte, either way: a person may be asked for a passphrase at the other end
_DESCRIPTOR = re.compile(r"(?:/dev/fd|/proc/(?P<pid>\d+)(?:/task/\d+)?/fd)/(?P<number>\d+)")
_LINKS = 40  # as many as Linux follows
_CHUNK = 65536


def is_special(path: Path) -> bool:
    """True if `path` is there and is neither a regular file nor a folder, or names what this process has open."""
    if own_descriptor(path) is not None:
        return True
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):  # ValueError: no name for a file, which whoever opens it is told
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def own_descriptor(path: Path) -> int | None:
    """What `/dev/stdout`, `/dev/fd/N`, `/proc/self/fd/N` or a link to one of them means: N. Else None."""
    for _ in range(_LINKS):
        name = os.path.join(os.path.realpath(path.parent), path.name)  # noqa: PTH118  with Path, `..` is lost
        found = _DESCRIPTOR.fullmatch(name)
        if found is not None:
            return int(found["number"]) if found["pid"] in {None, str(os.getpid())} else None
        if not os.path.islink(name):  # noqa: PTH114  as above
            return None
        path = Path(os.path.dirname(name), os.readlink(name))  # noqa: PTH115,PTH120  as above
    return None


def file_behind(descriptor: int) -> Path | None:
    """The regular file that this process has open there (Linux tells its name)."""
    try:
        name = os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115
        return Path(name) if stat.S_ISREG(os.fstat(descriptor).st_mode) and Path(name).is_file() else None
    except OSError:
        return None


def write(path: Path, data: bytes) -> None:
    """Write to what is special. Raises OSError, also where nobody reads."""
    number = own_descriptor(path)
    if number is not None:
        with os.fdopen(os.dup(number), "wb") as stream:
            stream.write(data)
        return
    descriptor = _open_to_write(path)
    left = memoryview(data)
    try:
        while left:
            _wait(descriptor, select.POLLOUT, path, "who reads it takes nothing more")
            left = left[os.write(descriptor, left) :]
    finally:
        os.close(descriptor)


def read(path: Path, limit: int = -1) -> bytes:
    """The content of any file, no more than a limit; what comes out of a FIFO is waited for, but not for ever. Raises OSError."""
    if not path.is_fifo():
        with path.open("rb") as file:
            return file.read(limit)
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    parts = [b"-"]
    try:
        while parts[-1]:
            _wait(descriptor, select.POLLIN, path, "it is a FIFO that nothing comes out of")
            parts.append(os.read(descriptor, _CHUNK))
        return b"".join(parts[1:])
    finally:
        os.close(descriptor)


def _open_to_write(path: Path) -> int:
    until = time.monotonic() + READER
    while True:
        try:
            return os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
        except OSError as err:
            if err.errno != errno.ENXIO:
                raise
            if not path.is_fifo():
                raise OSError(err.errno, "it can't be written like a file", str(path)) from err
            if time.monotonic() > until:
                raise OSError(err.errno, "it is a FIFO that nobody reads", str(path)) from err
            time.sleep(0.02)


def _wait(descriptor: int, event: int, path: Path, what: str) -> None:
    poller = select.poll()
    poller.register(descriptor, event)
    if not poller.poll(PATIENCE * 1000):
        raise TimeoutError(errno.ETIMEDOUT, what, str(path))
