"""One start-up of Airflow for all checks: talks to the process of `zygote`, which forks a child for each."""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bootstrap.airflow.child_protocol import answer_in
from bootstrap.airflow.environment import Environment
from bootstrap.airflow.fork import Process, Start
from bootstrap.airflow.session import start
from bootstrap.smoke import runner
from bootstrap.smoke.runner import Limits, Outcome, command, tail
from bootstrap.smoke.scratch import Job
from bootstrap.util.files import write_atomic

GRACE = 5.0  # seconds for the process to end by itself


@dataclass
class ForkingRunner:
    """Checks as forks of one Airflow.

    `folder` is the run's own; `variables` is the environment of the process that forks, which imports `modules`.
    """

    environment: Environment
    limits: Limits
    folder: Path
    variables: Mapping[str, str]
    modules: Sequence[str]

    def run(self, jobs: Sequence[Job]) -> Iterator[Outcome]:
        """Every job's outcome, as they come. Leaving the iterator early kills what still runs."""
        waiting = {job.check_id: job for job in jobs}
        with self._zygote(jobs) as process:
            for line in process.stdout or ():
                event = answer_in(line)
                if event is None:  # what Python itself ran before the zygote has printed
                    continue
                job = waiting.pop(event["check_id"])
                yield self.limits.outcome(job, event["exit_code"], event["seconds"], tail(job.folder / "output"))
            code = process.wait()
        for job in waiting.values():  # Airflow itself did not start, or was killed
            yield self.limits.outcome(job, None if self.limits.over else code, 0.0, tail(self._log))

    @property
    def _log(self) -> Path:
        return self.folder / "zygote.log"

    @contextlib.contextmanager
    def _zygote(self, jobs: Sequence[Job]) -> Iterator[Process]:
        """The process that forks; it and its children are gone when this ends, and when they hang."""
        process = self._start(jobs)
        rounds = math.ceil(len(jobs) / self.limits.parallel)
        limit = runner.START_TIMEOUT + rounds * (self.limits.timeout + GRACE)
        left = self.limits.until + GRACE - time.monotonic()
        watchdog = threading.Timer(min(limit, left), _end, (process,))
        watchdog.daemon = True
        watchdog.start()
        try:
            yield process
        finally:
            watchdog.cancel()
            _end(process)
            if process.stdout is not None:
                process.stdout.close()

    def _start(self, jobs: Sequence[Job]) -> Process:
        plan = {
            "parallel": self.limits.parallel,
            "timeout": self.limits.timeout,
            "until": self.limits.until,
            "log": str(self._log),
            "modules": self.modules,
            "jobs": [
                {
                    "check_id": job.check_id,
                    "nonce": job.receipt.nonce,
                    "folder": str(job.folder),
                    "variables": dict(job.variables),
                    "arguments": command(job.check_id, job.logical_date),
                }
                for job in jobs
            ],
        }
        file = self.folder / "plan.json"
        write_atomic(file, json.dumps(plan))
        with self._log.open("wb") as log:
            how = Start(
                ["bootstrap.smoke.zygote", str(file)],
                self.variables,
                stderr=log.fileno(),
                cwd=str(self.folder),
                tied=True,
                until=self.limits.until,
            )
            process = start(self.environment, how)
        if process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
        return process


def _end(process: Process) -> None:
    """SIGTERM lets it kill its children, which are in sessions of their own; then SIGKILL."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
