"""What a target is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from bootstrap.connection import Connection
from bootstrap.errors import StoreError
from bootstrap.stores.base import Version

Action = Literal["create", "update", "unchanged"]


@dataclass(frozen=True)
class Registered:
    """A connection as a target holds it: never a value, only fingerprints of its fields.

    `malformed` says why Airflow could not read it; its fields are then unknown.
    """

    fields: Mapping[str, str]
    version: Version
    malformed: str = ""


@dataclass(frozen=True)
class Change:
    """What has to happen to one connection. `expect` is the version it was compared with; None: it wasn't there."""

    conn_id: str
    action: Action
    fields: tuple[str, ...]
    connection: Connection
    expect: Version | None


@dataclass(frozen=True)
class Applied:
    """What happened to one connection; `error` where it didn't."""

    conn_id: str
    action: Action
    where: str
    error: StoreError | None = None

    @property
    def done(self) -> str:
        """What happened, for people."""
        if self.error is not None:
            return "failed"
        return {"create": "created", "update": "updated", "unchanged": "unchanged"}[self.action]


class Target(Protocol):
    """A place where Airflow finds connections."""

    def where(self, conn_id: str) -> str:
        """The place of one connection, for people."""
        ...

    def registered(self, conn_ids: Iterable[str]) -> Mapping[str, Registered]:
        """Those of the connections that are there. Raises StoreError if the target can't be read."""
        ...

    def apply(self, changes: Sequence[Change]) -> Iterator[Applied]:
        """Make the changes, each with check-and-set against what it was compared with."""
        ...
