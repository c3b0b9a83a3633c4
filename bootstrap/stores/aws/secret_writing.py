"""Check-and-set for AWS Secrets Manager, by its staging labels.

A new value is put under a label of ours, where nobody looks for it. Then AWSCURRENT is moved to it from the version that
is expected to have it: AWS refuses that if another version has it meanwhile, so of two writers at once one wins. A writer
that is killed before leaves the old version current; its label is taken over by the next writer. One that is killed
afterwards has written, and leaves a label that disturbs nobody. A secret that is scheduled for deletion has to be
restored first: whoever is killed right then, leaves it there with its last value.

Sending a value again under the same token changes nothing, so a lost answer is no second version. Facts:
docs.aws.amazon.com/secretsmanager/latest/apireference/API_PutSecretValue.html, /API_UpdateSecretVersionStage.html,
/API_DeleteSecret.html, /API_RestoreSecret.html.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from bootstrap.errors import NotFound, StoreError
from bootstrap.stores.aws.client import Client, needed
from bootstrap.stores.aws.errors import Told
from bootstrap.stores.base import Version
from bootstrap.stores.place import Place

CURRENT = "AWSCURRENT"
CANDIDATE = "airflow-bootstrap-candidate"
RECOVERY = 7  # days until a deleted secret is gone for good; AWS takes no less
_EXISTS, _GONE = "ResourceExistsException", "ResourceNotFoundException"
_WRONG = ("InvalidParameterException", "InvalidRequestException")


@dataclass
class Writing:
    """One write of one secret; its new version's id is `token`."""

    client: Client
    place: Place
    text: str = field(repr=False)
    token: str = field(default_factory=lambda: str(uuid.uuid4()))

    def create(self) -> Version:
        """Make the secret, or give one a value that has none or was deleted. Raises Conflict if it is there."""
        key = self.client.options.key_id
        request = {"Name": self.place.path, **self._value, **({"KmsKeyId": key} if key else {})}
        try:
            answer = self.client.ask(self.place, "create_secret", request, let=(_EXISTS, *_WRONG))
        except Told as err:
            if err.code != _EXISTS and not err.is_deleted:
                raise self.client.failure(self.place, err) from err
            return self._fill()
        return str(needed(self.place, answer, "VersionId"))

    def replace(self, expect: Version) -> Version:
        """Write if the current version still is `expect`. Raises Conflict."""
        found = self._described()
        if found.get("DeletedDate") or self._current(found) != expect:
            raise self.place.conflict()
        return self._put(expect)

    def _fill(self) -> Version:
        found = self._described()
        current = self._current(found)
        if found.get("DeletedDate"):
            self.client.ask(self.place, "restore_secret", {"SecretId": self.place.path})
        elif current is not None:
            raise self.place.conflict()
        return self._put(current)

    def _put(self, expect: Version | None) -> Version:
        request = {"SecretId": self.place.path, **self._value, "VersionStages": [CANDIDATE]}
        try:
            answer = self.client.ask(self.place, "put_secret_value", request, let=(_GONE, "InvalidRequestException"))
        except Told as err:
            if err.code == _GONE or err.is_deleted:
                raise self.place.conflict() from err
            raise self.client.failure(self.place, err) from err
        if CURRENT not in needed(self.place, answer, "VersionStages"):  # AWS makes a first version current by itself
            self._promote(expect)
        self._unlabel()
        return self.token

    def _promote(self, expect: Version | None) -> None:
        request = {"SecretId": self.place.path, "VersionStage": CURRENT, "MoveToVersionId": self.token}
        if expect is not None:
            request["RemoveFromVersionId"] = expect
        try:
            self.client.ask(self.place, "update_secret_version_stage", request, let=(_GONE, *_WRONG))
        except Told as err:  # the answer to an earlier attempt may have been lost
            current = self._current(self._described())
            if current == self.token:
                return
            self._unlabel()
            lost = current != expect or err.is_deleted
            raise (self.place.conflict() if lost else self.client.failure(self.place, err)) from err

    def _unlabel(self) -> None:
        """Take our label away. It may be with the next writer already, and it disturbs nobody where it stays."""
        request = {"SecretId": self.place.path, "VersionStage": CANDIDATE, "RemoveFromVersionId": self.token}
        try:
            self.client.ask(self.place, "update_secret_version_stage", request, let=(_GONE, *_WRONG))
        except (Told, StoreError):
            return

    def _described(self) -> dict[str, Any]:
        try:
            return self.client.ask(self.place, "describe_secret", {"SecretId": self.place.path}, let=(_GONE,))
        except Told as err:
            raise self.place.conflict() from err

    def _current(self, found: Mapping[str, Any]) -> Version | None:
        needed(self.place, found, "Name")
        return current_version(found.get("VersionIdsToStages") or {})

    @property
    def _value(self) -> dict[str, str]:
        return {"SecretString": self.text, "ClientRequestToken": self.token}


def delete(client: Client, place: Place, expect: Version) -> None:
    """Schedule it for deletion if its current version is `expect`. Raises Conflict.

    AWS deletes whatever is current, and a secret that is scheduled for deletion can't be written. So what was current at that
    moment is current afterwards: if that isn't `expect`, the secret is restored. Nobody can read it between the two.
    """
    with suppress(NotFound):  # somebody else was first, or the answer to an earlier attempt was lost
        client.ask(place, "delete_secret", {"SecretId": place.path, "RecoveryWindowInDays": RECOVERY})
    try:
        found = client.ask(place, "describe_secret", {"SecretId": place.path})
    except NotFound:
        return
    current = current_version(needed(place, found, "VersionIdsToStages"))
    if current == expect and found.get("DeletedDate"):
        return
    if found.get("DeletedDate"):
        client.ask(place, "restore_secret", {"SecretId": place.path})
    raise place.conflict()


def current_version(stages: Mapping[str, list[str]]) -> Version | None:
    """The version that AWSCURRENT stands at."""
    return next((version for version, labels in stages.items() if CURRENT in labels), None)
