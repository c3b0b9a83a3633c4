"""What a kind of issuer is: a module. What `open_issuer` returns is an `Issuer`, see `base`.

Another package adds one by an entry point in the group `airflow_bootstrap.issuers`, whose name `rotate: {issuer: …}` takes.
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from bootstrap.issuers.base import Issuer, KeyFields, Surroundings
from bootstrap.manifest.kinds import FillsFields


@runtime_checkable
class IssuerKind(FillsFields, Protocol):
    """What each has. The rest are optional powers."""

    def open_issuer(self, options: Any, surroundings: Surroundings, /) -> Issuer:
        """The issuer, with one of the module's own Options. Asks nobody yet. Raises IssuerDenied, StoreError, ManifestError."""


@runtime_checkable
class KnowsKeyless(Protocol):
    """An optional power: a workload's own identity would do away with such keys."""

    @property
    def KEYLESS(self) -> str:  # noqa: N802  a constant of the module
        """How, in a sentence."""


@runtime_checkable
class SaysIfItDisables(Protocol):
    """An optional power of an issuer: says whether a key can be disabled for a while; where it isn't said, it can."""

    can_disable: bool


@runtime_checkable
class Installing(Protocol):
    """An optional power of an issuer: the system takes one key at a time, so that none can be proven before it is in use."""

    def install(self, key_id: str | None, fields: KeyFields) -> None:
        """The system takes this key from now on, and no other; it may be the old one. Raises IssuerError."""
