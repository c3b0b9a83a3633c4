"""Which connections the DAGs use, beside `doctor`, `up` and `smoke`: said in one line, and never a reason to fail."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from bootstrap.airflow.environment import locate
from bootstrap.desired.resolve import SecretReader
from bootstrap.doctor import Finding, examine, worst
from bootstrap.errors import Exit
from bootstrap.manifest.loader import Manifest, load
from bootstrap.scan.manifest import used
from bootstrap.util import children

DAG = """\
from airflow import DAG
from airflow.providers.http.hooks.http import HttpHook
from airflow.providers.postgres.hooks.postgres import PostgresHook

with DAG("orders"):
    pass


def load():
    PostgresHook("warehouse")
    PostgresHook(postgres_conn_id="archive")
    HttpHook()
"""
MANIFEST = (
    "version: 1\nairflow: {home: airflow, dags: dags}\nconnections:\n  archive: {conn_type: generic, checks: []}\n"
)


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "orders.py").write_text(DAG)
    (tmp_path / "bootstrap.yaml").write_text(MANIFEST)
    return load(tmp_path / "bootstrap.yaml")


def _findings(manifest: Manifest) -> list[Finding]:
    return list(examine(manifest, locate(manifest), SecretReader(manifest)))


def _found(manifest: Manifest, patience: float = 60.0) -> Mapping[str, used.Need] | None:
    with used.searching(manifest) as search:
        assert search is not None
        return search.found(patience)


def test_doctor_names_in_one_line_what_the_manifest_lacks_and_does_not_fail(
    manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(used, "PATIENCE", 60.0)  # this machine may be busy
    _found(manifest)
    found = _findings(manifest)
    [warning] = [each for each in found if each.warning and each.subject == "dags"]
    assert warning.message == "2 connections that the DAGs use are not declared: http_default, warehouse"
    assert warning.fix == "airflow-bootstrap scan --update"
    assert worst(found) == Exit.OK


def test_nothing_is_said_where_all_are_declared(manifest: Manifest) -> None:
    (manifest.folder / "dags" / "orders.py").write_text(DAG.replace("HttpHook()", "").replace("warehouse", "archive"))
    assert _found(manifest) == {
        "archive": used.Need(
            ("orders.py:10 PostgresHook.postgres_conn_id", "orders.py:11 PostgresHook.postgres_conn_id")
        )
    }
    assert not [each for each in _findings(manifest) if each.warning and each.subject == "dags"]


def test_the_answer_is_kept_until_a_file_changes(manifest: Manifest) -> None:
    cache = manifest.folder / "cache"
    cache.mkdir()
    dags = manifest.folder / "dags"
    assert list(used.used(dags, cache)) == ["archive", "http_default", "warehouse"]
    kept = (cache / "dags-need.json").read_bytes()
    assert list(used.used(dags, cache)) == ["archive", "http_default", "warehouse"]
    assert (cache / "dags-need.json").read_bytes() == kept
    (dags / "orders.py").write_text(DAG.replace("warehouse", "lake"))
    assert list(used.used(dags, cache)) == ["archive", "http_default", "lake"]
    (dags / "new.py").write_text(DAG.replace("warehouse", "other"))
    assert "other" in used.used(dags, cache)


def test_a_search_that_crashes_is_a_warning_and_nothing_more(
    manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(children, "command", lambda *_: ["sh", "-c", "kill -SEGV $$"])
    found = _findings(manifest)
    [warning] = [each for each in found if each.warning and each.subject == "dags"]
    assert "could not be found out" in warning.message
    assert worst(found) == Exit.OK


def test_a_search_that_hangs_is_given_up_and_leaves_no_process(
    manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(children, "command", lambda *_: ["sh", "-c", "exec sleep 600"])
    began = time.monotonic()
    with used.searching(manifest) as search:
        assert search is not None
        assert search.found(0.2) is None
    assert time.monotonic() - began < 30
    with pytest.raises(ProcessLookupError):
        os.kill(search.process.pid, 0)


def test_without_a_folder_of_dags_there_is_no_search(tmp_path: Path) -> None:
    (tmp_path / "bootstrap.yaml").write_text("version: 1\nconnections: {a: {conn_type: http}}\n")
    with used.searching(load(tmp_path / "bootstrap.yaml")) as search:
        assert search is None
