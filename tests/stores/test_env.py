"""Environment variables pass the contract of a store."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bootstrap.errors import Exit, Malformed
from bootstrap.stores import env
from bootstrap.stores.base import Context, Store
from tests.stores.contract import Put, ReadOnlyContract, assert_tells


class TestEnv(ReadOnlyContract):
    PATH = "WAREHOUSE"
    TREE = ("DB_ORDERS", "DB_USERS", "KEY_A")
    BELOW = ("DB_", ("DB_ORDERS", "DB_USERS"))

    @pytest.fixture
    def store(self) -> Store:
        return env.open_store(env.Options(kind="env", prefix="CONTRACT_"), Context("team", Path()))

    @pytest.fixture
    def put(self, monkeypatch: pytest.MonkeyPatch) -> Put:
        def export(path: str, value: str | Mapping[str, Any]) -> None:
            monkeypatch.setenv(f"CONTRACT_{path}", value if isinstance(value, str) else json.dumps(value))

        return export

    def test_bytes_that_are_no_text_are_malformed(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CONTRACT_RAW", os.fsdecode(b"caf\xe9"))
        with pytest.raises(Malformed, match="is not text") as caught:
            store.read("RAW")
        assert_tells(caught.value, "RAW", Exit.FAILED)
