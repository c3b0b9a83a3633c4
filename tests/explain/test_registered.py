"""A check proves the connection that was registered, from where the manifest says; whatever stands before it is told of."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bootstrap.airflow.environment import locate
from bootstrap.airflow.home import prepare_home
from bootstrap.checks.base import Diagnosed
from bootstrap.desired.resolve import SecretReader
from bootstrap.domain.connection import Connection
from bootstrap.explain import registered
from bootstrap.explain.registered import ExpectedKey
from bootstrap.manifest.loader import Manifest, load
from bootstrap.register import drift
from bootstrap.register.drift import Drift
from bootstrap.register.plan import plan
from bootstrap.rotation.verification import Prover
from bootstrap.smoke.run import Settings, select, smoke
from tests.systems.process import free_port

VAULT = 'stores: {v: {kind: vault, url: "http://127.0.0.1:1", mount: airflow}}\n'
CLASS = "airflow.secrets.local_filesystem.LocalFilesystemBackend"
KEY = "of this run"


class EnvironmentVariablesBackend:
    """Called as Airflow's."""


class MetastoreBackend:
    """Called as Airflow's."""


class ExecutionAPISecretsBackend:
    """Called as Airflow's."""


class MyBackend:
    """A class of the user's, which the manifest names by another module than its own."""

    url = "http://127.0.0.1:1"


def manifest(folder: Path, text: str) -> Manifest:
    file = folder / "bootstrap.yaml"
    file.write_text(f"version: 1\n{text}")
    return load(file)


def require(told: Mapping[str, Any], conn: Any, backend: Any) -> str:
    """What a check's process says; "" where nothing is wrong."""
    try:
        registered.require("web", conn, backend, "its place", json.loads(json.dumps(told)), KEY)
    except Diagnosed as err:
        return err.cause.message
    return ""


def airflows(found: Connection) -> SimpleNamespace:
    return SimpleNamespace(**{**vars(found), "extra_dejson": dict(found.extra or {})})


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("register: [{env: {}}]\n", {EnvironmentVariablesBackend}),
        ("register: [metadata]\n", {MetastoreBackend, ExecutionAPISecretsBackend}),
        (
            "register: [metadata, {env: {}}]\n",
            {EnvironmentVariablesBackend, MetastoreBackend, ExecutionAPISecretsBackend},
        ),
        ("register: [{file: {path: c.json}}]\n", {MyBackend}),
        (
            f"register: [{{env: {{}}}}]\nbackend: {{class: {__name__}.MyBackend}}\n",
            {EnvironmentVariablesBackend, MyBackend},
        ),
        (f"{VAULT}backend: {{store: v}}\n", set()),  # of none of these classes
        (f"register: [kubernetes]\nbackend: {{class: {__name__}.MyBackend}}\n", {MyBackend}),
        ("", {EnvironmentVariablesBackend, MetastoreBackend, ExecutionAPISecretsBackend, MyBackend}),
    ],
)
def test_the_source_is_one_that_the_manifest_registers_in(
    text: str, allowed: set[type], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving = SimpleNamespace(backend_class=f"{__name__}.MyBackend", kwargs={"url": MyBackend.url})
    vault = SimpleNamespace(backend_class="a.Vault", kwargs={})
    chosen = SimpleNamespace(secrets=vault if "vault" in text else serving, workers=None)
    monkeypatch.setattr(registered, "settings", lambda _: chosen)  # a class of this file is not installed
    told = registered.expecting(manifest(tmp_path, text), {}, {}, KEY)
    every = (EnvironmentVariablesBackend, MetastoreBackend, ExecutionAPISecretsBackend, MyBackend)
    passed = {kind for kind in every if not require(told, airflows(Connection("http")), kind())}
    assert passed == allowed


@pytest.mark.parametrize(
    ("register", "advised"), [("[{file: {path: c.json}}]", True), ("[metadata]", False), ("[]", False)]
)
def test_what_is_in_a_file_that_no_backend_reads_is_not_registered_again(
    register: str, tmp_path: Path, *, advised: bool
) -> None:
    told = registered.expecting(manifest(tmp_path, f"register: {register}\n"), {}, {}, KEY)
    assert ("LocalFilesystemBackend" in registered.advice(told)) is advised


FOUND = Connection("http", "said", "h", "u", "p", "s", 80, {"a": 1, "b": {"c": True}})


@pytest.mark.parametrize(
    ("change", "differing"),
    [
        ({}, ""),
        ({"description": None}, ""),
        ({"port": "80"}, ""),  # as a Vault has it
        ({"extra": {"b": {"c": True}, "a": 1.0}}, ""),
        ({"host": "other"}, "host differs"),
        ({"password": ""}, "password differs"),
        ({"login": "", "schema": None}, "login, schema differ"),
        ({"port": 81}, "port differs"),
        ({"conn_type": "https"}, "conn_type differs"),
        ({"extra": {"a": 1, "b": {"c": "True"}}}, "extra.b differs"),
        ({"extra": {"a": 1, "b": {"c": True}, "d": None}}, "extra.d differs"),
    ],
)
def test_every_field_is_as_it_was_registered(change: dict[str, Any], differing: str, tmp_path: Path) -> None:
    told = registered.expecting(manifest(tmp_path, "register: [{env: {}}]\n"), {"web": FOUND}, {}, KEY)
    assert "p" not in told["digests"]["web"].values()
    found = airflows(FOUND)
    vars(found).update({name: value for name, value in change.items() if name != "extra"})
    found.extra_dejson = change.get("extra", found.extra_dejson)
    said = require(told, found, EnvironmentVariablesBackend())
    assert said.endswith(differing) if differing else not said


def test_what_comes_from_a_store_may_be_rotated_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = """register: [{env: {}}]
stores: {e: {kind: env}}
connections:
  web: {conn_type: http, host: h, password: {secret: "e:P"}, extra: {a: {secret: "e:A"}, b: 2}}
  whole: {from: {secret: "e:W"}}
  extras: {conn_type: http, host: h, extra: {secret: "e:X"}}
"""
    for name, value in {"P": "p", "A": "1", "W": "http://h", "X": '{"c": 3}'}.items():
        monkeypatch.setenv(name, value)
    site = manifest(tmp_path, text)
    found = drift.find(site, locate(site), SecretReader(site))
    known = drift.registered(site, SecretReader(site))

    def said(conn_id: str, **change: Any) -> str:
        told = registered.expecting(site, {"web": known[conn_id]}, {"web": found.unsettled[conn_id]}, KEY)
        conn = airflows(known[conn_id])
        vars(conn).update(change)
        return require(told, conn, EnvironmentVariablesBackend())

    assert not said("web", password="new", extra_dejson={"a": "new", "b": 2})
    assert said("web", host="other").endswith("host differs")
    assert said("web", extra_dejson={"a": "1", "b": 3}).endswith("extra.b differs")
    assert not said("whole", host="other", password="new")
    assert not said("extras", extra_dejson={"d": 4})
    assert said("extras", port=1).endswith("port differs")


class Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
        """Say nothing."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Manifest]:
    folder = tmp_path_factory.mktemp("registered")
    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        found = manifest(
            folder,
            f"""
airflow: {{home: af}}
register: [{{env: {{}}}}]
connections:
  fine: {{conn_type: http, host: "{url}"}}
  overridden: {{conn_type: http, host: "http://127.0.0.1:{free_port()}"}}
  closed: {{conn_type: http, host: "http://127.0.0.1:{free_port()}"}}
""",
        )
        other = {"overridden": {"conn_type": "http", "host": url}}
        (folder / "other.json").write_text(json.dumps(other))
        prepare_home(locate(found))
        for target in found.register:
            list(plan(found, SecretReader(found), target).apply())
        yield found
        server.shutdown()


@pytest.fixture
def hostile(site: Manifest, monkeypatch: pytest.MonkeyPatch) -> Manifest:
    """In an environment with another backend, and with variables that our own processes would obey."""
    monkeypatch.setenv("AIRFLOW__SECRETS__BACKEND", CLASS)
    kwargs = {"connections_file_path": str(site.folder / "other.json")}
    monkeypatch.setenv("AIRFLOW__SECRETS__BACKEND_KWARGS", json.dumps(kwargs))
    monkeypatch.setenv("AIRFLOW_BOOTSTRAP_INPUTS", str(site.folder / "other.json"))
    monkeypatch.setenv("AIRFLOW_BOOTSTRAP_DIGEST_KEY", "0")
    return site


@pytest.mark.airflow
def test_a_check_passes_by_its_own_work_and_with_its_own_connection_alone(hostile: Manifest) -> None:
    found = Drift(registered=drift.registered(hostile, SecretReader(hostile)))
    chosen = select(hostile, [])
    report = smoke(hostile, locate(hostile), chosen, Settings(2), drift=found, on_result=lambda *_: None)
    results = {check.connection: check for check in report.checks}
    assert {name: check.status for name, check in results.items()} == {
        "fine": "passed",
        "overridden": "failed",
        "closed": "failed",
    }
    assert {"resolve", "access"} <= {step.name for step in results["fine"].steps}
    assert results["closed"].cause == "connection_refused"
    assert "has not registered it (env)" in results["overridden"].message
    assert results["overridden"].hint == "airflow-bootstrap explain overridden"


@pytest.mark.airflow
def test_a_variable_of_the_users_never_proves_the_key_of_a_rotation(hostile: Manifest) -> None:
    chosen = [spec for spec in select(hostile, []) if spec.connection == "closed"]
    prover = Prover(hostile, locate(hostile), chosen, Settings(1), lambda _: None)
    assert prover.live().state != "passed"


@pytest.mark.airflow
def test_another_key_than_the_one_that_is_put_in_use_proves_nothing(site: Manifest) -> None:
    chosen = [spec for spec in select(site, []) if spec.connection == "fine"]
    prover = Prover(site, locate(site), chosen, Settings(1), lambda _: None)
    own, other = (Connection("http", password=password) for password in (None, "the new one"))
    assert prover.live(ExpectedKey({"fine": own}, ("password",))).state == "passed"
    proof = prover.live(ExpectedKey({"fine": other}, ("password",)))
    assert (proof.state, proof.cause) == ("undecided", "check_error")
    assert "another key in" in proof.why
