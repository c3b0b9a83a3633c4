"""What must hold on every Airflow that is supported: `make compat` runs this on the newest and on the oldest.

Airflow 3's `tasks test` exits 0 when the task failed, 2.11's exits 1; the verdict must be the same.
"""

from __future__ import annotations

import json
import re
import sqlite3
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from bootstrap.stores.embedded import certificate
from tests.project import Canary, Project, leaks, steps
from tests.systems import gcs

pytestmark = pytest.mark.airflow

MANIFEST = """
version: 1
airflow: {{home: airflow, env: {{STORAGE_EMULATOR_HOST: "{gcs}"}}}}
connections:
  fine: {{conn_type: http, checks: [{{http: {{contains: hello}}}}]}}
  broken: {{conn_type: http, checks: [{{http: {{path: "500"}}}}]}}
  denied: {{conn_type: http, checks: [{{http: {{path: "401"}}}}]}}
  nobody: {{conn_type: http}}
  bucket: {{conn_type: google_cloud_platform, checks: [{{gcs: {{bucket: smoke}}}}]}}
  trusted: {{conn_type: http, checks: [{{http: {{expect_text: hello}}}}]}}
  unchecked: {{conn_type: http, checks: [{{http: {{expect_text: hello}}}}]}}
  untrusted: {{conn_type: http, checks: [{{http: {{expect_text: hello}}}}]}}
  nowhere: {{conn_type: google_cloud_platform, checks: [{{gcs: {{bucket: not-there}}}}]}}
profiles:
  silent: {{connections: {{fine: {{checks: [{{http: {{path: never}}}}]}}}}}}
"""
FAILED = {
    "broken.http": ("access", "check_error"),
    "denied.http": ("authenticate", "auth"),
    "nobody.http": ("resolve", "secret_missing"),
    "untrusted.http": ("reach", "tls"),
    "nowhere.gcs": ("access", "not_found"),
}


class Answer(BaseHTTPRequestHandler):
    """Answers with the status that the path names."""

    def do_GET(self) -> None:
        if self.path == "/never":
            time.sleep(30)
        self.send_response(int(self.path.strip("/") or 200))
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def canary() -> Canary:
    return Canary()


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[gcs.Gcs]:
    with gcs.running(tmp_path_factory.mktemp("gcs")) as server:
        server.make_bucket("smoke")
        yield server


@pytest.fixture(scope="module")
def with_tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Connections to a server whose certificate a CA of its own has signed: `verify` in extra names it, or trusts anybody."""
    ca, own = (tmp_path_factory.mktemp("tls") / name for name in ("ca.pem", "own.pem"))
    for file, pem in zip((ca, own), certificate.make(), strict=True):
        file.write_bytes(pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    conn = {"conn_type": "http", "host": f"https://127.0.0.1:{server.server_address[1]}"}
    extras = {"trusted": {"verify": str(ca)}, "unchecked": {"verify": False}, "untrusted": {}}
    yield {name: {**conn, "extra": extra} for name, extra in extras.items()}
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def connections(canary: Canary, with_tls: dict[str, Any]) -> Iterator[dict[str, str]]:
    """As Airflow reads them from its environment."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    http = {"conn_type": "http", "host": f"http://127.0.0.1:{server.server_address[1]}", "password": canary.value}
    google = {"conn_type": "google_cloud_platform", "extra": {"project": "proj", "is_anonymous": True}}
    every = {"fine": http, "broken": http, "denied": http, "bucket": google, "nowhere": google}
    every |= with_tls
    yield {f"AIRFLOW_CONN_{name.upper()}": json.dumps(value) for name, value in every.items()}
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, storage: gcs.Gcs, connections: dict[str, str]) -> Project:
    made = Project(tmp_path_factory.mktemp("compat"))
    made.write(MANIFEST.format(gcs=storage.url))
    made.run("up", "--json", "-", **connections)
    return made


def outcome(check: dict[str, Any]) -> tuple[str, str]:
    return next(name for name, status in steps(check).items() if status == "failed"), check["cause"]


@pytest.mark.contract("verdict")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("how", [(), ("--isolated",)], ids=["forked", "isolated"])
def test_a_failing_task_is_exit_code_1_and_a_passing_one_0(
    project: Project, connections: dict[str, str], storage: gcs.Gcs, canary: Canary, how: tuple[str, ...]
) -> None:
    result = project.smoke(*how, **connections)[2] if how else project.transcript[0]  # forked: of `up`
    assert result.code == 1, result.text
    assert result.json()["airflow"] == version("apache-airflow")
    checks = {check["id"]: check for check in result.json()["checks"]}
    assert len(checks) == 9
    failed = {name: outcome(check) for name, check in checks.items() if check["status"] == "failed"}
    assert failed == FAILED
    assert steps(checks["bucket.gcs"])["clean"] == "passed"
    assert storage.objects("smoke") == []
    assert not canary.found_in(result.text.encode())
    code, checks, result = project.smoke("fine", "bucket", *how, **connections)
    assert (code, len(checks)) == (0, 2), result.text


@pytest.mark.contract("deadlines")
@pytest.mark.usefixtures("warm_command_line")
def test_a_server_that_never_answers_is_waited_for_until_the_deadline(
    project: Project, connections: dict[str, str]
) -> None:
    asked = ("smoke", "fine", "--timeout", "3", "--json", "-")
    result = project.run(*asked, before=("--profile", "silent"), **connections)
    [check] = result.json()["checks"]
    assert (result.code, outcome(check)) == (1, ("access", "timeout")), result.text


@pytest.mark.contract("tasks test")
def test_by_hand_a_failure_is_what_this_release_makes_of_it(project: Project, connections: dict[str, str]) -> None:
    """Airflow 3 exits 0 all the same, and only its log has the state."""
    script = project.run("smoke", "--show-command", "broken", **connections).out
    script = re.sub(r"sqlite:///\S+", f"sqlite:///{project.folder / 'by-hand.db'}", script)
    environment = project.environment(**connections)
    done = subprocess.run(["bash", "-e"], input=script, env=environment, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == (1 if version("apache-airflow").startswith("2.") else 0), said
    assert "500 Internal Server Error for /500" in said, said
    assert not re.search(r"new_state=success|Marking task as SUCCESS", said), said


@pytest.mark.contract("nothing is left")
def test_nothing_is_left(project: Project, canary: Canary) -> None:
    assert list(Path(project.manifest.parent, ".bootstrap", "smoke").iterdir()) == []
    assert leaks(project.folder, canary, leave_out=project.folder / "no-store") == []
    [file] = (project.manifest.parent / "airflow").rglob("*.db")
    with closing(sqlite3.connect(file)) as database:
        for table in ("dag", "dag_run", "task_instance", "connection"):
            assert database.execute(f"SELECT * FROM {table}").fetchall() == []  # noqa: S608
