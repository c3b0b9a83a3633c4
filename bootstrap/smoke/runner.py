"""Runs checks: one process of `airflow tasks test` each, some at a time, each with a deadline."""

from __future__ import annotations

import contextlib
import math
import os
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bootstrap.airflow import session
from bootstrap.airflow.environment import Environment
from bootstrap.smoke import DAG_ID
from bootstrap.smoke.inputs import end
from bootstrap.smoke.scratch import Job
from bootstrap.util import children

START_TIMEOUT = session.START_TIMEOUT
POLL = 0.02  # seconds between looks at a process
OUTPUT_KEPT = 20_000  # bytes of a process's output that are kept to tell of its end


@dataclass(frozen=True)
class Outcome:
    """What is left of one check's process.

    `receipt` are the lines that the task wrote with this run's nonce; `output` the end of what the process printed;
    `seconds` from its start to its end. `run_over`: it was the run's deadline, not the check's own.
    """

    check_id: str
    exit_code: int | None  # None: killed at the deadline
    receipt: tuple[Mapping[str, Any], ...]
    output: str
    seconds: float
    run_over: bool = False


@dataclass(frozen=True)
class Limits:
    """What a runner keeps to: so many checks at a time, each at most `timeout` seconds (Airflow's start-up not included),
    and none after `until` (monotonic seconds: the run's deadline).
    """

    parallel: int
    timeout: float
    until: float = math.inf

    @property
    def over(self) -> bool:
        """Whether the run's deadline has passed."""
        return time.monotonic() >= self.until

    def outcome(self, job: Job, exit_code: int | None, seconds: float, output: str) -> Outcome:
        """What is left of a job that has ended, or never began."""
        receipt = tuple(job.receipt.read())
        return Outcome(job.check_id, exit_code, receipt, output, seconds, run_over=exit_code is None and self.over)


@dataclass
class IsolatedRunner:
    """A plain `airflow tasks test` process for each check."""

    environment: Environment
    limits: Limits
    _running: dict[int, str] = field(default_factory=dict)  # nonces by pid
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _cancelled: threading.Event = field(default_factory=threading.Event)

    def run(self, jobs: Sequence[Job]) -> Iterator[Outcome]:
        """Every job's outcome, as they come. Leaving the iterator early kills what still runs."""
        with ThreadPoolExecutor(max_workers=self.limits.parallel) as pool:
            waiting = [pool.submit(self._run, job) for job in jobs]
            try:
                for done in as_completed(waiting):
                    yield done.result()
            finally:
                self._cancelled.set()
                for item in waiting:
                    item.cancel()
                with self._lock:
                    for pid, nonce in self._running.items():
                        end(pid, nonce)

    def _run(self, job: Job) -> Outcome:
        started = time.monotonic()
        if self.limits.over:
            return self.limits.outcome(job, None, 0.0, "")
        log = job.folder / "output"
        with log.open("wb") as output:
            process = subprocess.Popen(
                children.command("airflow", *command(job.check_id, job.logical_date)),
                env=self.environment.child(**job.variables),
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=job.folder,
            )
            with self._lock:
                self._running[process.pid] = job.receipt.nonce
            if self._cancelled.is_set():
                end(process.pid, job.receipt.nonce)
            exit_code = self._wait(process, job)
        return self.limits.outcome(job, exit_code, round(time.monotonic() - started, 3), tail(log))

    def _wait(self, process: subprocess.Popen[bytes], job: Job) -> int | None:
        try:
            if process.stdin is not None:
                with contextlib.suppress(BrokenPipeError), process.stdin as stream:
                    stream.write(self.environment.pipe().encode())
            return self._ended_in_time(process, job)
        finally:
            end(process.pid, job.receipt.nonce)  # it, or what it started itself and left behind
            process.wait()
            with self._lock:
                self._running.pop(process.pid, None)

    def _ended_in_time(self, process: subprocess.Popen[bytes], job: Job) -> int | None:
        """The exit code, or None at the deadline. The check's time begins with the first line of its receipt."""
        began = False
        deadline = time.monotonic() + START_TIMEOUT
        while process.poll() is None:
            if not began and job.receipt.file is not None and job.receipt.file.exists():
                began, deadline = True, time.monotonic() + self.limits.timeout
            if time.monotonic() > deadline or self.limits.over:
                return None
            time.sleep(POLL)
        return process.returncode


def command(check_id: str, logical_date: str) -> list[str]:
    """The arguments of `airflow` that run one check."""
    return ["tasks", "test", DAG_ID, check_id, logical_date]


def tail(log: Path) -> str:
    """The end of what a process printed; '' if it never came to that."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - OUTPUT_KEPT))
        return file.read().decode(errors="replace")
