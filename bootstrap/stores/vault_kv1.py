"""KV version 1: no versions, and no check-and-set by the server."""

from __future__ import annotations

from bootstrap.errors import NotFound
from bootstrap.secret import Secret
from bootstrap.stores.base import Fields, Stored, Version
from bootstrap.stores.structured import as_stored
from bootstrap.stores.vault_kv import Kv


class Kv1(Kv):
    """A mount of version 1; a secret's version is a fingerprint of its content."""

    kv_version = 1

    def read(self, path: str, version: Version | None = None) -> Stored:
        """The secret's fields."""
        self._legal(path)
        if version is not None:
            raise NotFound(f"{self.name}:{path}@{version}: KV version 1 keeps no versions", "leave out the @VERSION")
        answer = self._ask(path, lambda client: client.secrets.kv.v1.read_secret(path, mount_point=self.mount))
        return as_stored(self._data(answer, path))

    def write(self, path: str, value: Secret | Fields, *, expect: Version | None) -> Version:
        """Check-and-set is a comparison right before the write."""
        self._legal(path)
        data = {"value": value.reveal()} if isinstance(value, Secret) else dict(value)
        try:
            current: Version | None = self.read(path).version
        except NotFound:
            current = None
        if current != expect:
            raise self._conflict(path)
        self._ask(path, lambda client: client.secrets.kv.v1.create_or_update_secret(path, data, mount_point=self.mount))
        return as_stored(data).version
