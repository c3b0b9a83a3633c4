"""stdin, stdout and stderr that may be closed, full, or a pipe that nobody reads.

What was asked for is done all the same. What nobody reads any more is thrown away; what could not be written is an error in the
end, so that a file cut short never looks like a whole one.
"""

from __future__ import annotations

import errno
import io
import os
import select
import sys
from typing import Any

_FULL = "can't write to stdout: {}"


class _Output(io.FileIO):
    """A descriptor that never raises; `lost` says why something could not be written."""

    lost = ""

    def write(self, data: Any) -> int:
        """As much of it as the other side takes; all, or nothing for good, where it can't take any."""
        while not self.lost:
            try:
                return os.write(self.fileno(), data)
            except BlockingIOError:  # whoever started us doesn't want to wait for it; we have to
                select.select([], [self], [])
            except BrokenPipeError:
                self._discard()
            except OSError as err:
                self.lost = "it is closed" if err.errno == errno.EBADF else str(err.strerror)
        return len(memoryview(data).cast("B"))

    def _discard(self) -> None:
        """Also what our own children would print there."""
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, self.fileno())
        os.close(nothing)


class Streams:
    """The standard streams of this process, made fit for use."""

    def __init__(self) -> None:
        _fill_gaps()
        if sys.stdin is None:
            sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115  a descriptor that stays
        self._out, self._err = _Output(1, "w", closefd=False), _Output(2, "w", closefd=False)
        sys.stdout, sys.stderr = _text(self._out, sys.stdout), _text(self._err, sys.stderr)

    def end(self) -> str:
        """Write what is left; why stdout did not get everything, or ''."""
        sys.stdout.flush()
        sys.stderr.flush()
        return _FULL.format(self._out.lost) if self._out.lost else ""


def _fill_gaps() -> None:
    """A closed descriptor would be the next file that is opened: a lock, a store's key. It gets one that refuses to be used."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDONLY if number else os.O_WRONLY)  # the lowest that is free: this one


def _text(output: _Output, before: Any) -> io.TextIOWrapper:
    """As Python makes it, but that a letter which the encoding doesn't have is replaced."""
    encoding = before.encoding if before is not None else "utf-8"
    return io.TextIOWrapper(
        io.BufferedWriter(output), encoding=encoding, errors="replace", line_buffering=output.isatty()
    )
