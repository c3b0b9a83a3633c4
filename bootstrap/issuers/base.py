"""What an issuer is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from bootstrap.domain.secret import Secret
from bootstrap.errors import IssuerUnavailable
from bootstrap.manifest.kinds import IssuerOptions
from bootstrap.stores.base import Store

if TYPE_CHECKING:
    from bootstrap.domain.connection import Connection
    from bootstrap.domain.reference import Reference

__all__ = ["IssuerOptions"]  # declared where the manifest's loader sees it

KeyFields: TypeAlias = Mapping[str, Secret]  # by the connection's field: "login", "password", "extra.keyfile_dict"
WINDOW = 60.0  # seconds after `issue` began, in which it must have sent its request; a later key is not its own
SKEW = 60.0  # seconds that our clock and an issuer's may differ


@dataclass(frozen=True)
class Key:
    """A key that has just been made. `id` tells it apart from others, and is no secret; `fields` is what a connection gets of it."""

    id: str
    fields: KeyFields
    created: datetime | None = None
    expires: datetime | None = None


@dataclass(frozen=True)
class KeyInfo:
    """A key as its issuer lists it. Times are aware, and None where the issuer doesn't tell.

    `last_used` may lag behind, as the issuer's documents say; `sessions`: so many use it right now.
    """

    id: str
    state: Literal["enabled", "disabled"]
    created: datetime | None = None
    expires: datetime | None = None
    last_used: datetime | None = None
    sessions: int = 0


@dataclass(frozen=True)
class Attempt:
    """One try to make a key: `run` names the rotation, `since` is when it was written down that it begins, `current` is
    the id of the key in use, `known` are the ids of all keys that there were before.
    """

    run: str
    since: datetime
    current: str | None
    known: tuple[str, ...] = ()

    def may_have_made(self, key: KeyInfo) -> bool:
        """Whether the key is new since the attempt began, was made while it could (by the issuer's clock), and was never used."""
        if key.id in self.known or key.id == self.current or key.last_used is not None:
            return False
        if key.created is None:
            return True
        begin, end = self.since - timedelta(seconds=SKEW), self.since + timedelta(seconds=WINDOW + SKEW)
        return begin <= key.created <= end

    def require_early(self, account: str) -> None:
        """Raises IssuerUnavailable if a key made now could not be told from others' later on."""
        if (datetime.now(timezone.utc) - self.since).total_seconds() > WINDOW:
            raise IssuerUnavailable(f"{account}: too slow to make a key safely; none was made", "run this again")


class Issuer(Protocol):
    """Mints keys of one account. Every method raises IssuerError or its children, and nothing else that comes from the
    system behind it. Each may be called again after a crash: what is as it should be stays so.

    `account` names whose keys these are, the same for two connections that share them; no secret.
    """

    @property
    def account(self) -> str:
        """Whose keys these are."""

    def issue(self, attempt: Attempt) -> Key:
        """Make a key that works beside the one in use. Raises IssuerDenied if there is none afterwards for sure."""

    def lost(self, attempt: Attempt) -> Sequence[str]:
        """The ids of keys that this attempt made, or may have made, and whose secret nobody has. Raises IssuerDenied if that can't be told."""

    def keys(self) -> Sequence[KeyInfo]:
        """All keys of the account that the issuer knows, disabled ones too."""

    def identify(self, fields: KeyFields) -> str | None:
        """The id of the key that these fields hold; None if that can't be told."""

    def disable(self, key_id: str) -> None:
        """Nobody gets in with it any more, until `enable`. A key that is gone stays so."""

    def enable(self, key_id: str) -> None:
        """It works again. Raises IssuerDenied for a key that is gone."""

    def destroy(self, key_id: str) -> None:
        """It is gone for good. A key that is gone stays so."""


class Surroundings(Protocol):
    """What an issuer may ask of the manifest. Raises StoreError."""

    @property
    def folder(self) -> Path:
        """What relative paths are relative to."""

    @property
    def connection(self) -> Connection | None:
        """The one that the key is for, as it is now; None for Airflow's own credential."""

    def value(self, reference: Reference) -> Secret:
        """The secret that a reference means."""

    def whole(self, reference: Reference) -> Connection:
        """A whole connection that a secret holds: a URI, JSON or fields."""

    def store(self, name: str) -> Store:
        """A store of the manifest, opened. Raises ManifestError if there is none of this name."""
