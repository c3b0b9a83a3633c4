"""A key that a secret of a store holds, a connection's or Airflow's own: what the manifest says of it, and its issuer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path

from bootstrap import plugins
from bootstrap.airflow.environment import Environment
from bootstrap.desired import interpret
from bootstrap.desired.resolve import SecretReader, resolve
from bootstrap.domain.connection import Connection
from bootstrap.domain.reference import Reference
from bootstrap.domain.secret import Secret
from bootstrap.errors import ManifestError
from bootstrap.issuers.base import Issuer, KeyFields
from bootstrap.issuers.kind import IssuerKind
from bootstrap.manifest.key_place import KeyPlace
from bootstrap.manifest.loader import Manifest
from bootstrap.manifest.models import RotateSpec
from bootstrap.rotation.candidate import Content, fields_of, filled
from bootstrap.smoke.run import Settings
from bootstrap.stores.base import Store, Stored


@dataclass(frozen=True)
class Asking:
    """See `Surroundings`; `conn_id` None: the key is Airflow's own."""

    manifest: Manifest
    secrets: SecretReader
    conn_id: str | None

    @property
    def folder(self) -> Path:
        """What relative paths are relative to."""
        return self.manifest.folder

    @property
    def connection(self) -> Connection | None:
        """The connection as it is now. Raises StoreError."""
        return None if self.conn_id is None else resolve(self.manifest.connections[self.conn_id], self.secrets)

    def value(self, reference: Reference) -> Secret:
        """The secret that a reference means. Raises StoreError."""
        return self.secrets.value(reference)

    def whole(self, reference: Reference) -> Connection:
        """A whole connection that a secret holds. Raises StoreError."""
        found = interpret.whole(self.secrets.found(reference), reference, None)
        found.mask()
        return found

    def store(self, name: str) -> Store:
        """A store of the manifest, opened. Raises ManifestError."""
        if name not in self.manifest.stores:
            raise ManifestError(f"{self.manifest.file}: there is no store {name!r}", "name one of `stores:`")
        return self.secrets.store(name)


@dataclass
class StoredKey(ABC):
    """What is common to each `Subject`. `journaled` gives the ids of keys of an account that other journals know of."""

    manifest: Manifest
    environment: Environment
    name: str
    secrets: SecretReader
    settings: Settings
    say: Callable[[str], None]
    journaled: Callable[[str, str], frozenset[str]]

    @property
    @abstractmethod
    def spec(self) -> RotateSpec:
        """What the manifest says. Raises ManifestError if it says nothing."""

    @property
    @abstractmethod
    def place(self) -> KeyPlace:
        """Where the key is kept. Raises ManifestError."""

    @cached_property
    def issuer(self) -> Issuer:
        """Who mints its keys. Raises StoreError, IssuerDenied, ManifestError."""
        conn_id = self.name if self.name in self.manifest.connections else None
        return self.kind.open_issuer(self.spec.options, Asking(self.manifest, self.secrets.fresh(), conn_id))

    @property
    def kind(self) -> IssuerKind:
        """The issuer's module."""
        return plugins.ISSUERS.get(self.spec.issuer, IssuerKind)

    @property
    def issuer_name(self) -> str:
        """As the manifest has it."""
        return self.spec.issuer

    @property
    def store_name(self) -> str:
        """Of the store that has the secret."""
        return self.place.reference.store

    @property
    def path(self) -> str:
        """Of the secret."""
        return self.place.reference.path

    @property
    def store(self) -> Store:
        """The store that has the secret."""
        return self.secrets.store(self.store_name)

    @property
    def grace(self) -> timedelta:
        """How long both keys work."""
        return self.spec.options.grace

    @property
    def settle(self) -> timedelta:
        """How long a new key may be refused."""
        return self.spec.options.settle

    def fields_of(self, stored: Stored) -> KeyFields:
        """The key's fields in the secret. Raises StoreError."""
        return fields_of(self.place, stored)

    def filled(self, stored: Stored, fields: KeyFields) -> Content:
        """The secret with another key's fields. Raises StoreError."""
        return filled(self.place, stored, fields)

    def others(self) -> frozenset[str]:
        """See `Subject`."""
        return self.journaled(self.issuer.account, f"{self.store_name}:{self.path}")
