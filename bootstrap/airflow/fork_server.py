"""Starts Airflow once and forks: the other end of `session.AirflowSession`.

`python -m bootstrap.airflow.fork_server DESCRIPTOR [MODULE…]` imports Airflow and the modules, then serves a socket. A message
on it brings four descriptors: a socket for this one fork, its stdin, its stdout and its stderr. The fork reads a line of JSON from its socket, a
`Request`, and answers `{"ready": pid}` before it runs the module as `python -m` would, or `{"refused": why}`. Its exit code
comes as `{"ended": code}`; it, and who else holds the socket's other end, sees the end of the socket when it is gone.

The server itself reads no request: variables and secrets of one fork never come to another.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import gc
import json
import os
import runpy
import select
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from bootstrap.airflow.warm_state import Refused, WarmState
from bootstrap.util import children

DESCRIPTORS = 4  # that come with a message
GRACE = 5.0  # seconds for forks to end by themselves when the session ends
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_POLL = 0.02  # seconds
TIED, OUTLIVES = b"t", b"o"  # a message: whether the fork ends with the session, or finishes what it does


@dataclass(frozen=True)
class Request:
    """What a fork is to do, where: `python -m MODULE ARGUMENT…` in the folder `cwd`.

    `secrets` are variables that no program that the fork starts may get.
    """

    command: list[str]
    environment: dict[str, str]
    secrets: dict[str, str]
    cwd: str


class Server:
    """Forks and waits."""

    def __init__(self, control: socket.socket, state: WarmState) -> None:
        self._control = control
        self._state = state
        self._running: dict[int, tuple[socket.socket, bytes]] = {}  # by pid
        self._woken, self._wake = os.pipe()
        for descriptor in (self._woken, self._wake):
            os.set_blocking(descriptor, False)

    def run(self) -> None:
        """Until the other end of the socket is closed, or its process is gone."""
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        poller = select.poll()
        for descriptor in (self._control.fileno(), self._woken):
            poller.register(descriptor, select.POLLIN)
        try:
            while True:
                ready = dict(poller.poll())
                if self._woken in ready:
                    os.read(self._woken, 1024)
                    self._reap()
                if self._control.fileno() in ready and not self._serve():
                    return
        finally:
            self._end()

    def _serve(self) -> bool:
        how, descriptors, *_ = socket.recv_fds(self._control, 1, DESCRIPTORS)
        if not how:
            return False
        own = socket.socket(fileno=descriptors[0])
        pid = os.fork()
        if pid == 0:
            self._close()
            _become(own, descriptors[1:], self._state, tied=how == TIED)
        self._running[pid] = own, how
        for descriptor in descriptors[1:]:
            os.close(descriptor)
        return True

    def _close(self) -> None:
        """In a fork: what is none of its own."""
        signal.set_wakeup_fd(-1)
        for kind in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(kind, signal.SIG_DFL)
        self._control.close()
        for descriptor in (self._woken, self._wake):
            os.close(descriptor)
        for other, _ in self._running.values():
            other.close()

    def _reap(self) -> None:
        for pid in list(self._running):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                with self._running.pop(pid)[0] as own, contextlib.suppress(OSError):
                    _send(own, ended=os.waitstatus_to_exitcode(status))

    def _end(self) -> None:
        """SIGTERM lets a fork end what it has started."""
        for kind in (signal.SIGTERM, signal.SIGKILL):
            tied = [pid for pid, (_, how) in self._running.items() if how == TIED]
            for pid in tied:
                os.kill(pid, kind)
            until = time.monotonic() + GRACE
            while any(pid in self._running for pid in tied) and time.monotonic() < until:
                time.sleep(_POLL)
                self._reap()


def _become(own: socket.socket, streams: list[int], state: WarmState, *, tied: bool) -> None:
    """In the fork. Never returns."""
    code = 1
    try:
        os.setsid()
        if tied:
            die_with_parent()
        for number, descriptor in enumerate(streams):
            os.dup2(descriptor, number)
            os.close(descriptor)
        sys.stdin = open(0, closefd=False)  # noqa: SIM115  a descriptor, for as long as the process is there
        if request := _accepted(own, state):
            sys.argv = list(request.command)
            code = exit_code(lambda: runpy.run_module(request.command[0], run_name="__main__", alter_sys=True))
    except BaseException:
        traceback.print_exc()
    finally:
        atexit._run_exitfuncs()  # noqa: SLF001  as at a program's end: Airflow closes its database in one
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        os._exit(code)


def _accepted(own: socket.socket, state: WarmState) -> Request | None:
    """The request, when Airflow is what it has to be for it; else who asked is told."""
    with own, own.makefile(encoding="utf-8") as lines:
        line = lines.readline()
        if not line:
            return None
        request = Request(**json.loads(line))
        try:
            _renew(request, state)
        except Refused as err:
            _send(own, refused=str(err))
        except (Exception, SystemExit) as err:  # what it means the module will say, in an Airflow of its own
            _send(own, refused=type(err).__name__)
        else:
            _send(own, ready=os.getpid())
            return request
    return None


def _renew(request: Request, state: WarmState) -> None:
    os.chdir(request.cwd)
    os.environ.clear()
    os.environ.update({**request.environment, **request.secrets})
    children.hide(request.secrets)
    with _without_streams():
        state.renew()
        sys.stdout.flush()


@contextlib.contextmanager
def _without_streams() -> Iterator[None]:
    """Meanwhile, a command that Airflow runs for an option reads nothing of stdin, and nothing is printed to stdout."""
    kept = [os.dup(number) for number in (0, 1)]
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor, number in ((nothing, 0), (2, 1)):
        os.dup2(descriptor, number)
    os.close(nothing)
    try:
        yield
    finally:
        for number, descriptor in enumerate(kept):
            os.dup2(descriptor, number)
            os.close(descriptor)


def exit_code(program: Callable[[], object]) -> int:
    """What a program that is called ends with, as Python would say it. Raises its errors."""
    try:
        program()
    except SystemExit as err:
        if isinstance(err.code, str):
            from bootstrap.domain.secret import foreign

            sys.stderr.write(f"{foreign(err.code)}\n")
        return err.code if isinstance(err.code, int) else int(err.code is not None)
    return 0


def _send(own: socket.socket, **message: Any) -> None:
    own.sendall(json.dumps(message).encode() + b"\n")


def die_with_parent() -> None:
    """Where Linux can: also when the parent is killed in a way that it can't clean up after."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def main() -> None:
    """Import Airflow and the modules, then serve. Exits without, where a fork of this Airflow could not be trusted."""
    control = socket.socket(fileno=int(sys.argv[1]))
    gc.disable()
    state = WarmState()
    with state.recording():
        from bootstrap.airflow.warm_up import import_once, warm_up

        warm_up()
        import_once(sys.argv[2:])
    if not state.usable or threading.active_count() > 1:
        sys.exit("this Airflow can't be forked")
    gc.freeze()  # as it stands: to look for garbage in what stays takes longer than a fork with it
    gc.enable()
    Server(control, state).run()


if __name__ == "__main__":
    main()
