"""Many secrets at a time over one channel, against Airflow's backend, which opens one for each look-up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bootstrap.stores import google_secret_manager as gsm
from bootstrap.stores.base import Context, Stored
from bootstrap.stores.google_client import _bucket
from bootstrap.stores.reading import read_many
from tests.systems import require
from tests.systems.secret_manager_process import apart
from tests.systems.server import write_private

COUNT, LOOK_UPS = 300, 30
BACKEND = """
import sys, time

from airflow.providers.google.cloud.secrets.secret_manager import CloudSecretManagerBackend

backend = CloudSecretManagerBackend(gcp_key_path=sys.argv[1], project_id="proj")
backend.get_conn_value("0")
start = time.perf_counter()
for number in range(int(sys.argv[2])):
    assert backend.get_conn_value(str(number)) is not None
print((time.perf_counter() - start) / int(sys.argv[2]))
"""


@pytest.mark.airflow
def test_reading_is_ten_times_as_fast_as_airflows_look_ups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require("google.cloud.secretmanager_v1", "make test")
    with apart() as server:
        for number in range(COUNT):
            server.put("proj", f"airflow-connections-{number}", "postgres://etl:x@db/dwh")
        write_private(tmp_path / "key.json", json.dumps(server.key))
        clean = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        env = {**clean, "HOME": str(tmp_path), "AIRFLOW_HOME": str(tmp_path), **server.environment}
        argv = [sys.executable, "-c", BACKEND, str(tmp_path / "key.json"), str(LOOK_UPS)]
        done = subprocess.run(argv, env=env, check=True, capture_output=True, text=True, timeout=120)
        theirs = float(done.stdout.splitlines()[-1])
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        before = server.requests()
        ours = _seconds_of_one(tmp_path)
        assert server.requests() - before == COUNT + 1  # and the ping
    assert theirs > 10 * ours, f"{theirs:.4f} s against {ours:.4f} s"


def _seconds_of_one(folder: Path) -> float:
    auth = {"method": "key_file", "file": "key.json"}
    options = {"kind": "google_secret_manager", "project": "proj", "auth": auth}
    store = gsm.open_store(gsm.Options.model_validate(options), Context("team", folder))
    store.ping()
    start = time.perf_counter()
    found = read_many("team", store, [(f"airflow-connections-{number}", None) for number in range(COUNT)])
    seconds = time.perf_counter() - start
    assert all(isinstance(stored, Stored) for stored in found.values())
    return seconds / COUNT


def test_a_quota_is_kept_in_any_minute() -> None:
    for quota in (1, 2, 600, 90_000):
        bucket = _bucket(quota)
        assert bucket.burst + bucket.per_minute <= max(2, quota)
