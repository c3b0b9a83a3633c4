"""How long trivial checks take, against `airflow tasks test` of the same checks in the same run.

`make bench-smoke`. One after another and `--jobs` at a time are `--isolated` runs of this tool: a plain process of
`airflow tasks test` each. The fast way starts Airflow once and forks. Memory is the largest sum of the resident sizes
of all processes of a run, shared pages counted once (PSS).
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
from typing_extensions import Self

from bootstrap.airflow.environment import Environment, locate
from bootstrap.airflow.home import database_template, prepare_home
from bootstrap.manifest.loader import Manifest, load
from bootstrap.register.drift import Drift
from bootstrap.smoke.run import Settings, select, smoke

COUNTS = (1, 4, 12, 24)
JOBS = os.cpu_count() or 1
SAMPLED = 4  # checks that are really run one after another; the time of more is that of these, scaled


class _Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
        """Say nothing."""


def main() -> None:
    """Measure and print."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    os.environ["AIRFLOW_CONN_API"] = f'{{"conn_type": "http", "host": "http://127.0.0.1:{server.server_address[1]}"}}'
    with tempfile.TemporaryDirectory() as folder:
        print(f"{JOBS} at a time; seconds, peak MB")
        for count in COUNTS:
            manifest, environment = _project(Path(folder, str(count)), count)
            sampled = min(count, SAMPLED)
            one = _run(manifest, environment, sampled, Settings(1, 120, isolated=True))
            two = _run(manifest, environment, count, Settings(JOBS, 120, isolated=True))
            fast = _run(manifest, environment, count, Settings(JOBS, 120))
            scaled = one[0] * count / sampled
            print(
                f"{count:3} checks: one after another {scaled:.1f}{' (scaled)' if count > sampled else ''}, "
                f"{JOBS} at a time {two[0]:.1f} ({two[1]:.0f} MB), forked {fast[0]:.1f} ({fast[1]:.0f} MB): "
                f"{scaled / fast[0]:.1f} and {two[0] / fast[0]:.1f} times faster"
            )
    server.shutdown()


def _project(folder: Path, count: int) -> tuple[Manifest, Environment]:
    folder.mkdir()
    checks = ", ".join(["http"] * count)
    text = f"version: 1\nairflow: {{home: airflow}}\nconnections: {{api: {{conn_type: http, checks: [{checks}]}}}}\n"
    (folder / "bootstrap.yaml").write_text(text)
    manifest = load(folder / "bootstrap.yaml")
    environment = locate(manifest)
    prepare_home(environment)
    database_template(environment)
    return manifest, environment


def _run(manifest: Manifest, environment: Environment, count: int, settings: Settings) -> tuple[float, float]:
    """Seconds and peak megabytes of one run. Ends the benchmark if a check fails: a failure is no measurement."""
    chosen = select(manifest, [])[:count]
    began = time.perf_counter()
    with _Memory() as memory:
        report = smoke(manifest, environment, chosen, settings, drift=Drift(), on_result=lambda *_: None)
    if report.verdict != "passed":
        sys.exit(report.as_json())
    return time.perf_counter() - began, memory.peak / 1e6


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


if __name__ == "__main__":
    main()
