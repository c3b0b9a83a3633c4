"""^C on the command line: never lost during an import, never a traceback."""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType

_LATER = 0.05  # seconds
_PATIENCE = 60  # times: what hangs in an import is ended all the same
_IMPORT = "<frozen importlib._bootstrap>"


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
