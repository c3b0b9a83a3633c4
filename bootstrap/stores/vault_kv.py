"""What the two versions of KV have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from bootstrap.errors import Conflict, Denied, IllegalName, Malformed, NotFound
from bootstrap.stores import vault_policy
from bootstrap.stores.needs import Needs
from bootstrap.stores.vault_client import translate
from bootstrap.stores.vault_errors import no_vault

if TYPE_CHECKING:
    import hvac


class Kv:
    """One KV mount.

    `login` returns a client that holds a token; it is called at the first request.
    """

    writable = True
    keeps_fields = True
    separator = "/"
    kv_version: int

    def __init__(self, name: str, login: Callable[[], hvac.Client], mount: str) -> None:
        self.name = name
        self.mount = mount
        self._login = login

    def names(self, prefix: str) -> Iterator[str]:
        """Walks the tree below `prefix`, a folder; needs the `list` capability."""
        folder = prefix.strip("/")
        if folder:
            self._legal(folder)
        for key in self._keys(folder):
            path = f"{folder}/{key}".lstrip("/")
            if key.endswith("/"):
                yield from self.names(path)
            else:
                yield path

    def ping(self) -> str:
        """Logs in and looks the token up. Needs `lookup-self`, which Vault's default policy has."""
        self._data(self._ask("", lambda client: client.auth.token.lookup_self()), "")
        return str(self._client.url)

    def excess(self, needs: Needs) -> Sequence[str]:
        """What the token may do far beyond `needs`. Asks for its capabilities, as the default policy allows."""
        return vault_policy.excess(self._client, self.mount, self.kv_version, needs)

    def _keys(self, folder: str) -> list[str]:
        try:
            answer = self._ask(
                folder,
                lambda client: getattr(client.secrets.kv, f"v{self.kv_version}").list_secrets(
                    folder, mount_point=self.mount
                ),
            )
        except NotFound:
            return []
        return sorted(self._data(answer, folder)["keys"])

    def _data(self, answer: Mapping[str, Any], where: str) -> dict[str, Any]:
        """What a Vault's answer is about."""
        data = answer.get("data")
        if not isinstance(data, dict):
            raise no_vault(self._where(where), "no data")
        return data

    def _wrong_engine(self, path: str, what: str, hint: str = "") -> Malformed:
        hint = hint or f"check kv_version and mount of store {self.name}"
        return Malformed(f"{self._where(path)}: the mount {self.mount} is {what}", hint)

    def _where(self, path: str) -> str:
        return f"{self.name}:{path}" if path else f"store {self.name}"

    def _conflict(self, path: str) -> Conflict:
        return Conflict(f"{self.name}:{path}: somebody else changed it meanwhile", "run this again to see their change")

    def _legal(self, path: str) -> None:
        steps = path.split("/")
        if not all(steps) or {".", ".."} & set(steps) or not path.isprintable():
            raise IllegalName(
                f"{self.name}:{path!r}: not a legal path", "a path is names with single slashes between them"
            )

    @cached_property
    def _client(self) -> hvac.Client:
        return self._login()

    def _ask(self, path: str, request: Callable[[hvac.Client], Any]) -> Any:
        """Send one request; raise one of the four failures, told apart by the server's answer."""
        client = translate(f"store {self.name}", lambda: self._client)
        try:
            answer = translate(self._where(path), lambda: request(client), conflict=self._conflict(path))
        except (NotFound, Denied):
            self._check_engine(path)
            raise
        return answer if isinstance(answer, dict) else {}

    def _check_engine(self, path: str) -> None:
        """A mount that is read as the other version of KV finds nothing, or what no policy allows: look what it is."""
        engine = self._engine
        if engine is None or engine == f"KV version {self.kv_version}":
            return
        hint = f"set kv_version: {engine[-1]} for store {self.name}" if engine.startswith("KV") else ""
        raise self._wrong_engine(path, f"{engine}, not KV version {self.kv_version}", hint)

    @cached_property
    def _engine(self) -> str | None:
        """What the mount is; None where the server doesn't tell. Asked of it as `vault kv` does, without a policy for it."""
        try:
            mount = translate(
                f"store {self.name}",
                lambda: self._client.adapter.get(f"/v1/sys/internal/ui/mounts/{self.mount}")["data"],
            )
        except (NotFound, Denied):
            return None
        if mount["type"] not in {"kv", "generic"}:
            return f"a secrets engine of type {mount['type']}"
        return f"KV version {(mount['options'] or {}).get('version', '1')}"
