"""The contract of a target."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from bootstrap.domain.connection import Connection
from bootstrap.domain.variable import Variable
from bootstrap.errors import Denied, StoreError
from bootstrap.stores.base import Version

Kind: TypeAlias = Literal["connection", "variable"]
Content: TypeAlias = Connection | Variable
Action = Literal["create", "update", "delete", "unchanged"]
_DONE = {"create": "created", "update": "updated", "delete": "deleted", "unchanged": "unchanged"}


@dataclass(frozen=True, order=True)
class Key:
    """What is registered: a connection by its conn_id, or a variable by its key."""

    kind: Kind
    name: str

    def __str__(self) -> str:
        """For people: conn_ids as they are, since most is about them."""
        return self.name if self.kind == "connection" else f"variable {self.name}"


@dataclass(frozen=True)
class Registered:
    """A connection or variable as a target holds it: never a value, only fingerprints of its fields.

    `malformed` says why Airflow could not read it; its fields are then unknown. `undecryptable`: for want of the Fernet key that encrypted
    it. `owner` is whose manifest registered it, as far as is known; `changed`: somebody else has written it since; `pending`: a run
    ended before it could tell. `seen` tells it apart in other processes, too, where `version` doesn't: a digest of it, for nobody
    to see. `error`: the owner's, and may not be read, which matters to nobody who doesn't delete it.
    """

    fields: Mapping[str, str]
    version: Version
    malformed: str = ""
    undecryptable: bool = False
    seen: str = field(default="", repr=False)
    error: Denied | None = None
    owner: str | None = None
    changed: bool = False
    pending: bool = False


@dataclass(frozen=True)
class Change:
    """What has to happen to one of them. `expect` is the version it was compared with; None: it wasn't there.

    `content` is None for what is deleted; `seen` is as in Registered. `mark`: it is ours and as it should be, and only its mark is not.
    """

    key: Key
    action: Action
    fields: tuple[str, ...]
    content: Content | None
    expect: Version | None
    mark: bool = False
    seen: str = field(default="", repr=False)


@dataclass(frozen=True)
class Applied:
    """What happened to one of them; `error` where it didn't."""

    key: Key
    action: Action
    where: str
    error: StoreError | None = None

    @property
    def done(self) -> str:
        """What happened, for people."""
        return "failed" if self.error is not None else _DONE[self.action]


class Target(Protocol):
    """A place where Airflow finds connections and variables. It knows whose manifest it works for, the owner.

    `shared`: whether others use it, too, and `up` asks before it changes anything there; known after `registered`.
    """

    @property
    def shared(self) -> bool:
        """True if others depend on it, too."""

    def where(self, key: Key) -> str:
        """The place of one of them, for people."""

    def registered(self, wanted: Mapping[Key, Content]) -> Mapping[Key, Registered]:
        """Which of `wanted` exist, and what else this owner has registered there.

        `wanted` tells what to compare with where a target doesn't show all. Raises StoreError if it can't be read.
        """

    def apply(self, changes: Sequence[Change]) -> Iterator[Applied]:
        """Make the changes, each with check-and-set against what it was compared with, and mark them as the owner's."""
