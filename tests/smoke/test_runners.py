"""Both ways to run checks, on one set of failures: they must agree in verdict, step and cause."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from bootstrap.airflow import session
from bootstrap.airflow.environment import Environment, locate
from bootstrap.manifest.loader import Manifest, load
from bootstrap.register.drift import Drift
from bootstrap.smoke import fork_runner, runner
from bootstrap.smoke.run import Settings, select, smoke
from bootstrap.smoke.verdict import CheckResult
from tests.project import migrated_home
from tests.systems.process import free_port

pytestmark = [pytest.mark.airflow, pytest.mark.usefixtures("airflow_session")]

MANIFEST = """
version: 1
airflow: {home: airflow}
connections:
  fine: {conn_type: http}
  unauthorized: {conn_type: http, checks: [{http: {path: "401"}}]}
  forbidden: {conn_type: http, checks: [{http: {path: "403"}}]}
  missing: {conn_type: http, checks: [{http: {path: "404"}}]}
  broken: {conn_type: http, checks: [{http: {path: "500"}}]}
  other: {conn_type: http, checks: [{http: {contains: "something else"}}]}
  closed: {conn_type: http}
  nowhere: {conn_type: http}
  silent: {conn_type: http}
  plain: {conn_type: http}
  nobody: {conn_type: http}
  unreadable: {conn_type: http}
"""
EXPECTED = {
    "fine": (None, None),
    "unauthorized": ("authenticate", "auth"),
    "forbidden": ("access", "permission"),
    "missing": ("access", "not_found"),
    "broken": ("access", "check_error"),
    "other": ("access", "check_error"),
    "closed": ("reach", "connection_refused"),
    "nowhere": ("reach", "dns"),
    "silent": ("access", "timeout"),
    "plain": ("reach", "tls"),
    "nobody": ("resolve", "secret_missing"),
    "unreadable": ("resolve", "secret_malformed"),
}


class Answer(BaseHTTPRequestHandler):
    """Answers with the status that the path names."""

    def do_GET(self) -> None:
        self.send_response(int(self.path.strip("/") or 200))
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
        """Say nothing."""


@pytest.fixture(scope="module")
def connections() -> Iterator[Mapping[str, str]]:
    """What each connection is, as Airflow reads it from its environment."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hosts = dict.fromkeys(EXPECTED, url) | {
            "closed": f"http://127.0.0.1:{free_port()}",
            "nowhere": "http://no-such-host.invalid",
            "silent": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "plain": url.replace("http:", "https:"),
        }
        found = {name: json.dumps({"conn_type": "http", "host": host}) for name, host in hosts.items()}
        found["unreadable"] = json.dumps({"conn_type": "http", "conn_id": "unreadable", "password": "canary-password"})
        del found["nobody"]
        yield {f"AIRFLOW_CONN_{name.upper()}": value for name, value in found.items()}
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, template: Path) -> tuple[Manifest, Environment]:
    file = tmp_path_factory.mktemp("runners") / "bootstrap.yaml"
    file.write_text(MANIFEST)
    migrated_home(file.parent, template)
    manifest = load(file)
    return manifest, locate(manifest)


def run(project: tuple[Manifest, Environment], selectors: list[str], **how: Any) -> dict[str, CheckResult]:
    manifest, environment = project
    settings = Settings(**{"jobs": 2, **how})
    chosen = select(manifest, selectors)
    report = smoke(manifest, environment, chosen, settings, drift=Drift(), on_result=lambda *_: None)
    return {check.connection: check for check in report.checks}


def outcome(check: CheckResult) -> tuple[Any, Any]:
    """The step that failed, and the cause."""
    return next((step.name for step in check.steps if step.status == "failed"), None), check.cause


@pytest.fixture
def with_connections(connections: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in connections.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("with_connections")
def test_forked_checks_tell_each_failure_from_the_others(project: tuple[Manifest, Environment]) -> None:
    found = run(project, [], isolated=False, jobs=3, timeout=8)
    assert {name: outcome(check) for name, check in found.items()} == EXPECTED
    assert "canary-password" not in "".join(check.message + check.hint for check in found.values())


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("with_connections")
def test_isolated_checks_agree(project: tuple[Manifest, Environment]) -> None:
    """The judge of the fast path: a plain `airflow tasks test` process for each."""
    found = run(project, [], isolated=True, timeout=12)
    assert {name: outcome(check) for name, check in found.items()} == EXPECTED


@pytest.mark.usefixtures("with_connections")
def test_a_run_leaves_no_process_and_no_file(project: tuple[Manifest, Environment]) -> None:
    manifest, environment = project
    before = {file: file.read_bytes() for file in environment.home.rglob("*") if file.is_file()}
    run(project, ["fine", "silent"], isolated=False, timeout=6)
    scratch = environment.state / "smoke"
    assert list(scratch.iterdir()) == []
    assert {file: file.read_bytes() for file in environment.home.rglob("*") if file.is_file()} == before
    lines = [file.read_bytes() for file in Path("/proc").glob("[0-9]*/cmdline") if os.access(file, os.R_OK)]
    assert not [line for line in lines if str(manifest.folder).encode() in line]


def test_an_airflow_that_does_not_start_fails_every_check_and_says_why(
    project: tuple[Manifest, Environment], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "no.such.Executor")
    monkeypatch.setenv("AIRFLOW__LOGGING__LOGGING_CONFIG_CLASS", "no_such_module.CONFIG")
    found = run(project, ["fine", "closed"], isolated=False)
    assert {outcome(check)[1] for check in found.values()} == {"check_error"}
    assert "no_such_module" in found["fine"].message


@pytest.mark.usefixtures("with_connections")
def test_a_start_that_hangs_is_ended(project: tuple[Manifest, Environment], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "_entered", [])  # an Airflow that is there already would begin at once
    monkeypatch.setattr(runner, "START_TIMEOUT", -5.8 - fork_runner.GRACE)  # leaves 0.2 s in all: less than any start
    found = run(project, ["fine"], isolated=False, timeout=6)
    assert found["fine"].status == "failed"


@pytest.mark.parametrize("isolated", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.usefixtures("with_connections")
def test_at_the_deadline_of_the_run_every_check_says_so(project: tuple[Manifest, Environment], isolated: bool) -> None:  # noqa: FBT001
    began = time.monotonic()
    found = run(project, ["fine", "silent", "plain"], isolated=isolated, jobs=1, deadline=20 if isolated else 8)
    assert time.monotonic() - began < 45
    assert list(found) == ["fine", "silent", "plain"]
    assert {name for name, check in found.items() if check.cause == "timeout"} >= {"silent", "plain"}
    assert "run's deadline came before the check had begun" in found["plain"].message
    assert "--deadline" in found["plain"].hint


@pytest.mark.usefixtures("with_connections")
def test_a_deadline_ends_a_check_that_has_begun(project: tuple[Manifest, Environment]) -> None:
    found = run(project, ["silent"], deadline=10)
    assert outcome(found["silent"]) == ("access", "timeout")
    assert found["silent"].message == "the run's deadline came before the end of `access`"
