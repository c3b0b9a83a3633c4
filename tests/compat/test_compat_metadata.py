"""Connections in the metadata database of every Airflow that is supported: what Airflow reads is what was written."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.project import Canary, Project, leaks
from tests.systems.server import write_private

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(600), pytest.mark.usefixtures("warm_command_line")]

READ = """
import json, os, sys
answer = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # Airflow logs to stdout
from airflow.models.connection import Connection

def fields(conn_id):
    read = Connection.get_connection_from_secrets(conn_id)
    return [read.conn_type, read.description, read.host, read.login, read.password, read.schema, read.port, json.loads(read.extra or "null"), read.is_encrypted, read.is_extra_encrypted]

json.dump({conn_id: fields(conn_id) for conn_id in sys.argv[1:]}, answer)
"""


def airflow_reads(project: Project, *conn_ids: str) -> dict[str, list[Any]]:
    env = {
        **project.environment(),
        "AIRFLOW_HOME": str(project.manifest.parent / "airflow"),
        "PYTHONWARNINGS": "ignore",
    }
    done = subprocess.run(
        [sys.executable, "-c", READ, *conn_ids], env=env, check=True, capture_output=True, text=True, timeout=240
    )
    found: dict[str, list[Any]] = json.loads(done.stdout)
    return found


@pytest.fixture
def canary() -> Canary:
    return Canary()


@pytest.fixture
def port(canary: Canary) -> Iterator[int]:
    """Where the canary is a password that is asked for."""
    wanted = base64.b64encode(f"u:{canary.core}".encode()).decode()

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.headers.get("Authorization") == f"Basic {wanted}" else 401)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def make(project: Project, template: Path, canary: Canary, port: int) -> None:
    """A project with a home, a migrated database, and a store with the canary."""
    text, secret = "a line\nanother, ü€", {"secret": "files:db#password"}
    connections: dict[str, dict[str, Any]] = {
        "full": {"conn_type": "postgres", "description": text, "host": text, "login": text, "schema": "s", "port": 1},
        "empty": {"conn_type": "http", "host": "", "checks": []},
        "bare": {"conn_type": "http", "checks": []},
    }
    connections["full"] |= {"password": secret, "extra": {"a": [{"b": secret, "c": None}], "d": 1.5}, "checks": []}
    web = {"conn_type": "http", "host": "127.0.0.1", "port": port, "login": "u", "extra": {"verify": False}}
    connections["web"] = {**web, "password": {"secret": "files:db#core"}}
    document = {
        "version": 1,
        "airflow": {"home": "airflow", "fernet_key": {"every": "180d", "grace": "0s"}},
        "stores": {"files": {"kind": "file", "path": "store/secrets.yaml"}},
        "register": ["metadata"],
        "connections": connections,
    }
    project.write(yaml.safe_dump(document))
    (project.manifest.parent / "store").mkdir()
    write_private(
        project.manifest.parent / "store" / "secrets.yaml",
        yaml.safe_dump({"db": {"password": canary.value, "core": canary.core}}),
    )
    project.with_airflow(template)


@pytest.mark.contract("metadata database")
def test_airflow_reads_what_register_wrote(tmp_path: Path, template: Path, canary: Canary, port: int) -> None:
    project = Project(tmp_path)
    make(project, template, canary, port)
    result = project.run("register")
    assert (result.code, result.out.count("created at metadata database")) == (0, 4), result.text
    text = "a line\nanother, ü€"
    extra = {"a": [{"b": canary.value, "c": None}], "d": 1.5}
    assert airflow_reads(project, "full", "empty", "bare") == {
        "full": ["postgres", text, text, text, canary.value, "s", 1, extra, True, True],
        "empty": ["http", None, "", None, None, None, None, None, False, False],
        "bare": ["http", None, None, None, None, None, None, None, False, False],
    }
    result = project.run("register")
    assert (result.code, "nothing to change" in result.text) == (0, True), result.text
    project.write(project.manifest.read_text().replace("port: 1", "port: 2"))
    result = project.run("register")
    assert "full: updated" in result.out, result.text
    assert airflow_reads(project, "full")["full"][6] == 2
    home = project.manifest.parent / "airflow"
    before = {file: file.read_bytes() for file in home.iterdir() if file.is_file()}
    for how in ((), ("--isolated",)):
        code, checks, result = project.smoke(*how)
        assert code == 0, result.text
        details = {step["name"]: step["detail"] for step in checks["web.http"]["steps"]}
        assert details["resolve"] == "metadata database"
        assert details["authenticate"] == "the server asked for the credential and took it"
    assert before == {file: file.read_bytes() for file in home.iterdir() if file.is_file()}
    assert leaks(tmp_path, canary, leave_out=project.manifest.parent / "store") == []


@pytest.mark.contract("Fernet rotation")
def test_airflow_reads_every_value_with_the_new_key_alone(
    tmp_path: Path, template: Path, canary: Canary, port: int
) -> None:
    project = Project(tmp_path)
    make(project, template, canary, port)
    assert project.run("register").code == 0
    config = project.manifest.parent / "airflow" / "airflow.cfg"
    before, [old] = airflow_reads(project, "full"), re.findall(r"fernet_key = (.*)", config.read_text())
    result = project.run("rotate", "airflow:fernet_key")
    assert result.code == 0, result.text
    [new] = re.findall(r"fernet_key = (.*)", config.read_text())
    assert old not in new
    assert "," not in new
    assert airflow_reads(project, "full") == before
    assert before["full"][4] == canary.value
    assert leaks(tmp_path, canary, leave_out=project.manifest.parent / "store") == []
