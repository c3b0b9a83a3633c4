"""How our own process begins: ^C, standard streams that may be closed, full, or a pipe that nobody reads, and the umask.

^C is never lost during an import, and never a traceback. What was asked for is done even if nobody reads what is printed:
that is thrown away. What could not be written is an error in the end, so that a file cut short never looks like a whole one.
"""

from __future__ import annotations

import errno
import io
import os
import select
import signal
import sys
import threading
from types import FrameType
from typing import Any

_LATER = 0.05  # seconds
_PATIENCE = 60  # times: what hangs in an import is ended all the same
_IMPORT = "<frozen importlib._bootstrap>"
_FULL = "can't write to stdout: {}"
_PRIVATE = 0o077
_users: list[int] = []  # the umask before `keep_private`


class Interrupts:
    """Raises KeyboardInterrupt as Python does, but after an import: there it may end in a callback, which swallows it.

    `came`: there was one, whatever has become of it.
    """

    def __init__(self) -> None:
        self.came = False
        self._put_off = 0
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else whoever started us has it ignored
            signal.signal(signal.SIGINT, self._interrupt)
            sys.unraisablehook = _without_interrupts

    def end(self) -> None:
        """From now on, ^C ends the process by itself: nothing is left to be told."""
        if signal.getsignal(signal.SIGINT) == self._interrupt:
            signal.signal(signal.SIGINT, signal.SIG_DFL)

    def _interrupt(self, _number: int, frame: FrameType | None) -> None:
        self.came = True
        self._put_off += 1
        if self._put_off < _PATIENCE and _is_importing(frame):
            again = threading.Timer(_LATER, os.kill, (os.getpid(), signal.SIGINT))
            again.daemon = True
            again.start()
            return
        self._put_off = 0
        raise KeyboardInterrupt


def _without_interrupts(unraisable: sys.UnraisableHookArgs) -> None:
    """A finalizer or compiled code (pydantic's) may swallow ^C, and Python would print a traceback of it: `came` remembers."""
    if unraisable.exc_type is not KeyboardInterrupt:
        sys.__unraisablehook__(unraisable)


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename == _IMPORT:
            return True
        frame = frame.f_back
    return False


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
            except BrokenPipeError:  # also what our own children would print there is thrown away
                nothing = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nothing, self.fileno())
                os.close(nothing)
            except OSError as err:
                self.lost = "it is closed" if err.errno == errno.EBADF else str(err.strerror)
        return len(memoryview(data).cast("B"))


class Streams:
    """The standard streams of this process, made fit for use."""

    def __init__(self) -> None:
        # A closed descriptor would be the next file that is opened: a lock, a store's key. It gets one that refuses to be used
        for number in (0, 1, 2):
            try:
                os.fstat(number)
            except OSError:
                os.open(os.devnull, os.O_RDONLY if number else os.O_WRONLY)  # the lowest that is free: this one
        if sys.stdin is None:
            sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115  a descriptor that stays
        self._out, self._err = _Output(1, "w", closefd=False), _Output(2, "w", closefd=False)
        sys.stdout, sys.stderr = _text(self._out, sys.stdout), _text(self._err, sys.stderr)

    def end(self) -> str:
        """Write what is left; why stdout did not get everything, or ''."""
        sys.stdout.flush()
        sys.stderr.flush()
        return _FULL.format(self._out.lost) if self._out.lost else ""


def _text(output: _Output, before: Any) -> io.TextIOWrapper:
    """As Python makes it, but that a letter which the encoding doesn't have is replaced."""
    encoding = before.encoding if before is not None else "utf-8"
    return io.TextIOWrapper(
        io.BufferedWriter(output), encoding=encoding, errors="replace", line_buffering=output.isatty()
    )


def keep_private() -> None:
    """From now on, whatever the user's umask is: of 000, an Airflow home would be everybody's to read; of 777, nobody's."""
    _users[:] = [os.umask(_PRIVATE)]


def users_umask() -> int:
    """What the user has it at, for what is meant for others."""
    if _users:
        return _users[0]
    mask = os.umask(_PRIVATE)  # it can only be asked for by setting it
    os.umask(mask)
    return mask
