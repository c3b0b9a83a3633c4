"""The KV secrets engine: what both versions have in common, and version 1 (no versions, no check-and-set by the server)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bootstrap.domain.secret import Secret
from bootstrap.errors import Conflict, Denied, IllegalName, Malformed, NotFound
from bootstrap.stores.base import Fields, Needs, Stored, Version
from bootstrap.stores.place import Place
from bootstrap.stores.structured import as_stored
from bootstrap.stores.vault import policy
from bootstrap.stores.vault.client import translate
from bootstrap.stores.vault.errors import no_vault
from bootstrap.stores.vault.policy import PROBE, Engine
from bootstrap.stores.vault.session import Act, Session

if TYPE_CHECKING:
    import hvac

_LOOKUP = "auth/token/lookup-self"
_MOUNTS = "sys/internal/ui/mounts"  # asked as `vault kv` does: no policy is needed for what one may see


class Kv:
    """One KV mount; `mount` None: each path's first part is its mount. `session`: the log-in, for other requests too."""

    writable = True
    keeps_fields = True
    separator = "/"
    kv_version: int

    def __init__(self, name: str, session: Session, mount: str | None) -> None:
        self.name = name
        self.mount = mount
        self.session = session
        self._engines: dict[str, str | None] = {}

    def names(self, prefix: str) -> Iterator[str]:
        """Walks the tree below `prefix`, a folder; needs the `list` capability."""
        folder = prefix.strip("/")
        if folder:
            self._legal(folder)
            yield from self._walk(folder)
        elif self.mount is not None:
            yield from self._walk("")
        else:
            for mount in self._mounts():
                yield from self._walk(mount)

    def ping(self) -> str:
        """Logs in and looks the token up. Needs `lookup-self`, which Vault's default policy has."""
        act = Act(self._where(""), "read", _LOOKUP)
        self._data(self.session.ask(act, lambda client: client.auth.token.lookup_self()), "")
        return str(self.session.client.url)

    def check_place(self) -> None:
        """Raises Malformed or Unavailable where the mount isn't there, or isn't what the manifest says.

        What the credential may not see, one can't tell; it is found when a secret is read.
        """
        if self.mount is not None:
            path = self._api_path(PROBE)
            with contextlib.suppress(NotFound, Denied):
                self._ask("", Act(self._where(""), "read", path), lambda client: client.adapter.get(f"/v1/{path}"))

    def excess(self, needs: Needs) -> Sequence[str]:
        """What the token may do far beyond `needs`. Asks for its capabilities, as the default policy allows."""
        return policy.excess(self.session.client, self.mount, self.kv_version, needs)

    def _walk(self, folder: str) -> Iterator[str]:
        for key in self._keys(folder):
            path = f"{folder}/{key}".lstrip("/")
            if key.endswith("/"):
                yield from self._walk(path.rstrip("/"))
            else:
                yield path

    def _keys(self, folder: str) -> list[str]:
        mount, rest = self._split(folder)
        act = Act(self._where(folder), "list", f"{self._api_path(folder, 'metadata').rstrip('/')}/")
        try:
            answer = self._ask(
                folder,
                act,
                lambda client: getattr(client.secrets.kv, f"v{self.kv_version}").list_secrets(rest, mount_point=mount),
            )
        except NotFound:
            return []
        return sorted(self._data(answer, folder)["keys"])

    def _mounts(self) -> list[str]:
        """The KV mounts of this version that the token may see, and that a path's first part can name."""
        answer = self.session.ask(
            Act(self._where(""), "read", _MOUNTS), lambda client: client.adapter.get(f"/v1/{_MOUNTS}")
        )
        mounts = {path.rstrip("/"): _engine(about) for path, about in self._data(answer, "")["secret"].items()}
        own = f"KV version {self.kv_version}"
        names = (name for name, engine in mounts.items() if engine == own and "/" not in name)
        return sorted(names, key=lambda name: f"{name}/")  # as the paths of their secrets are

    def _data(self, answer: Mapping[str, Any], where: str) -> dict[str, Any]:
        """What a Vault's answer is about."""
        data = answer.get("data")
        if not isinstance(data, dict):
            raise no_vault(self._where(where), "no data")
        return data

    def _wrong_engine(self, path: str, what: str, hint: str = "") -> Malformed:
        hint = hint or f"check kv_version and mount of store {self.name}"
        return Malformed(f"{self._where(path)}: the mount {self._split(path)[0]} is {what}", hint)

    def _where(self, path: str) -> str:
        return f"{self.name}:{path}" if path else f"store {self.name}"

    def _conflict(self, path: str) -> Conflict:
        return Place(self.name, path).conflict()

    def _legal(self, path: str) -> None:
        steps = path.split("/")
        if not all(steps) or {".", ".."} & set(steps) or not path.isprintable():
            message = f"{self.name}:{path!r}: not a legal path"
            raise IllegalName(message, "a path is names with single slashes between them")

    def _place(self, path: str) -> tuple[str, str]:
        """The mount, and the path in it. Raises IllegalName for what can be no secret's."""
        self._legal(path)
        mount, rest = self._split(path)
        if not rest:
            message = f"{self.name}:{path}: not a legal path: store {self.name} has `mount: null`"
            raise IllegalName(message, "the first part of a path is the mount: MOUNT/PATH")
        return mount, rest

    def _split(self, path: str) -> tuple[str, str]:
        if self.mount is not None:
            return self.mount, path
        mount, _, rest = path.partition("/")
        return mount, rest

    def _api_path(self, path: str, part: str = "data") -> str:
        """As a policy names it."""
        return Engine(self.mount, self.kv_version).api_path(path, part)

    def _ask(self, path: str, act: Act, send: Callable[[hvac.Client], Any]) -> Mapping[str, Any]:
        """One request to the secrets engine that `path` is in."""
        try:
            return self.session.ask(act, send)
        except (NotFound, Denied):
            self._check_engine(path)
            raise

    def _check_engine(self, path: str) -> None:
        """A mount that is read as the other version of KV finds nothing, or what no policy allows: look what it is."""
        mount = self._split(path)[0]
        if mount not in self._engines:
            self._engines[mount] = self._look(mount)
        engine = self._engines[mount]
        if engine is None or engine == f"KV version {self.kv_version}":
            return
        hint = f"set kv_version: {engine[-1]} for store {self.name}" if engine.startswith("KV") else ""
        raise self._wrong_engine(path, f"{engine}, not KV version {self.kv_version}", hint)

    def _look(self, mount: str) -> str | None:
        """What the mount is; None where the server doesn't tell."""
        client = self.session.client
        try:
            return translate(self._where(""), lambda: _engine(client.adapter.get(f"/v1/{_MOUNTS}/{mount}")["data"]))
        except (NotFound, Denied):
            return None


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


def _engine(about: Mapping[str, Any]) -> str:
    if about["type"] not in {"kv", "generic"}:
        return f"a secrets engine of type {about['type']}"
    return f"KV version {(about['options'] or {}).get('version', '1')}"
