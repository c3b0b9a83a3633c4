"""Trivial checks, against `airflow tasks test` of the same checks.

One after another and two at a time are `--isolated` runs of this tool: a plain process of `airflow tasks test` each, of which a few are
really run and the time of more is that, scaled. The fast way starts Airflow once and forks. Memory is the largest sum of the resident
sizes of all processes of a run, shared pages counted once (PSS).
"""

from __future__ import annotations

import os
import threading
import time
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
from typing_extensions import Self

from benchmarks.frame import Figure, best, failed
from bootstrap.airflow.environment import Environment, locate
from bootstrap.airflow.home import database_template, prepare_home
from bootstrap.manifest.loader import Manifest, load
from bootstrap.register.drift import Drift
from bootstrap.smoke.run import Settings, select, smoke

ROUNDS = 2
JOBS = 2
ONE, MORE, MOST = 1, 12, 24  # checks
SAMPLED = 4  # that are really run as plain processes
ONE_BY_ONE, TWO_AT_A_TIME = "airflow tasks test, one after another", "airflow tasks test, two at a time"
FASTER = {ONE: None, MORE: 18, MOST: 25}


class _Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
        """Say nothing."""


def measure(folder: Path) -> list[Figure]:
    """One check, twelve and twenty-four."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    os.environ["AIRFLOW_CONN_API"] = f'{{"conn_type": "http", "host": "http://127.0.0.1:{server.server_address[1]}"}}'
    memory: dict[str, float] = {}
    checks = partial(_run, *_project(folder), memory)
    ways = {
        ONE_BY_ONE: partial(checks, ONE_BY_ONE, SAMPLED, Settings(1, 120, isolated=True)),
        TWO_AT_A_TIME: partial(checks, TWO_AT_A_TIME, SAMPLED, Settings(JOBS, 120, isolated=True)),
        **{str(count): partial(checks, str(count), count, Settings(JOBS, 120)) for count in FASTER},
    }
    seconds = best(ways, ROUNDS)
    server.shutdown()
    one, two = (seconds[name] / SAMPLED for name in (ONE_BY_ONE, TWO_AT_A_TIME))
    ours = {count: seconds[str(count)] for count in FASTER}
    return [
        *(Figure(_name(n), ours[n], ONE_BY_ONE, one * n, faster=faster) for n, faster in FASTER.items()),
        *(Figure(_name(n), ours[n], TWO_AT_A_TIME, two * n, faster=6) for n in (MORE, MOST)),
        Figure("each check more", (ours[MOST] - ours[MORE]) / (MOST - MORE), "airflow tasks test", one, faster=20),
        Figure(f"{_name(MORE)}: memory", memory[str(MORE)], TWO_AT_A_TIME, memory[TWO_AT_A_TIME], at_most=1, unit="MB"),
    ]


def _name(count: int) -> str:
    return f"smoke of {count} check{'s' * (count > 1)}"


def _project(folder: Path) -> tuple[Manifest, Environment]:
    checks = ", ".join(["http"] * MOST)
    text = f"version: 1\nairflow: {{home: airflow}}\nconnections: {{api: {{conn_type: http, checks: [{checks}]}}}}\n"
    (folder / "bootstrap.yaml").write_text(text)
    manifest = load(folder / "bootstrap.yaml")
    environment = locate(manifest)
    prepare_home(environment)
    database_template(environment)
    return manifest, environment


def _run(
    manifest: Manifest, environment: Environment, peaks: dict[str, float], way: str, count: int, settings: Settings
) -> float:
    """Seconds of a run; its peak of memory, in MB, is noted."""
    chosen = select(manifest, [])[:count]
    began = time.perf_counter()
    with _Memory() as memory:
        report = smoke(manifest, environment, chosen, settings, drift=Drift(), on_result=lambda *_: None)
    if report.verdict != "passed":
        failed(report.as_json())
    peaks[way] = memory.peak / 1e6
    return time.perf_counter() - began


class _Memory:
    """Watches our descendants."""

    def __enter__(self) -> Self:
        self.peak = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.2):
            self.peak = max(self.peak, sum(map(_size, psutil.Process().children(recursive=True))))


def _size(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.Error:
        return 0
