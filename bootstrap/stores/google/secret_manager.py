"""Google Secret Manager. A path is a secret's id; `-` stands between its parts, as Airflow's backend writes them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from bootstrap.domain.secret import Secret
from bootstrap.errors import Conflict, Denied, IllegalName, Malformed, NotFound, StoreError, Unavailable
from bootstrap.stores.base import Context, Entry, Fields, Needs, Stored, Version
from bootstrap.stores.google.backend import SecretManagerLook, airflow_backend
from bootstrap.stores.google.client import Client
from bootstrap.stores.google.errors import is_missing_permission
from bootstrap.stores.google.options import Options
from bootstrap.stores.google.policy import DESTROYS, EXCESSIVE, PRUNES, policy
from bootstrap.stores.google.writing import LEASE, Deleting, Writing, newest_version, number_of
from bootstrap.stores.place import Place
from bootstrap.stores.structured import as_stored, payload

__all__ = ["LOOKS", "PLACE", "PROVIDER", "REFUSALS", "Options", "airflow_backend", "open_store", "policy"]

PROVIDER = "apache-airflow-providers-google"
PLACE = ("project_id",)
REFUSALS = ("Forbidden", "Unauthorized", "PermissionDenied", "Unauthenticated", "DefaultCredentialsError")
LOOKS = {"CloudSecretManagerBackend": SecretManagerLook()}
LARGEST = 65536  # bytes of a payload
_SECRET_ID = re.compile(r"[A-Za-z0-9_-]{1,255}")
_VERSION = re.compile(r"[1-9][0-9]{0,17}|[A-Za-z][A-Za-z0-9_-]{0,62}")  # a number, `latest` or an alias
_FILTER = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")  # what needs no quotes in a filter
_STATES = {"DISABLED": "disabled", "DESTROYED": "deleted"}
_PAGE = 1000  # secrets


class GoogleStore:
    """The secrets of a project, or of one of its locations."""

    writable = True
    separator = "-"
    lease = LEASE

    def __init__(self, client: Client) -> None:
        self.name = client.context.name
        self._client = client
        self._options = client.options

    def read(self, path: str, version: Version | None = None) -> Stored:
        """One request, which doesn't tell when the version was made. `version` is a number, an alias or `latest`."""
        name = self._version_name(path, version)
        self._client.require()
        place = self._client.place(path, version)
        answer = self._access(place, name)
        return replace(as_stored(place.decoded(answer.payload.data)), version=number_of(answer))

    def write(self, path: str, value: Secret | Fields, *, expect: Version | None) -> Version:
        """Check-and-set, as google_writing says. Fields are written as JSON, which Airflow's backend reads."""
        name = self._secret_name(path)
        self._client.require()
        import google_crc32c
        from google.cloud import secretmanager_v1 as api

        place = self._client.place(path)
        data = payload(place, value, LARGEST, "Google Secret Manager").encode()
        sent = api.SecretPayload(data=data, data_crc32c=google_crc32c.value(data))
        return Writing(self._client, place, name, sent, self._new(), lease=self.lease).write(expect)

    def names(self, prefix: str) -> Iterator[str]:
        """The ids that start with `prefix-`, sorted; needs secretmanager.secrets.list on the project."""
        start = f"{prefix.removesuffix(self.separator)}{self.separator}" if prefix else ""
        if start and not _SECRET_ID.fullmatch(start):
            return
        request = {"parent": self._options.parent, "page_size": _PAGE}
        if _FILTER.fullmatch(start):
            request["filter"] = f"name:{start}"
        found = self._pages(request)
        yield from sorted(name for name in found if name.startswith(start))

    def entries(self, prefix: str) -> Iterator[Entry]:
        """One more request for each secret, many at a time; needs secretmanager.versions.get."""
        with ThreadPoolExecutor(self._client.context.concurrency, thread_name_prefix=f"list-{self.name}") as pool:
            yield from pool.map(self._entry, list(self.names(prefix)))

    def ping(self) -> str:
        """Asks for one name. Who may not list secrets is known to Google nevertheless."""
        request = {"parent": self._options.parent, "page_size": 1}
        try:
            self._client.ask(self._client.place(), "list_secrets", request)
        except Denied as err:
            if err.__cause__ is None or not is_missing_permission(err.__cause__):
                raise
        return f"https://{self._options.host}/v1/{self._options.parent}"

    def delete(self, path: str, *, expect: Version) -> None:
        """With all its versions, and for good: a disabled one makes Airflow's backend fail, instead of finding nothing.

        Check-and-set as with `write`; a version that another program adds right then is lost. Needs secretmanager.secrets.delete,
        and secrets.get, versions.get and versions.access.
        """
        if self.read(path).version != expect:
            raise self._client.place(path).conflict()
        Deleting(self._client, self._client.place(path), self._secret_name(path), lease=self.lease).delete(expect)

    def disable(self, path: str, version: Version) -> None:
        """Needs secretmanager.versions.disable and .get."""
        self._change(path, version, "disable_secret_version", "DISABLED")

    def enable(self, path: str, version: Version) -> None:
        """Needs secretmanager.versions.enable and .get."""
        self._change(path, version, "enable_secret_version", "ENABLED")

    def destroy(self, path: str, version: Version) -> None:
        """Needs secretmanager.versions.destroy and .get."""
        self._change(path, version, "destroy_secret_version", "DESTROYED")

    def excess(self, needs: Needs) -> Sequence[str]:
        """Asked of one secret that it needs; Google tells what the project allows there, too."""
        path = next(iter((*needs.read, *needs.write)), None)
        if path is None or not _SECRET_ID.fullmatch(path):
            return ()
        request = {"resource": self._secret_name(path), "permissions": list(EXCESSIVE)}
        try:
            answer = self._client.ask(self._client.place(path), "test_iam_permissions", request)
        except Unavailable:
            raise
        except StoreError:
            return ()
        needed = (*(PRUNES if needs.prunes(path, self.separator) else ()), *(DESTROYS if path in needs.destroy else ()))
        found = (permission for permission in EXCESSIVE if permission in answer.permissions)
        return [f"{EXCESSIVE[permission]} {path}" for permission in found if permission not in needed]

    def _access(self, place: Place, name: str) -> Any:
        """A version with its value, which is what was written: its checksum is looked at, and asked for once more."""
        import google_crc32c

        for _ in range(2):
            answer = self._client.ask(place, "access_secret_version", {"name": name})
            payload = answer.payload
            if "data_crc32c" not in payload or payload.data_crc32c == google_crc32c.value(payload.data):
                return answer
        message = f"{place}: the value arrived damaged, twice: its checksum (CRC32C) differs"
        raise Malformed(message, "write the secret anew, or try again")

    def _pages(self, request: dict[str, Any]) -> list[str]:
        """The ids on all pages. Each page is a request of its own, with its own deadline."""
        found: list[str] = []
        while True:
            pager = self._client.ask(self._client.place(), "list_secrets", request)
            answer = next(iter(pager.pages))
            found += [secret.name.rpartition("/")[2] for secret in answer.secrets]
            if not answer.next_page_token:
                return found
            request = {**request, "page_token": answer.next_page_token}

    def _entry(self, path: str) -> Entry:
        newest = newest_version(self._client, self._client.place(path), self._secret_name(path))
        if newest is None:
            return Entry(path, versions=0, state="no version yet")
        number = number_of(newest)
        return Entry(path, number, int(number), newest.create_time, _STATES.get(newest.state.name, ""))

    def _change(self, path: str, version: Version, method: str, state: str) -> None:
        """Bring a version into a state, unless it is; the etag keeps us from undoing what somebody else does meanwhile."""
        name = self._version_name(path, version)
        self._client.require()
        from google.api_core.exceptions import Aborted, FailedPrecondition

        place = self._client.place(path, version)
        for _ in range(2):  # the answer to the first may get lost
            found = self._client.ask(place, "get_secret_version", {"name": name})
            number = number_of(found)
            if found.state.name == state:
                return
            if found.state.name == "DESTROYED":
                raise NotFound(f"{place}: version {number} was deleted (it is destroyed)", place.put)
            request = {"name": name.rpartition("/")[0] + f"/{number}", "etag": found.etag}
            try:
                self._client.ask(place, method, request, let=(FailedPrecondition, Aborted))
            except (FailedPrecondition, Aborted):
                continue
            return
        message = f"{place}: somebody else changes its state meanwhile"
        raise Conflict(message, f"airflow-bootstrap store list {self.name}")

    def _new(self) -> Any:
        """A secret as this store makes them."""
        from google.cloud import secretmanager_v1 as api

        options = self._options
        made = api.Secret(labels=options.labels, annotations=options.annotations)
        if options.location is None:
            made.replication = api.Replication(automatic={})
            if options.replication is not None and options.replication.locations is not None:
                replicas = [{"location": location} for location in options.replication.locations]
                made.replication = api.Replication(user_managed={"replicas": replicas})
        return made

    def _version_name(self, path: str, version: Version | None) -> str:
        secret = self._secret_name(path)
        if version is not None and not _VERSION.fullmatch(version):
            hint = "a version is a number, an alias, or `latest`"
            raise NotFound(f"{self.name}:{path}@{version}: there is no such version", hint)
        return f"{secret}/versions/{version or 'latest'}"

    def _secret_name(self, path: str) -> str:
        if not _SECRET_ID.fullmatch(path):
            hint = "up to 255 letters without accents, digits, - and _ make a name"
            raise IllegalName(f"{self.name}:{path!r}: no name that a secret of Google's can have", hint)
        return f"{self._options.parent}/secrets/{path}"


def open_store(options: Options, context: Context) -> GoogleStore:
    """The store; connects and logs in at the first request."""
    return GoogleStore(Client(options, context))
