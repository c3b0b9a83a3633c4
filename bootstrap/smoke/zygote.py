"""Starts Airflow once, then forks a child for each check.

`python -m bootstrap.smoke.zygote PLAN` reads a plan (JSON: `parallel`, `timeout` in seconds, `until`, the run's deadline in
monotonic seconds, `modules` to import, and `jobs` with `check_id`, `nonce`, `folder`, `variables` and `arguments` of the `airflow` command) and writes a line of JSON to stdout as each check ends:
`{"check_id": …, "exit_code": int or null (killed at the deadline), "seconds": …}`. Everything that Airflow prints goes
to files: `output` in each job's folder, and the plan's own log.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bootstrap.airflow.fork_server import die_with_parent, exit_code
from bootstrap.smoke.inputs import end

POLL = 0.02  # seconds between looks at the children


@dataclass
class Child:
    """A forked check and when it must be over (monotonic seconds)."""

    check_id: str
    nonce: str
    began: float
    deadline: float
    killed: bool = False


class Zygote:
    """Forks, waits and reports. Owns the stream to the parent; Airflow never writes there."""

    def __init__(self, plan: dict[str, Any], events: int) -> None:
        self.waiting = list(plan["jobs"])
        self.parallel = int(plan["parallel"])
        self.timeout = float(plan["timeout"])
        self.until = float(plan["until"])
        self.events = events
        self.running: dict[int, Child] = {}

    def run(self) -> None:
        """Until every job has ended. Children die with us, whatever ends us."""
        poller = select.poll()
        poller.register(self.events, 0)
        try:
            while self.waiting or self.running:
                while self.waiting and len(self.running) < self.parallel:
                    self._begin(self.waiting.pop(0))
                if not self._reap():
                    for pid, child in self.running.items():
                        if time.monotonic() > child.deadline and not child.killed:
                            child.killed = True
                            end(pid, child.nonce)
                    if poller.poll(POLL * 1000):  # a parent that is gone shows as an error on its stream
                        raise BrokenPipeError
        finally:
            for pid, child in self.running.items():
                end(pid, child.nonce)

    def _begin(self, job: dict[str, Any]) -> None:
        now = time.monotonic()
        if now >= self.until:
            self._report(job["check_id"], None, 0.0)
            return
        pid = os.fork()
        if pid == 0:
            os.close(self.events)
            _child(job)
        self.running[pid] = Child(job["check_id"], job["nonce"], now, min(now + self.timeout, self.until))

    def _reap(self) -> bool:
        pid, status = os.waitpid(-1, os.WNOHANG) if self.running else (0, 0)
        child = self.running.pop(pid, None)
        if child is None:
            return False
        end(pid, child.nonce)  # what the check itself started and left behind
        code = None if child.killed else os.waitstatus_to_exitcode(status)
        self._report(child.check_id, code, round(time.monotonic() - child.began, 3))
        return True

    def _report(self, check_id: str, code: int | None, seconds: float) -> None:
        line = json.dumps({"check_id": check_id, "exit_code": code, "seconds": seconds})
        os.write(self.events, line.encode() + b"\n")


def _child(job: dict[str, Any]) -> None:
    """Become `airflow tasks test` in a session, a folder and a database of its own. Never returns."""
    from bootstrap.airflow.warm_up import command_line, use_own_database

    code = 1
    try:
        os.setsid()
        die_with_parent()
        tempfile.tempdir = None  # the parent's; ours is in the variables
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        folder = Path(job["folder"])
        _print_to(folder / "output")
        os.chdir(folder)
        os.environ.update(job["variables"])
        use_own_database()
        sys.argv = ["airflow", *job["arguments"]]
        code = exit_code(command_line)
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _print_to(file: Path) -> None:
    log = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, sys.stdout.fileno())
    os.dup2(log, sys.stderr.fileno())
    os.close(log)


def main() -> None:
    """Import Airflow and all that the checks need, then fork."""
    plan = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    events = os.dup(sys.stdout.fileno())
    _print_to(Path(plan["log"]))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    gc.disable()
    from bootstrap.airflow.warm_up import import_once, warm_up
    from bootstrap.smoke.dag import build
    from bootstrap.stores.kind import known_in_airflow

    warm_up()
    with contextlib.suppress(Exception):  # which the check will say
        known_in_airflow()  # every check asks which store its connection is from
    build()  # imports the operators of every check
    import_once(plan["modules"])
    gc.freeze()  # as it stands: to look for garbage in what stays takes longer than a fork with it
    gc.enable()
    Zygote(plan, events).run()


if __name__ == "__main__":
    main()
