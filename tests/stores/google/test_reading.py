"""Many secrets at a time: a request for each, and the quotas kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bootstrap.stores.base import Context, Stored, read_many
from bootstrap.stores.google import secret_manager as gsm
from bootstrap.stores.google.client import _bucket
from tests.systems import require
from tests.systems.secret_manager_process import apart
from tests.systems.server import write_private

COUNT = 300


def test_each_secret_is_one_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require("google.cloud.secretmanager_v1", "make test")
    with apart() as server:
        for number in range(COUNT):
            server.put("proj", f"airflow-connections-{number}", "postgres://etl:x@db/dwh")
        write_private(tmp_path / "key.json", json.dumps(server.key))
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        auth = {"method": "key_file", "file": "key.json"}
        options = {"kind": "google_secret_manager", "project": "proj", "auth": auth}
        store = gsm.open_store(gsm.Options.model_validate(options), Context("team", tmp_path))
        before = server.requests()
        found = read_many("team", store, [(f"airflow-connections-{number}", None) for number in range(COUNT)])
        assert server.requests() - before == COUNT
    assert all(isinstance(stored, Stored) for stored in found.values())


def test_a_quota_is_kept_in_any_minute() -> None:
    for quota in (1, 2, 600, 90_000):
        bucket = _bucket(quota)
        assert bucket.burst + bucket.per_minute <= max(2, quota)
