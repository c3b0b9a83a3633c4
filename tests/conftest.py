"""What every test gets: an environment without this machine's Airflow and Vault, and its own memory of secrets."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from bootstrap import children, secret

FOREIGN = ("AIRFLOW", "VAULT_", "BAO_", "PG", "AWS_", "GOOGLE_", "NO_COLOR", "GITHUB_")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(FOREIGN) and name != "AWS_CA_BUNDLE":
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _forget_secrets() -> Iterator[None]:
    before = set(secret._known.values), list(secret._known.trusted)
    yield
    children._hidden.clear()
    secret._known = secret._Known(*before)
