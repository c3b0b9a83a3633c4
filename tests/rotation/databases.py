"""What the tests of database passwords have in common."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from bootstrap.domain.connection import Connection
from bootstrap.domain.reference import Reference
from bootstrap.domain.secret import Secret
from bootstrap.issuers.base import Attempt

ADMIN = {"secret": "team:admin"}


@dataclass
class Manifest:
    """A manifest with one secret, the admin's connection. These issuers ask for nothing else; stores have tests of their own."""

    admin: Connection
    connection: Connection | None
    folder: Path = Path()

    def value(self, reference: Reference) -> Secret:
        raise AssertionError(reference)

    def whole(self, reference: Reference) -> Connection:
        assert (reference.store, reference.path) == ("team", "admin")
        return self.admin

    def store(self, name: str) -> Any:
        raise AssertionError(name)


def attempt(current: str | None, *known: str, age: float = 0) -> Attempt:
    """One that began `age` seconds ago."""
    return Attempt("run-1", datetime.now(timezone.utc) - timedelta(seconds=age), current, known)
