"""KV version 2: a secret has versions, and the server compares before it sets."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from bootstrap.errors import NotFound
from bootstrap.secret import Secret
from bootstrap.stores.base import Fields, Stored, Version
from bootstrap.stores.structured import as_fields
from bootstrap.stores.vault_kv import Kv

if TYPE_CHECKING:
    import hvac

_VERSION = re.compile(r"[1-9][0-9]{0,8}")  # to the server, 0 is the newest


class Kv2(Kv):
    """A mount of version 2."""

    kv_version = 2

    def read(self, path: str, version: Version | None = None) -> Stored:
        """The secret's fields; the newest version, or the one asked for."""
        self._legal(path)
        if version is not None and not _VERSION.fullmatch(version):
            raise NotFound(f"{self.name}:{path}@{version}: a version is a number from 1", "leave out the @VERSION")
        data, metadata = self._read(path, version)
        if data is None:
            raise NotFound(
                f"{self.name}:{path}: version {metadata['version']} was deleted",
                f"airflow-bootstrap store put {self.name}:{path}",
            )
        return Stored(
            value=Secret(json.dumps(data, ensure_ascii=False)),
            version=str(metadata["version"]),
            created=_timestamp(metadata["created_time"]),
            fields=as_fields(data),
        )

    def write(self, path: str, value: Secret | Fields, *, expect: Version | None) -> Version:
        """Check-and-set is the server's."""
        self._legal(path)
        data = {"value": value.reveal()} if isinstance(value, Secret) else dict(value)
        cas = int(expect) if expect is not None else self._version_to_replace(path)
        answer = self._ask(
            path,
            lambda client: client.secrets.kv.v2.create_or_update_secret(path, data, cas=cas, mount_point=self.mount),
        )
        return str(self._data(answer, path)["version"])

    def _read(self, path: str, version: Version | None) -> tuple[dict[str, Any] | None, Mapping[str, Any]]:
        """The fields (None: this version was deleted or destroyed) and the version's metadata."""
        where = f"{path}@{version}" if version else path
        body = self._data(self._ask(where, lambda client: _version(client, path, version, self.mount)), where)
        if "metadata" not in body:
            raise self._wrong_engine(where, "not one of KV version 2")
        return body["data"], body["metadata"]

    def _version_to_replace(self, path: str) -> int:
        """What check-and-set must name so that a secret that doesn't exist is created: 0, or the deleted version."""
        try:
            data, metadata = self._read(path, None)
        except NotFound:
            return 0
        if data is not None:
            raise self._conflict(path)
        return int(metadata["version"])


def _version(client: hvac.Client, path: str, version: Version | None, mount: str) -> Any:
    """One version, or the newest. A deleted or destroyed one is answered by 404, with its metadata."""
    import hvac.exceptions

    try:
        return client.secrets.kv.v2.read_secret_version(
            path, version=int(version) if version else None, mount_point=mount, raise_on_deleted_version=True
        )
    except hvac.exceptions.InvalidPath as err:
        answer: Any = err.json
        if answer and "metadata" in (answer.get("data") or {}):
            return answer
        raise


def _timestamp(text: str) -> datetime:
    """RFC 3339 with nanoseconds, as Vault writes it; Python 3.10 reads no more than microseconds."""
    seconds, _, fraction = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{seconds}.{fraction[:6].ljust(6, '0')}+00:00")
