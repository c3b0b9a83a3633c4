"""What an issuer may ask of the manifest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bootstrap.desired import interpret
from bootstrap.desired.resolve import SecretReader, resolve
from bootstrap.domain.connection import Connection
from bootstrap.domain.reference import Reference
from bootstrap.domain.secret import Secret
from bootstrap.errors import ManifestError
from bootstrap.manifest.loader import Manifest
from bootstrap.stores.base import Store


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
