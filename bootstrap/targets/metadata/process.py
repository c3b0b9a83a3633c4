"""A conversation with `metadata.child`: a question and an answer, each a line of JSON. Secrets are in nothing but the pipe."""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
import weakref
from collections import deque
from collections.abc import Mapping
from typing import IO, Any

from bootstrap.airflow.child_protocol import require
from bootstrap.airflow.environment import Environment
from bootstrap.airflow.fork import Process, Start
from bootstrap.airflow.process import COMMAND_TIMEOUT
from bootstrap.airflow.session import start
from bootstrap.domain.secret import foreign
from bootstrap.errors import AirflowError

GRACE = 5.0  # seconds for the process to end by itself
_MODULE = "bootstrap.targets.metadata.child"


class MetadataProcess:
    """The process, from its start on. It ends with `close`, when nobody holds this any more, and when this process does."""

    def __init__(self, environment: Environment, *, read_only: bool = False) -> None:
        """`read_only`: the database itself refuses this process's writes. Raises AirflowError if Airflow does not start."""
        process = start(environment, Start([_MODULE, *(["read-only"] if read_only else [])]))
        said: deque[str] = deque(maxlen=20)
        listener = threading.Thread(target=_listen, args=(process.stderr, said), daemon=True)
        listener.start()
        self._process, self._said, self._listener = process, said, listener
        self.close = weakref.finalize(self, _end, process, listener)
        self._exchange("")  # it tells that it is ready

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Raises the errors that the child reports, and AirflowError if it ends or takes too long."""
        return self._exchange(f"{json.dumps(request)}\n")

    def _exchange(self, line: str) -> dict[str, Any]:
        watchdog = threading.Timer(COMMAND_TIMEOUT, self._process.kill)
        watchdog.daemon = True
        watchdog.start()
        answer = ""  # without a line's end: the process is gone
        try:
            with contextlib.suppress(BrokenPipeError):
                if self._process.stdin is not None and self._process.stdout is not None:
                    self._process.stdin.write(line)
                    self._process.stdin.flush()
                    answer = self._process.stdout.readline()
        finally:
            watchdog.cancel()
        if not answer.endswith("\n"):
            raise self._ended()
        return require(json.loads(answer))

    def _ended(self) -> AirflowError:
        code = self._process.wait()
        self._listener.join(GRACE)
        last = foreign(self._said[-1].strip()) if self._said else "it said nothing"
        return AirflowError(
            f"metadata database: the process with Airflow ended with {code}, or took longer than {COMMAND_TIMEOUT:.0f} s: {last}",
            "airflow-bootstrap plan  # shows what was written",
        )


def _listen(stream: IO[str], said: deque[str]) -> None:
    """So that what Airflow logs never blocks it; the end is for an error's message."""
    said.extend(line for line in stream if line.strip())


def _end(process: Process, listener: threading.Thread) -> None:
    """The end of its stdin tells it; what it has begun it finishes."""
    with contextlib.suppress(BrokenPipeError):
        if process.stdin is not None:
            process.stdin.close()
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    listener.join(GRACE)
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()
