"""Google Secret Manager passes the contract of a store: global secrets, and those of a location."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bootstrap.stores import google_secret_manager as gsm
from bootstrap.stores.base import Context, Store
from tests.stores.contract import Delete, DeniedContract, RetiringContract
from tests.systems import require, secret_manager
from tests.systems.secret_manager_api import METHODS
from tests.systems.server import write_private

Opened = Callable[..., gsm.GoogleStore]
NOBODY = "nobody@proj.iam.gserviceaccount.com"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[secret_manager.SecretManager]:
    """A server that shows projects by their number, as Google does, and three secrets on a page."""
    require("google.cloud.secretmanager_v1", "make test")
    with secret_manager.running() as running:
        running.secrets.numbered = "123456789012"
        running.secrets.page = 3
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.fixture
def opened(server: secret_manager.SecretManager, tmp_path: Path) -> Opened:
    """A store called "team", for a new key of this account."""

    def store(email: str = secret_manager.EMAIL, **options: Any) -> gsm.GoogleStore:
        write_private(tmp_path / f"{email}.json", json.dumps(server.service_account(email)))
        auth = {"method": "key_file", "file": f"{email}.json"}
        given = {"kind": "google_secret_manager", "project": "proj", "auth": auth, **options}
        return gsm.open_store(gsm.Options.model_validate(given), Context("team", tmp_path))

    return store


class Google(RetiringContract, DeniedContract):
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
