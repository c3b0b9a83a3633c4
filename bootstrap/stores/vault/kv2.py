"""KV version 2: a secret has versions, and the server compares before it sets."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from bootstrap.domain.secret import Secret
from bootstrap.errors import Conflict, Denied, NotFound
from bootstrap.stores.base import Entry, Fields, Stored, Version
from bootstrap.stores.structured import as_fields
from bootstrap.stores.vault.kv import Kv
from bootstrap.stores.vault.session import Act
from bootstrap.util.durations import moment

if TYPE_CHECKING:
    import hvac

_VERSION = re.compile(r"[1-9][0-9]{0,8}")  # to the server, 0 is the newest


class Kv2(Kv):
    """A mount of version 2."""

    kv_version = 2

    def read(self, path: str, version: Version | None = None) -> Stored:
        """The secret's fields; the newest version, or the one asked for."""
        data, metadata = self._readable(path, version)
        return Stored(
            value=Secret(json.dumps(data, ensure_ascii=False)),
            version=str(metadata["version"]),
            created=moment(metadata["created_time"]),
            fields=as_fields(data),
        )

    def write(self, path: str, value: Secret | Fields, *, expect: Version | None) -> Version:
        """Check-and-set is the server's, which takes a deleted version for one that is there: that is looked at right before."""
        mount, rest = self._place(path)
        data = {"value": value.reveal()} if isinstance(value, Secret) else dict(value)
        cas = self._still_there(path, expect) if expect is not None else self._version_to_replace(path)
        act = Act(
            self._where(path),
            "update" if cas else "create",
            self._api_path(path),
            writes=True,
            conflict=self._conflict(path),
        )
        answer = self._ask(
            path,
            act,
            lambda client: client.secrets.kv.v2.create_or_update_secret(rest, data, cas=cas, mount_point=mount),
        )
        return str(self._data(answer, path)["version"])

    def entries(self, prefix: str) -> Iterator[Entry]:
        """A request for each secret's metadata; the name alone where the token may not read it."""
        for path in self.names(prefix):
            try:
                yield self._entry(path)
            except Denied:
                yield Entry(path)
            except NotFound:  # gone since it was listed
                continue

    def delete(self, path: str, *, expect: Version) -> None:
        """What Vault calls to delete a version: `enable` brings it back. Another one that is written meanwhile stays."""
        if self._newest(path) != expect:
            raise self._conflict(path)
        self.disable(path, expect)
        try:
            newest = self._newest(path)
        except NotFound:
            return
        message = f"{self.name}:{path}: somebody else wrote version {newest} while version {expect} was deleted"
        raise Conflict(message, "run this again to see their change")

    def disable(self, path: str, version: Version) -> None:
        """What Vault calls to delete a version."""
        if not self._is_destroyed(path, version):
            self._retire(path, version, "delete", lambda kv: kv.delete_secret_versions)

    def enable(self, path: str, version: Version) -> None:
        """What Vault calls to undelete one."""
        if self._is_destroyed(path, version):
            message = f"{self.name}:{path}@{version}: the version was destroyed"
            raise NotFound(message, f"airflow-bootstrap store put {self.name}:{path}")
        self._retire(path, version, "undelete", lambda kv: kv.undelete_secret_versions)

    def destroy(self, path: str, version: Version) -> None:
        """Its metadata stays."""
        if not self._is_destroyed(path, version):
            self._retire(path, version, "destroy", lambda kv: kv.destroy_secret_versions)

    def _retire(self, path: str, version: Version, part: str, method: Callable[[Any], Callable[..., Any]]) -> None:
        mount, rest = self._place(path)
        act = Act(f"{self._where(path)}@{version}", "update", self._api_path(path, part), writes=True)
        self._ask(
            path, act, lambda client: method(client.secrets.kv.v2)(rest, versions=[int(version)], mount_point=mount)
        )

    def _is_destroyed(self, path: str, version: Version) -> bool:
        """The server says nothing of a version that isn't there. Raises NotFound for one."""
        _, metadata = self._read(path, version)
        return bool(metadata["destroyed"])

    def _newest(self, path: str) -> Version:
        return str(self._readable(path, None)[1]["version"])

    def _readable(self, path: str, version: Version | None) -> tuple[dict[str, Any], Mapping[str, Any]]:
        """The fields and the version's metadata. Raises NotFound for one that was deleted or destroyed, too."""
        data, metadata = self._read(path, version)
        if data is None:
            message = f"{self.name}:{path}: version {metadata['version']} was deleted"
            raise NotFound(message, f"airflow-bootstrap store put {self.name}:{path}")
        return data, metadata

    def _read(self, path: str, version: Version | None) -> tuple[dict[str, Any] | None, Mapping[str, Any]]:
        """The fields (None: this version was deleted or destroyed) and the version's metadata."""
        mount, rest = self._place(path)
        where = f"{path}@{version}" if version is not None else path
        if version is not None and not _VERSION.fullmatch(version):
            raise NotFound(f"{self.name}:{where}: a version is a number from 1", "leave out the @VERSION")
        act = Act(self._where(where), "read", self._api_path(path))
        answer = self._ask(path, act, lambda client: _version(client, rest, version, mount))
        body = self._data(answer, where)
        if "metadata" not in body:
            raise self._wrong_engine(where, "not one of KV version 2")
        return body["data"], body["metadata"]

    def _entry(self, path: str) -> Entry:
        mount, rest = self._place(path)
        act = Act(self._where(path), "read", self._api_path(path, "metadata"))
        answer = self._ask(path, act, lambda client: client.secrets.kv.v2.read_secret_metadata(rest, mount_point=mount))
        data = self._data(answer, path)
        newest = data["versions"].get(str(data["current_version"]))
        if newest is None:  # there is nothing but metadata of one's own
            return Entry(path, versions=0)
        ends = newest["deletion_time"]  # it may lie ahead: where the mount gives versions a lifetime
        is_gone = newest["destroyed"] or (ends and moment(ends) <= datetime.now(timezone.utc))
        return Entry(
            path,
            version=str(data["current_version"]),
            versions=len(data["versions"]),
            created=moment(newest["created_time"]),
            state="deleted" if is_gone else "",
        )

    def _still_there(self, path: str, expect: Version) -> int:
        """What check-and-set must name. Raises Conflict where the version was deleted, or another one was written."""
        try:
            newest = self._newest(path)
        except NotFound as err:
            raise self._conflict(path) from err
        if newest != expect:
            raise self._conflict(path)
        return int(newest)

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
        if isinstance(answer, dict) and "metadata" in (answer.get("data") or {}):
            return answer
        raise
