"""What Google Secret Manager does with a request: secrets, versions, states, etags. By its documentation, and by what
its users quote of its messages; the service itself can't be reached from here."""

from __future__ import annotations

import itertools
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

import google_crc32c
import grpc  # type: ignore[import-untyped]
from google.cloud import secretmanager_v1 as sm
from google.iam.v1 import iam_policy_pb2 as iam  # type: ignore[import-untyped]
from google.protobuf import empty_pb2

SERVICE = "secretmanager.googleapis.com"
LARGEST = 65536
State: Any = sm.SecretVersion.State  # proto-plus types its members as numbers
_NAME = re.compile(
    r"projects/(?P<project>[^/]+)(/locations/(?P<location>[a-z0-9-]+))?"
    r"(/secrets/(?P<secret>[A-Za-z0-9_-]{1,255})(/versions/(?P<version>[\w-]+))?)?"
)
_INVALID_NAME = "Invalid resource field value in the request."


class Refused(Exception):
    """A gRPC status that is not OK."""

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code


def _etag() -> str:
    return f'"{secrets.token_hex(7)}"'


@dataclass
class Version:
    """A version; without data once it is destroyed."""

    data: bytes = field(repr=False)
    created: datetime
    state: Any = State.ENABLED
    etag: str = field(default_factory=_etag)

    def as_message(self, name: str) -> sm.SecretVersion:
        """As the API shows it."""
        return sm.SecretVersion(name=name, create_time=self.created, state=self.state, etag=self.etag)


@dataclass
class Secret:
    """A secret, as it was made."""

    message: sm.Secret
    versions: list[Version] = field(default_factory=list)


@dataclass
class Secrets:
    """All secrets by their full names. `page` is how many a list shows at most; `numbered` names projects by number."""

    known: dict[str, Secret] = field(default_factory=dict, repr=False)
    page: int = 25_000
    numbered: str | None = None
    wrong_checksums: int = 0  # so many answers to come have one
    _clock: Any = field(default_factory=lambda: itertools.count(1), repr=False)
    _begin: datetime = field(default_factory=lambda: datetime.now(timezone.utc), repr=False)

    def shown(self, name: str) -> str:
        """A name as answers have it."""
        return re.sub(r"^projects/[^/]+", f"projects/{self.numbered}", name) if self.numbered else name

    def add(self, name: str, data: bytes) -> tuple[int, Version]:
        """A new version of a secret, made at need."""
        secret = self.known.setdefault(name, Secret(sm.Secret(name=name, etag=_etag())))
        made = Version(data, self._begin + timedelta(seconds=next(self._clock)))
        secret.versions.append(made)
        return len(secret.versions), made

    def secret(self, name: str) -> Secret:
        """Raises Refused."""
        if name not in self.known:
            raise Refused(grpc.StatusCode.NOT_FOUND, f"Secret [{self.shown(name)}] not found.")
        return self.known[name]

    def version(self, full: str) -> tuple[str, Version]:
        """A version by its number, `latest`, or an alias, with its name. Raises Refused."""
        name, _, wanted = full.partition("/versions/")
        secret = self.known.get(name)
        if secret is None or not secret.versions:
            raise Refused(grpc.StatusCode.NOT_FOUND, f"Secret [{self.shown(name)}] not found or has no versions.")
        aliases = {"latest": len(secret.versions), **secret.message.version_aliases}
        number = int(wanted) if wanted.isdigit() else aliases.get(wanted, 0)
        if not 1 <= number <= len(secret.versions):
            raise Refused(grpc.StatusCode.NOT_FOUND, f"Secret Version [{self.shown(full)}] not found.")
        return self.shown(f"{name}/versions/{number}"), secret.versions[number - 1]


def _access(store: Secrets, request: Any) -> Any:
    name, version = store.version(request.name)
    if version.state != State.ENABLED:
        raise Refused(grpc.StatusCode.FAILED_PRECONDITION, f"Secret Version [{name}] is in {version.state.name} state.")
    checksum = google_crc32c.value(version.data)
    if store.wrong_checksums:
        store.wrong_checksums -= 1
        checksum ^= 1
    return sm.AccessSecretVersionResponse(name=name, payload=sm.SecretPayload(data=version.data, data_crc32c=checksum))


def _get(store: Secrets, request: Any) -> Any:
    secret = store.secret(request.name)
    shown = sm.Secret(secret.message)
    shown.name = store.shown(request.name)
    return shown


def _list(store: Secrets, request: Any) -> Any:
    inside = f"{request.parent}/secrets/"
    named = re.fullmatch(r"name:([\w-]+)", request.filter)
    if request.filter and named is None:
        raise Refused(grpc.StatusCode.INVALID_ARGUMENT, "Invalid filter.")
    wanted = named[1] if named else ""
    found = [name for name in sorted(store.known) if name.startswith(inside) and wanted in name]
    start = int(request.page_token or 0)
    end = start + min(request.page_size or store.page, store.page)
    page = [_get(store, sm.GetSecretRequest(name=name)) for name in found[start:end]]
    more = str(end) if end < len(found) else ""
    return sm.ListSecretsResponse(secrets=page, next_page_token=more, total_size=len(found))


def _create(store: Secrets, request: Any) -> Any:
    name = f"{request.parent}/secrets/{request.secret_id}"
    if not _NAME.fullmatch(name):
        raise Refused(grpc.StatusCode.INVALID_ARGUMENT, _INVALID_NAME)
    if name in store.known:
        raise Refused(grpc.StatusCode.ALREADY_EXISTS, f"Secret [{store.shown(name)}] already exists.")
    made = sm.Secret(request.secret)
    made.name, made.etag = name, _etag()
    store.known[name] = Secret(made)
    return _get(store, sm.GetSecretRequest(name=name))


def _update(store: Secrets, request: Any) -> Any:
    secret = store.secret(request.secret.name)
    _match(request.secret.etag, secret.message.etag)
    for path in request.update_mask.paths:
        setattr(secret.message, path, getattr(request.secret, path))
    secret.message.etag = _etag()
    return _get(store, sm.GetSecretRequest(name=request.secret.name))


def _delete(store: Secrets, request: Any) -> Any:
    secret = store.secret(request.name)
    _match(request.etag, secret.message.etag)
    del store.known[request.name]
    return empty_pb2.Empty()


def _match(etag: str, current: str) -> None:
    if etag and etag != current:
        raise Refused(grpc.StatusCode.FAILED_PRECONDITION, "The etag provided does not match the current etag.")


def _add(store: Secrets, request: Any) -> Any:
    store.secret(request.parent)
    payload = request.payload
    if not payload.data:
        raise Refused(grpc.StatusCode.INVALID_ARGUMENT, "Secret Payload cannot be empty.")
    if len(payload.data) > LARGEST:
        raise Refused(grpc.StatusCode.INVALID_ARGUMENT, "Secret Payload exceeds the maximum size of 65536 bytes.")
    if "data_crc32c" in payload and payload.data_crc32c != google_crc32c.value(payload.data):
        raise Refused(grpc.StatusCode.INVALID_ARGUMENT, "The payload's checksum does not match.")
    number, version = store.add(request.parent, payload.data)
    return version.as_message(store.shown(f"{request.parent}/versions/{number}"))


def _get_version(store: Secrets, request: Any) -> Any:
    name, version = store.version(request.name)
    return version.as_message(name)


def _into(state: Any) -> Callable[[Secrets, Any], Any]:
    def change(store: Secrets, request: Any) -> Any:
        name, version = store.version(request.name)
        _match(request.etag, version.etag)
        if version.state == State.DESTROYED:
            raise Refused(grpc.StatusCode.FAILED_PRECONDITION, f"Secret Version [{name}] is in DESTROYED state.")
        version.state, version.etag = state, _etag()
        if state == State.DESTROYED:
            version.data = b""
        return version.as_message(name)

    return change


@dataclass(frozen=True)
class Method:
    """A method of the API: what it takes, the permission that it needs, and how it is answered."""

    request: Any
    permission: str
    answer: Callable[[Secrets, Any], Any]

    def parse(self, data: bytes) -> Any:
        """A request from the wire."""
        read = getattr(self.request, "deserialize", None) or self.request.FromString
        return read(data)


METHODS = {
    "AccessSecretVersion": Method(sm.AccessSecretVersionRequest, "secretmanager.versions.access", _access),
    "AddSecretVersion": Method(sm.AddSecretVersionRequest, "secretmanager.versions.add", _add),
    "CreateSecret": Method(sm.CreateSecretRequest, "secretmanager.secrets.create", _create),
    "DeleteSecret": Method(sm.DeleteSecretRequest, "secretmanager.secrets.delete", _delete),
    "DestroySecretVersion": Method(
        sm.DestroySecretVersionRequest, "secretmanager.versions.destroy", _into(State.DESTROYED)
    ),
    "DisableSecretVersion": Method(
        sm.DisableSecretVersionRequest, "secretmanager.versions.disable", _into(State.DISABLED)
    ),
    "EnableSecretVersion": Method(sm.EnableSecretVersionRequest, "secretmanager.versions.enable", _into(State.ENABLED)),
    "GetSecret": Method(sm.GetSecretRequest, "secretmanager.secrets.get", _get),
    "GetSecretVersion": Method(sm.GetSecretVersionRequest, "secretmanager.versions.get", _get_version),
    "ListSecrets": Method(sm.ListSecretsRequest, "secretmanager.secrets.list", _list),
    "UpdateSecret": Method(sm.UpdateSecretRequest, "secretmanager.secrets.update", _update),
    # Needs no permission; who asks is not known here, so the server answers it itself.
    "TestIamPermissions": Method(iam.TestIamPermissionsRequest, "", lambda _store, _request: None),
}


def resource(request: Any) -> str:
    """The name of what a request is about. Raises Refused."""
    if isinstance(request, iam.TestIamPermissionsRequest):
        name = str(request.resource)
    elif isinstance(request, sm.UpdateSecretRequest):
        name = request.secret.name
    else:
        name = request.name if "name" in type(request).meta.fields else request.parent
    if not _NAME.fullmatch(name):
        raise Refused(grpc.StatusCode.INVALID_ARGUMENT, _INVALID_NAME)
    return name
