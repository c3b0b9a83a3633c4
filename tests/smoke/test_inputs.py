"""What a check's process is told: one JSON object in a private file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bootstrap.domain.connection import Connection
from bootstrap.explain import registered
from bootstrap.explain.registered import ExpectedKey
from bootstrap.manifest.loader import load
from bootstrap.smoke.inputs import DIGEST_KEY, VARIABLE, TaskInputs
from bootstrap.smoke.receipt import Receipt
from tests.project import Canary

MANIFEST = """
version: 1
airflow: {dags: dags}
stores: {s: {kind: env}}
register: [{env: {}}]
connections:
  web:
    conn_type: http
    password: {secret: "s:WEB_PASSWORD"}
    checks: [http: {path: /health}, http: {path: 'a "b" ü', expect_status: [200, 204]}, python: {callable: a.b}]
"""


def test_a_process_is_told_what_the_manifest_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bootstrap.yaml").write_text(MANIFEST)
    manifest = load(tmp_path / "bootstrap.yaml")
    (tmp_path / "bootstrap.yaml").unlink()  # nobody reads it again
    [(variable, file)] = TaskInputs.of(manifest).write(tmp_path / "inputs").items()
    monkeypatch.setenv(variable, file)
    told = TaskInputs.of_this_process()
    assert (variable, told) == (VARIABLE, TaskInputs.of(manifest))
    assert [spec.params for spec in told.checks] == [spec.params for spec in manifest.checks["web"]]
    assert told.hidden == ["WEB_PASSWORD"]
    assert told.folders == [str(tmp_path), str(tmp_path / "dags")]


def test_the_file_is_private_and_has_neither_a_secret_nor_the_key_of_its_digests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    canary = Canary()
    text = MANIFEST.replace('{secret: "s:WEB_PASSWORD"}', json.dumps(canary.value))
    (tmp_path / "bootstrap.yaml").write_text(text)
    manifest = load(tmp_path / "bootstrap.yaml", allow_plaintext=True)
    conn = Connection("http", password=canary.value)
    inputs = TaskInputs(
        checks=[],
        folders=[],
        hidden=[],
        trusted=TaskInputs.of(manifest).trusted,
        receipt=Receipt("run-0", "nonce", tmp_path / "receipt"),
        registered=registered.expecting(manifest, {"web": conn}, {}, "key-of-this-run"),
        expected=ExpectedKey({"web": conn}, ("password",)).told("key-of-this-run"),
    )
    for name, value in inputs.write(tmp_path / "inputs").items():
        monkeypatch.setenv(name, value)
    written = (tmp_path / "inputs").read_bytes()
    assert not canary.found_in(written)
    assert b"key-of-this-run" not in written
    assert (tmp_path / "inputs").stat().st_mode & 0o777 == 0o600
    monkeypatch.setenv(DIGEST_KEY, "key-of-this-run")
    told = TaskInputs.of_this_process()
    assert (told, told.key) == (inputs, "key-of-this-run")


def test_a_task_is_told_of_its_own_connections_alone(tmp_path: Path) -> None:
    (tmp_path / "bootstrap.yaml").write_text(MANIFEST)
    manifest = load(tmp_path / "bootstrap.yaml")
    both = {name: Connection("http", password=name) for name in ("web", "other")}
    inputs = TaskInputs(
        registered=registered.expecting(manifest, both, {"web": ["password"]}, "key"),
        expected=ExpectedKey(both, ("password",)).told("key"),
    )
    told = inputs.about(["web", "gone"])
    assert told.registered == registered.expecting(manifest, {"web": both["web"]}, {"web": ["password"]}, "key")
    assert told.expected == ExpectedKey({"web": both["web"]}, ("password",)).told("key")
