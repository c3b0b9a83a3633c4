"""What the tests of Google Secret Manager have in common."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from bootstrap.errors import Exit, Malformed, NotFound, StoreError
from bootstrap.stores.base import Context
from bootstrap.stores.google import secret_manager as gsm
from tests.stores.contract import CANARY
from tests.systems import require, secret_manager
from tests.systems.server import write_private

Opened: TypeAlias = Callable[..., gsm.GoogleStore]
PATH = "databases-warehouse"
NAME = f"projects/proj/secrets/{PATH}"


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
    """A store called "team", for a new key of an account, or for what `auth` says."""

    def store(email: str = secret_manager.EMAIL, **options: Any) -> gsm.GoogleStore:
        if "auth" not in options:
            file = "key.json" if email == secret_manager.EMAIL else f"{email}.json"
            write_private(tmp_path / file, json.dumps(server.service_account(email)))
            options["auth"] = {"method": "key_file", "file": file}
        given = {"kind": "google_secret_manager", "project": "proj", **options}
        return gsm.open_store(gsm.Options.model_validate(given), Context("team", tmp_path))

    return store


def failure(kind: type[StoreError], ask: Callable[[], object]) -> StoreError:
    """The failure, which is of exactly this kind, says where and what next, and shows nothing."""
    with pytest.raises(StoreError) as caught:
        ask()
    error = caught.value
    assert type(error) is kind, error.message
    assert error.exit_code == (Exit.FAILED if issubclass(kind, NotFound | Malformed) else Exit.STORE)
    assert f"team:{PATH}" in error.message or "store team:" in error.message
    assert error.hint
    assert CANARY not in f"{error.message} {error.hint}"
    assert "PRIVATE KEY" not in f"{error.message} {error.hint}"
    assert "\n" not in error.message
    return error
