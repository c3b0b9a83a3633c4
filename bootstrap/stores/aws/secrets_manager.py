"""AWS Secrets Manager. A path is a secret's name; `/` stands between its parts, as Airflow's backend writes them.

Limits: docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal

from bootstrap.domain.secret import Secret
from bootstrap.errors import IllegalName, NotFound
from bootstrap.stores.aws import backend
from bootstrap.stores.aws.client import Client, needed
from bootstrap.stores.aws.options import AwsOptions
from bootstrap.stores.aws.policy import SECRETS_MANAGER, least
from bootstrap.stores.aws.secret_writing import CURRENT, Writing, current_version, delete
from bootstrap.stores.base import AirflowBackend, BackendPaths, Context, Entry, Fields, Needs, Stored, Version
from bootstrap.stores.place import Place
from bootstrap.stores.structured import as_stored, payload
from bootstrap.stores.wording import secrets_manager

PROVIDER, PLACE, REFUSALS = backend.PROVIDER, backend.PLACE, backend.REFUSALS
LOOKS = {"SecretsManagerBackend": backend.SecretsManagerLook()}
_BACKEND = "airflow.providers.amazon.aws.secrets.secrets_manager.SecretsManagerBackend"
LARGEST = 65536  # bytes of a value
_NAME = re.compile(r"[A-Za-z0-9/_+=.@!-]{1,512}")
_VERSION_ID = re.compile(r"[A-Za-z0-9_-]{32,64}")  # a UUID, as a rule; Terraform makes others
_STAGE = re.compile(r"[\w/+=.@!-]{1,256}", re.ASCII)
_PAGE = 100  # secrets


class Options(AwsOptions):
    """The secrets of an account and a region."""

    kind: Literal["aws_secrets_manager"]


class SecretsManagerStore:
    """The secrets of an account and a region."""

    writable = True
    separator = "/"

    def __init__(self, client: Client) -> None:
        self.name = client.context.name
        self._client = client
        self._wording = secrets_manager(client.context.backend_kwargs)

    def read(self, path: str, version: Version | None = None) -> Stored:
        """One request. `version` is a version's id, or (if it has less than 32 characters) a staging label."""
        self._legal(path)
        place = self._client.place(path, version)
        answer = self._client.ask(place, "get_secret_value", {"SecretId": path, **_which(place, version)})
        text = answer.get("SecretString")
        return replace(
            as_stored(place.decoded(bytes(needed(place, answer, "SecretBinary"))) if text is None else str(text)),
            version=str(needed(place, answer, "VersionId")),
            created=answer.get("CreatedDate"),
            wording=self._wording,
        )

    def write(self, path: str, value: Secret | Fields, *, expect: Version | None) -> Version:
        """Check-and-set, as aws_secret_writing says. A secret that is scheduled for deletion is restored for it."""
        self._legal(path)
        place = self._client.place(path)
        writing = Writing(self._client, place, payload(place, value, LARGEST, "AWS"))
        return writing.create() if expect is None else writing.replace(expect)

    def delete(self, path: str, *, expect: Version) -> None:
        """Schedules it for deletion in a week, as aws_secret_deleting says: nobody can read it from now on."""
        if self.read(path).version != expect:
            raise self._client.place(path).conflict()
        delete(self._client, self._client.place(path), expect)

    def names(self, prefix: str) -> Iterator[str]:
        """Needs secretsmanager:ListSecrets, which can't be narrowed to a prefix."""
        yield from (entry.path for entry in self.entries(prefix) if entry.state != "deleted")

    def entries(self, prefix: str) -> Iterator[Entry]:
        """All from the list of secrets. That tells when a secret was changed last, be it only its tags: that is `created`."""
        start = f"{prefix.removesuffix('/')}/" if prefix else ""
        if start and not _NAME.fullmatch(start):
            return
        request: dict[str, Any] = {"IncludePlannedDeletion": True, "MaxResults": _PAGE}
        if start:
            request["Filters"] = [{"Key": "name", "Values": [start]}]
        found = self._client.pages(self._client.place(), "list_secrets", request, "SecretList")
        yield from sorted(
            (_entry(secret) for secret in found if secret["Name"].startswith(start)), key=lambda entry: entry.path
        )

    def ping(self) -> str:
        """Asks for one name."""
        return self._client.ping("list_secrets", "SecretList")

    def _legal(self, path: str) -> None:
        if not _NAME.fullmatch(path):
            hint = "up to 512 letters without accents, digits and / _ + = . @ ! - make a name"
            raise IllegalName(f"{self.name}:{path!r}: no name that a secret of AWS's can have", hint)


def _which(place: Place, version: Version | None) -> Mapping[str, str]:
    """How a request names a version. The current one is named too: a policy may allow to read no other."""
    if version is None:
        return {"VersionStage": CURRENT}
    if _VERSION_ID.fullmatch(version):
        return {"VersionId": version}
    if not _STAGE.fullmatch(version):
        raise NotFound(f"{place}: there is no such version", "a version is an id of AWS's, or a staging label")
    return {"VersionStage": version}


def _entry(secret: Mapping[str, Any]) -> Entry:
    version = current_version(secret.get("SecretVersionsToStages") or {})
    state = "deleted" if secret.get("DeletedDate") else "" if version else "no version yet"
    return Entry(secret["Name"], version, created=secret.get("LastChangedDate"), state=state)


def open_store(options: Options, context: Context) -> SecretsManagerStore:
    """The store; connects and logs in at the first request."""
    return SecretsManagerStore(Client("secretsmanager", options, context))


def airflow_backend(options: Options, paths: BackendPaths, context: Context) -> AirflowBackend:
    """Airflow's SecretsManagerBackend. Raises ManifestError for a path that can be none there."""
    kwargs = {**backend.prefixes(paths, context, _NAME), "sep": "/"}
    advice = "Airflow's SecretsManagerBackend leaves out the description of a connection"
    return backend.airflow_backend(_BACKEND, kwargs, options, (advice,))


def policy(options: Options, needs: Needs, context: Context) -> Mapping[str, str]:
    """The least policy, by format: `iam` a JSON document, `terraform` a resource with it."""
    return least(SECRETS_MANAGER, options, needs, context, encrypts=("GenerateDataKey",))
