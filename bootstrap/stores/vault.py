"""HashiCorp Vault and OpenBao, through their KV secrets engines, versions 1 and 2."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from bootstrap.errors import Conflict, Denied, IllegalName, Malformed, NotFound
from bootstrap.model import Model
from bootstrap.secret import Secret
from bootstrap.stores import vault_policy
from bootstrap.stores.base import AirflowBackend, BackendPaths, Context, Fields, Stored, Version
from bootstrap.stores.credential import Credential
from bootstrap.stores.needs import Needs
from bootstrap.stores.structured import as_fields, as_stored
from bootstrap.stores.vault_client import connect, no_vault, translate

if TYPE_CHECKING:
    import hvac

PROVIDER = "apache-airflow-providers-hashicorp"
BACKEND_CLASS = "airflow.providers.hashicorp.secrets.vault.VaultBackend"
_VERSION = re.compile(r"[1-9][0-9]{0,8}")  # to the server, 0 is the newest
_SECRET_ID_VARIABLE = "AIRFLOW__SECRETS__BACKEND_KWARG__SECRET_ID"  # noqa: S105  the name of a variable


class TokenAuth(Model):
    """`{method: token}`; the token comes from $VAULT_TOKEN unless said otherwise."""

    method: Literal["token"]
    token: Credential = Field(default_factory=lambda: Credential(env="VAULT_TOKEN"))


class AppRoleAuth(Model):
    """`{method: approle, role_id: …, secret_id: {env: VAULT_SECRET_ID}}`; `mount` is where the method is mounted."""

    method: Literal["approle"]
    role_id: Annotated[str, Field(min_length=1)]
    secret_id: Credential
    mount: str = "approle"


class Options(Model):
    """A KV mount of a Vault or OpenBao server."""

    kind: Literal["vault"]
    url: Annotated[str, Field(pattern=r"^https?://[^\s/]+")]
    mount: Annotated[str, Field(min_length=1)] = "secret"
    kv_version: Literal[1, 2] = 2
    auth: Annotated[TokenAuth | AppRoleAuth, Field(discriminator="method")] = Field(
        default_factory=lambda: TokenAuth(method="token")
    )


class VaultStore:
    """One KV mount.

    `login` returns a client that holds a token; it is called at the first request.
    """

    writable = True
    keeps_fields = True
    separator = "/"

    def __init__(self, name: str, login: Callable[[], hvac.Client], mount: str, kv_version: int) -> None:
        self.name = name
        self.mount = mount
        self.kv_version = kv_version
        self._login = login

    def read(self, path: str, version: Version | None = None) -> Stored:
        """The secret's fields. KV v1 keeps no versions; there the version is a fingerprint of the content."""
        self._legal(path)
        if self.kv_version == 1:
            return self._read_v1(path, version)
        if version is not None and not _VERSION.fullmatch(version):
            raise NotFound(f"{self.name}:{path}@{version}: a version is a number from 1", "leave out the @VERSION")
        data, metadata = self._read_v2(path, version)
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
        """Check-and-set by the server in KV v2. KV v1 has none: there it is a comparison right before the write."""
        self._legal(path)
        data = {"value": value.reveal()} if isinstance(value, Secret) else dict(value)
        if self.kv_version == 1:
            return self._write_v1(path, data, expect)
        cas = int(expect) if expect is not None else self._version_to_replace(path)
        answer = self._ask(
            path,
            lambda client: client.secrets.kv.v2.create_or_update_secret(path, data, cas=cas, mount_point=self.mount),
        )
        return str(self._data(answer, path)["version"])

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
        engine = "v2" if self.kv_version == 2 else "v1"  # noqa: PLR2004
        try:
            answer = self._ask(
                folder,
                lambda client: getattr(client.secrets.kv, engine).list_secrets(folder, mount_point=self.mount),
            )
        except NotFound:
            return []
        return sorted(self._data(answer, folder)["keys"])

    def _read_v1(self, path: str, version: Version | None) -> Stored:
        if version is not None:
            raise NotFound(f"{self.name}:{path}@{version}: KV version 1 keeps no versions", "leave out the @VERSION")
        answer = self._ask(path, lambda client: client.secrets.kv.v1.read_secret(path, mount_point=self.mount))
        return as_stored(self._data(answer, path))

    def _read_v2(self, path: str, version: Version | None) -> tuple[dict[str, Any] | None, Mapping[str, Any]]:
        """The fields (None: this version was deleted or destroyed) and the version's metadata."""
        where = f"{path}@{version}" if version else path
        body = self._data(self._ask(where, lambda client: _version(client, path, version, self.mount)), where)
        if "metadata" not in body:
            raise self._wrong_engine(where, "not one of KV version 2")
        return body["data"], body["metadata"]

    def _data(self, answer: Mapping[str, Any], where: str) -> dict[str, Any]:
        """What a Vault's answer is about."""
        data = answer.get("data")
        if not isinstance(data, dict):
            raise no_vault(self._where(where), "no data")
        return data

    def _write_v1(self, path: str, data: dict[str, Any], expect: Version | None) -> Version:
        try:
            current: Version | None = self._read_v1(path, None).version
        except NotFound:
            current = None
        if current != expect:
            raise self._conflict(path)
        self._ask(path, lambda client: client.secrets.kv.v1.create_or_update_secret(path, data, mount_point=self.mount))
        return as_stored(data).version

    def _version_to_replace(self, path: str) -> int:
        """What check-and-set must name so that a secret that doesn't exist is created: 0, or the deleted version."""
        try:
            data, metadata = self._read_v2(path, None)
        except NotFound:
            return 0
        if data is not None:
            raise self._conflict(path)
        return int(metadata["version"])

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


def open_store(options: Options, context: Context) -> VaultStore:
    """The store; logs in at the first request."""

    def login() -> hvac.Client:
        client = connect(options.url)
        auth = options.auth
        if isinstance(auth, TokenAuth):
            client.token = auth.token.read(context.name, context.folder).reveal()
        else:
            secret_id = auth.secret_id.read(context.name, context.folder).reveal()
            client.auth.approle.login(auth.role_id, secret_id, mount_point=auth.mount)
        return client

    return VaultStore(context.name, login, options.mount, options.kv_version)


policy = vault_policy.policy


def airflow_backend(options: Options, paths: BackendPaths, context: Context) -> AirflowBackend:
    """Airflow's VaultBackend for this mount. Its credential stays out of the keyword arguments."""
    kwargs: dict[str, Any] = {
        "connections_path": paths.connections,
        "variables_path": paths.variables,
        "config_path": paths.config,
        "url": options.url,
        "mount_point": options.mount,
        "kv_engine_version": options.kv_version,
    }
    if isinstance(options.auth, TokenAuth):
        return _token_backend(kwargs, options.auth, context)
    return _approle_backend(kwargs, options.auth)


def _token_backend(kwargs: dict[str, Any], auth: TokenAuth, context: Context) -> AirflowBackend:
    if auth.token.file is not None:
        kwargs |= {"auth_type": "token", "token_path": str(auth.token.path(context.folder))}
        return AirflowBackend(BACKEND_CLASS, kwargs)
    return AirflowBackend(
        BACKEND_CLASS,
        kwargs | {"auth_type": "token"},
        environment={"VAULT_TOKEN": auth.token},
        advice=(_needs("VAULT_TOKEN"),),
    )


def _approle_backend(kwargs: dict[str, Any], auth: AppRoleAuth) -> AirflowBackend:
    kwargs |= {"auth_type": "approle", "role_id": auth.role_id, "auth_mount_point": auth.mount}
    return AirflowBackend(
        BACKEND_CLASS,
        kwargs,
        environment={_SECRET_ID_VARIABLE: auth.secret_id},
        advice=(_needs(_SECRET_ID_VARIABLE),),
    )


def _needs(variable: str) -> str:
    return f"Airflow's processes need {variable} in their environment; it is not written to airflow.cfg"
