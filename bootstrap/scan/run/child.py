"""The process that starts Airflow once, and forks for each DAG file: `python -m bootstrap.scan.run.child`, a Job as JSON in stdin.

It answers how each file's process ended. A process past its time is killed, and with it all that it started.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import resource
import signal
import sys
import time
from pathlib import Path
from typing import Any

from bootstrap.airflow.child_protocol import answering, starting, told
from bootstrap.airflow.fork_server import die_with_parent
from bootstrap.domain.secret import foreign
from bootstrap.errors import AirflowError, BootstrapError
from bootstrap.scan.operators.table import Operators, operators
from bootstrap.scan.run.guard import confine
from bootstrap.scan.run.job import Job

_POLL = 0.01  # seconds
_MOST_MEMORY = 4 << 30  # bytes
_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


def main() -> None:
    """Read the job, do it, answer."""
    with answering() as tell:
        job = Job(**json.loads(sys.stdin.readline()))
        tell(told(lambda: {"ends": _run(job)}, _unexpected))


def _unexpected(err: Exception) -> BootstrapError:
    return AirflowError(
        f"DAG files can't be parsed here: {type(err).__name__}: {foreign(err)}", "airflow-bootstrap scan, without --run"
    )


def _run(job: Job) -> list[list[Any]]:
    die_with_parent()
    with contextlib.suppress(OSError):  # where memory runs out, a DAG file's process ends, and none of the user's
        Path("/proc/self/oom_score_adj").write_text("500")
    confine(Path(job.scratch))
    with starting():
        from bootstrap.airflow import compat

        compat.without_execution_api()
        compat.dag_bag(job.folder)
        import bootstrap.scan.run.one_file  # noqa: F401
    table = operators(Path(job.cache) if job.cache is not None else None)
    _adopt()
    gc.freeze()
    return _Forks(job, table).run()


class _Forks:
    """`ends`, by number of the file: ["ended", exit code or -signal] or ["late", 0]."""

    def __init__(self, job: Job, table: Operators) -> None:
        self._job = job
        self._table = table
        self._running: dict[int, tuple[int, float]] = {}  # pid: number, deadline
        self._ends: list[list[Any]] = [["killed", 0] for _ in job.files]

    def run(self) -> list[list[Any]]:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        waiting = list(range(len(self._job.files)))[::-1]
        try:
            while waiting or self._running:
                while waiting and len(self._running) < self._job.at_a_time:
                    self._start(waiting.pop())
                self._look()
                time.sleep(_POLL)
        finally:
            for pid in self._running:
                _kill(pid)
            _end_strays(set())
        return self._ends

    def _start(self, number: int) -> None:
        pid = os.fork()
        if pid == 0:
            _become(self._job, number, self._table)
        self._running[pid] = number, time.monotonic() + self._job.timeout

    def _look(self) -> None:
        for pid, (number, deadline) in list(self._running.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if not ended and time.monotonic() < deadline:
                continue
            _kill(pid)
            if not ended:
                os.waitpid(pid, 0)
            del self._running[pid]
            self._ends[number] = ["ended", os.waitstatus_to_exitcode(status)] if ended else ["late", 0]
            _end_strays(set(self._running))


def _become(job: Job, number: int, table: Operators) -> None:
    """In the fork. Never returns."""
    code = 1
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.setsid()
        die_with_parent()
        _limit_memory(job.at_a_time)
        _crash_at_once()
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nothing, stream)
        from bootstrap.scan.run.one_file import parse

        parse(job, number, table)
        code = 0
    finally:
        os._exit(code)


def _limit_memory(at_a_time: int) -> None:
    """What one file may take: together, half of what the machine has; 4 GB are a mistake for certain."""
    with contextlib.suppress(OSError, ValueError):
        half = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
        most = min(half // at_a_time, _MOST_MEMORY)
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _crash_at_once() -> None:
    """Airflow catches a segmentation fault while it imports a DAG file, and goes on to the instruction that failed, forever."""
    module: Any = signal
    catch = module.signal
    module.signal = lambda number, handler: catch(number, signal.SIG_DFL if number == signal.SIGSEGV else handler)


def _kill(pid: int) -> None:
    """With all that it started and that stayed in its group."""
    for end in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            end(pid, signal.SIGKILL)


def _adopt() -> None:
    """On Linux, what a file's process leaves behind becomes a child of this one, so that it can be found."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _end_strays(ours: set[int]) -> None:
    """Kill the children that are none of `ours`, until there are none."""
    listing = Path(f"/proc/self/task/{os.getpid()}/children")
    while True:
        try:
            strays = [pid for pid in map(int, listing.read_text().split()) if pid not in ours]
        except OSError:
            return
        if not strays:
            return
        for pid in strays:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
