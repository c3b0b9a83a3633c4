"""KV version 1: no versions, and no check-and-set by the server."""

from __future__ import annotations

from bootstrap.domain.secret import Secret
from bootstrap.errors import NotFound
from bootstrap.stores.base import Fields, Stored, Version
from bootstrap.stores.structured import as_stored
from bootstrap.stores.vault.kv import Kv
from bootstrap.stores.vault.session import Act


class Kv1(Kv):
    """A mount of version 1; a secret's version is a fingerprint of its content, in this process."""

    kv_version = 1
    lasting_versions = False

    def read(self, path: str, version: Version | None = None) -> Stored:
        """The secret's fields."""
        mount, rest = self._place(path)
        if version is not None:
            raise NotFound(f"{self.name}:{path}@{version}: KV version 1 keeps no versions", "leave out the @VERSION")
        act = Act(self._where(path), "read", self._api_path(path))
        answer = self._ask(path, act, lambda client: client.secrets.kv.v1.read_secret(rest, mount_point=mount))
        return as_stored(self._data(answer, path))

    def write(self, path: str, value: Secret | Fields, *, expect: Version | None) -> Version:
        """Check-and-set is a comparison right before the write."""
        mount, rest = self._place(path)
        data = {"value": value.reveal()} if isinstance(value, Secret) else dict(value)
        try:
            current: Version | None = self.read(path).version
        except NotFound:
            current = None
        if current != expect:
            raise self._conflict(path)
        capability = "create" if current is None else "update"
        act = Act(self._where(path), capability, self._api_path(path), writes=True)
        self._ask(
            path,
            act,
            lambda client: client.secrets.kv.v1.create_or_update_secret(rest, data, method="POST", mount_point=mount),
        )
        return as_stored(data).version

    def delete(self, path: str, *, expect: Version) -> None:
        """For good, and after a comparison right before: the server has none. What was written between the two is lost."""
        mount, rest = self._place(path)
        if self.read(path).version != expect:
            raise self._conflict(path)
        act = Act(self._where(path), "delete", self._api_path(path), writes=True)
        self._ask(path, act, lambda client: client.secrets.kv.v1.delete_secret(rest, mount_point=mount))
