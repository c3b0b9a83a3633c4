"""Google Secret Manager passes the contract of a store: global secrets, and those of a location."""

from __future__ import annotations

from typing import Any

import pytest

from bootstrap.stores.base import Store
from bootstrap.stores.google import secret_manager as gsm
from tests.stores.contract import ComparedDeletingContract, Delete, DeniedContract, RetiringContract
from tests.stores.google.bench import Opened, opened, server
from tests.systems import secret_manager
from tests.systems.secret_manager_api import METHODS

__all__ = ["opened", "server"]  # fixtures
NOBODY = "nobody@proj.iam.gserviceaccount.com"


class Google(RetiringContract, ComparedDeletingContract, DeniedContract):
    PATH = "databases-warehouse"
    LEGAL = "a-b_c-Zz09_-"
    ILLEGAL = ("", "/", "a/b", "a b", "a.b", "ü", "a\n", "a\x7fb", "..", "x" * 256, "a:b", "²")
    NO_VERSIONS = ("7", "0", "-1", "²", "9" * 30, "no-alias", "1/x", "")
    KEEPS_EMPTY = False
    TELLS_CREATED = False
    TREE = ("databases-eu-orders", "databases-warehouse", "databases_x", "databasesx", "keys-a")
    BELOW = ("databases", ("databases-eu-orders", "databases-warehouse"))
    OPTIONS: dict[str, Any] = {}

    @pytest.fixture
    def store(self, opened: Opened) -> Store:
        return opened(**self.OPTIONS)

    @pytest.fixture
    def denied(self, opened: Opened, server: secret_manager.SecretManager) -> Store:
        for method in METHODS.values():
            server.deny(method.permission, NOBODY)
        return opened(NOBODY, **self.OPTIONS)

    @pytest.fixture
    def destroy(self, store: gsm.GoogleStore) -> Delete:
        return store.destroy

    @pytest.fixture
    def delete(self, store: gsm.GoogleStore) -> Delete:
        return store.destroy  # one version can be taken away in no other way


class TestGlobal(Google):
    pass


class TestRegional(Google):
    OPTIONS = {"location": secret_manager.REGION}
