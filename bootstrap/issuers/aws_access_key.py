"""Access keys of an IAM user: docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_access-keys.html.

The admin must be allowed iam:ListAccessKeys, CreateAccessKey, UpdateAccessKey, DeleteAccessKey and GetAccessKeyLastUsed for the
user. A user has two keys at most, so that nobody else can make one while both of a rotation's work. A new key takes some
seconds until it is known everywhere. AWS tells a key's last use with a lag of minutes to hours.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from bootstrap.domain.secret import PublicText, Secret
from bootstrap.errors import IssuerDenied, IssuerUnavailable
from bootstrap.issuers._aws import FULL, GONE, Iam, code
from bootstrap.issuers.base import Attempt, Issuer, IssuerOptions, Key, KeyFields, KeyInfo, Surroundings
from bootstrap.manifest.field_types import SecretRef
from bootstrap.util.durations import shown
from bootstrap.util.urls import checked

KEYLESS = (
    "On AWS, Airflow gets in as the role of its instance, task or pod (IRSA), and elsewhere by web identity: leave out login and "
    "password, or give role_arn in extra."
)
_LIMIT = 2  # keys of a user
_STATES: Mapping[str, Literal["enabled", "disabled"]] = {"Active": "enabled"}


class Options(IssuerOptions):
    """`user`: whose keys these are; `admin`: a connection of type aws that may change them, else what AWS's tools find."""

    issuer: Literal["aws_access_key"]
    user: Annotated[str, Field(pattern=r"^[\w+=,.@-]{1,64}$")]
    region: str = "us-east-1"
    endpoint_url: Annotated[str, AfterValidator(checked)] | None = None
    admin: SecretRef | None = None


def fields(_options: Options) -> tuple[str, ...]:
    """The key's id and its secret."""
    return ("login", "password")


def open_issuer(options: Options, surroundings: Surroundings) -> Issuer:
    """Asks AWS, and reads the admin's key, at the first request."""
    account = f"IAM user {options.user}" + (f" at {options.endpoint_url}" if options.endpoint_url else "")
    iam = Iam(account, options.user, options.region, options.endpoint_url, options.admin, surroundings)
    return AccessKeys(options.user, account, iam)


class AccessKeys:
    """The keys of one user."""

    def __init__(self, user: str, account: str, iam: Iam) -> None:
        self.user = user
        self.account = account
        self._iam = iam

    def issue(self, attempt: Attempt) -> Key:
        """One request, never repeated. Raises IssuerDenied where there are two keys, or the one in use is another user's."""
        there = self.keys()
        if len(there) >= _LIMIT:
            raise self._full(there, attempt.current)
        if attempt.current is not None and all(key.id != attempt.current for key in there):
            self._require_nobody_elses(attempt.current)
        attempt.require_early(self.account)
        try:
            made = self._iam.once("create_access_key", UserName=self.user)["AccessKey"]
            secret = Secret(made["SecretAccessKey"])
            secret.reveal()
            return Key(
                made["AccessKeyId"],
                {"login": PublicText(made["AccessKeyId"]), "password": secret},
                made.get("CreateDate"),
            )
        except IssuerDenied as err:
            if code(err.__cause__) != FULL:
                raise
            raise self._full(self.keys(), attempt.current) from err
        except KeyError as err:
            raise self._iam.not_aws("create_access_key") from err

    def lost(self, attempt: Attempt) -> Sequence[str]:
        """The one key that the attempt can have made. Raises IssuerDenied for more than one, or if its last use can't be asked."""
        found = [key.id for key in self._listed() if attempt.may_have_made(key) and self._last_use(key.id) is None]
        if len(found) > 1:
            raise IssuerDenied(
                f"{self.account}: {', '.join(found)} were made when an earlier run made a key whose secret is lost",
                f"delete the one that nobody uses: {self._deletes('…')}",
            )
        return found

    def keys(self) -> Sequence[KeyInfo]:
        """One more request for each key's last use; unknown where that may not be asked."""
        found = []
        for key in self._listed():
            used = None
            with contextlib.suppress(IssuerDenied):
                used = self._last_use(key.id)
            found.append(replace(key, last_used=used))
        return found

    def identify(self, fields: KeyFields) -> str | None:
        """The id is the login."""
        return fields["login"].unmasked() or None

    def disable(self, key_id: str) -> None:
        """Inactive."""
        self._unless_gone("update_access_key", UserName=self.user, AccessKeyId=key_id, Status="Inactive")

    def enable(self, key_id: str) -> None:
        """Active."""
        if not self._unless_gone("update_access_key", UserName=self.user, AccessKeyId=key_id, Status="Active"):
            message = f"{self.account}: the key {key_id} is gone"
            raise IssuerDenied(message, "airflow-bootstrap rotate makes another one")

    def destroy(self, key_id: str) -> None:
        """Deleted."""
        self._unless_gone("delete_access_key", UserName=self.user, AccessKeyId=key_id)

    def _unless_gone(self, method: str, **request: str) -> bool:
        """False if there is no such key. If the user is gone, or it is another user's key, nobody knows that it is: an error."""
        try:
            self._iam.ask(method, **request)
        except IssuerDenied as err:
            if code(err.__cause__) != GONE:
                raise
            key_id = request["AccessKeyId"]
            if any(key.id == key_id for key in self._listed()):
                message = f"{self.account}: AWS says both that {key_id} is there and that it is gone"
                raise IssuerUnavailable(message, "run this again") from err
            self._require_nobody_elses(key_id)
            return False
        return True

    def _require_nobody_elses(self, key_id: str) -> None:
        """Raises IssuerDenied if the key is another user's. Of a key that is gone, AWS names no user."""
        try:
            owner = self._iam.ask("get_access_key_last_used", AccessKeyId=key_id).get("UserName")
        except IssuerDenied:
            return
        if owner is not None and owner != self.user:
            message = f"{self.account}: the key {key_id} is not this user's, but {owner}'s"
            raise IssuerDenied(message, "correct `user` of this connection's `rotate:`")

    def _listed(self) -> Sequence[KeyInfo]:
        """The oldest first, without their last use."""
        try:
            found = self._iam.ask("list_access_keys", UserName=self.user)["AccessKeyMetadata"]
            keys = [
                KeyInfo(each["AccessKeyId"], _STATES.get(each["Status"], "disabled"), each["CreateDate"])
                for each in found
            ]
        except KeyError as err:
            raise self._iam.not_aws("list_access_keys") from err
        return sorted(keys, key=_created)

    def _last_use(self, key_id: str) -> datetime | None:
        about: Any = self._iam.ask("get_access_key_last_used", AccessKeyId=key_id).get("AccessKeyLastUsed") or {}
        found: datetime | None = about.get("LastUsedDate")
        return found

    def _full(self, there: Sequence[KeyInfo], current: str | None) -> IssuerDenied:
        now = datetime.now(timezone.utc)
        lines = [
            f"  {key.id}: {key.state}, made {shown(now - _created(key))} ago, "
            + (f"used {shown(now - key.last_used)} ago" if key.last_used else "no known use")
            + (", in use by this connection" if key.id == current else "")
            for key in there
        ]
        other = next((key.id for key in there if key.id != current), "…")
        message = "\n".join([f"{self.account}: has {len(there)} keys, and AWS allows no more:", *lines])
        return IssuerDenied(message, f"if nobody uses {other}, delete it: {self._deletes(other)}")

    def _deletes(self, key_id: str) -> str:
        return f"aws iam delete-access-key --user-name {self.user} --access-key-id {key_id}"


def _created(key: KeyInfo) -> datetime:
    return key.created or datetime.min.replace(tzinfo=timezone.utc)
