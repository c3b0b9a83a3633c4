"""`kill -9` at any moment: the next `up` finishes the job, and no broken file is left."""

from __future__ import annotations

import configparser
import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bootstrap.stores.embedded import Server
from tests.project import Canary, Project, leaks

pytestmark = pytest.mark.airflow

MANIFEST = """
version: 1
airflow: {home: airflow}
stores: {local: {kind: embedded}, here: {kind: env}}
backend: {store: local}
connections:
  one: {conn_type: http, host: "http://127.0.0.1:PORT", password: {secret: "here:ONE"}}
  two: {conn_type: http, host: "http://127.0.0.1", password: {secret: "here:ONE"}, checks: []}
"""
CANARY = Canary()
SECRET = {"ONE": CANARY.value}


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    project = Project(tmp_path)
    served = ThreadingHTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler)
    threading.Thread(target=served.serve_forever, daemon=True).start()
    project.write(MANIFEST.replace("PORT", str(served.server_address[1])))
    try:
        yield project
    finally:
        Server(project.manifest.parent / ".bootstrap" / "stores" / "local").stop()
        served.shutdown()
        served.server_close()


def kill_after(project: Project, seconds: float) -> bool:
    """Start `up`, kill it and its children but not the store's server; True if it was still at work."""
    process = project.start("up", **SECRET)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.communicate(timeout=seconds)
        return False
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return True


def broken(folder: Path) -> list[str]:
    """Files that a reader could stumble over."""
    found = []
    for file in folder.rglob("*"):
        if file.name == "airflow.cfg":
            configparser.ConfigParser(interpolation=None).read_string(file.read_text())
            if "fernet_key" not in file.read_text():
                found.append(f"{file}: cut short")
        if file.name == "airflow.db":
            with contextlib.closing(sqlite3.connect(file)) as connection:
                if connection.execute("SELECT count(*) FROM alembic_version").fetchone() != (1,):
                    found.append(f"{file}: not migrated")
    return found


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "starts", [(0.8, 3, 6), pytest.param((0.2, 0.8, 1.5, 2.5, 1, 4, 6, 8, 3, 10, 14), marks=pytest.mark.slow)]
)
def test_up_killed_at_any_moment_is_finished_by_the_next(project: Project, starts: tuple[float, ...]) -> None:
    random.seed(os.environ.get("PYTEST_SEED", "airflow-bootstrap"))
    moments = [random.uniform(start, start + 1.2) for start in starts]
    killed = 0
    for moment in moments:
        killed += kill_after(project, moment)
        assert broken(project.manifest.parent / "airflow") == []
    assert killed >= len(starts) // 2
    result = project.run("up", **SECRET)
    assert result.code == 0, result.text
    assert "1 of 1 checks passed" in result.out
    assert project.run("register", "--check", **SECRET).code == 0
    assert project.run("render", "--check").code == 0
    work = project.manifest.parent
    assert broken(work / "airflow") == []
    leftovers = [file for file in work.rglob("*") if file.suffix in {".tmp", ".new"} or ".new" in file.name]
    assert leftovers == []
    assert list((work / ".bootstrap" / "smoke").iterdir()) == []
    assert leaks(project.folder, CANARY, leave_out=work / ".bootstrap" / "stores" / "local" / "data") == []
    assert not any(CANARY.found_in(result.text.encode()) for result in project.transcript)


@pytest.mark.slow
def test_the_store_holds_each_connection_once_and_whole(project: Project) -> None:
    for moment in (3.0, 3.4, 3.8):
        kill_after(project, moment)
        time.sleep(0.1)
    assert project.run("register", **SECRET).code == 0
    listed = project.run("store", "list", "local", **SECRET).out.split()
    assert listed == [f"local:connections/{name}" for name in ("airflow_bootstrap_index", "one", "two")]
    assert project.run("plan", "--check", **SECRET).code == 0
