"""What every test gets: an environment without this machine's Airflow and Vault, and its own memory of secrets."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from bootstrap.domain import secret
from bootstrap.util import children

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # as of what a shell runs in the background: tests send ^C
    signal.signal(signal.SIGINT, signal.default_int_handler)

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
