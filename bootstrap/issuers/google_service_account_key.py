"""Keys of a Google service account, made, disabled and deleted with the IAM API.

https://cloud.google.com/iam/docs/keys-create-delete and https://cloud.google.com/iam/docs/keys-disable-enable. The API is
eventually consistent (https://cloud.google.com/iam/docs/overview#consistency): a new key is refused, is "not found" or is
missing from the listing for some seconds. Access tokens that a key has brought outlive it by up to an hour.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Annotated, Literal
from urllib.parse import quote

from pydantic import AfterValidator, Field

from bootstrap.errors import IssuerDenied, IssuerError, IssuerUnavailable
from bootstrap.issuers._google_api import Api, Call, Refused
from bootstrap.issuers._google_keys import FIELD, GoogleKey, last_uses, listed, made, resource_name, told, with_use
from bootstrap.issuers._google_login import key_document, login
from bootstrap.issuers.base import WINDOW, Attempt, Issuer, IssuerOptions, Key, KeyFields, KeyInfo, Surroundings
from bootstrap.manifest.field_types import SecretRef
from bootstrap.util.urls import checked, is_here

KEYLESS = (
    "Airflow on Google Cloud, or elsewhere with workload identity federation, needs no key: attach the service account to "
    "the machine (on GKE with Workload Identity) and leave out keyfile_dict; "
    "https://cloud.google.com/iam/docs/migrate-from-service-account-keys"
)
LIMIT = 10  # user-managed keys of an account: https://cloud.google.com/iam/quotas
_POLL = 2.0  # seconds between two looks at the listing
_UNSURE = {"NOT_FOUND", "PERMISSION_DENIED", "FAILED_PRECONDITION"}  # what may be said of a key that is gone, or is so


def _address(text: str) -> str:
    if text.startswith("http:") and not is_here(text):
        msg = "expected https://…: the answer holds the new key"
        raise ValueError(msg)
    return text


Address = Annotated[str, Field(pattern=r"^https?://[^\s/@?#]+$"), AfterValidator(checked), AfterValidator(_address)]


class Options(IssuerOptions):
    """`account` is the service account's e-mail address. `admin` is whose key may make keys of it: a service account's
    key, or a connection that has one; by default the application default credentials. `endpoint` and `analyzer` are
    where a network that keeps to itself has the IAM API and the Policy Analyzer API (Private Service Connect).
    """

    issuer: Literal["google_service_account_key"]
    account: Annotated[str, Field(pattern=r"^[^\s@/]+@[^\s@/]+$")]
    admin: SecretRef | None = None
    endpoint: Address = "https://iam.googleapis.com"
    analyzer: Address = "https://policyanalyzer.googleapis.com"


def fields(_options: Options) -> tuple[str, ...]:
    """What a key fills."""
    return (FIELD,)


def open_issuer(options: Options, surroundings: Surroundings) -> Issuer:
    """Sends no request yet. Raises IssuerDenied where Google's client is missing."""
    where = f"service account {options.account}"
    return GoogleServiceAccountKeys(options, Api(where, options.account, login(where, options.admin, surroundings)))


class GoogleServiceAccountKeys:
    """The user-managed keys of one account."""

    def __init__(self, options: Options, api: Api) -> None:
        self.account = options.account
        self._options = options
        self._api = api
        self._url = f"{options.endpoint}/v1/{resource_name(options.account)}/keys"
        self._made: dict[str, float] = {}

    def issue(self, attempt: Attempt) -> Key:
        """As Issuer's. The request is sent once: asked again, Google would make another key."""
        if len(self._listed()) >= LIMIT:
            raise self._full()
        call = Call("create a key", "POST", self._url, body={"privateKeyType": "TYPE_GOOGLE_CREDENTIALS_FILE"})
        try:
            answer = self._api.once(call, before=lambda: _in_time(self._api.where, attempt))
        except Refused as err:
            raise self._refusal(err) from err
        key = made(self._api.where, self.account, answer)
        self._made[key.id] = time.monotonic()
        return key

    def lost(self, attempt: Attempt) -> Sequence[str]:
        """As Issuer's. A key has no mark that says who made it: there must be one only that it can be.

        If there is none yet this waits, for `settle` at most: Google may not list the key of a process that has just died.
        """
        end = time.monotonic() + self._still_unsettled(attempt)
        found = self._candidates(attempt)
        while not found and time.monotonic() < end:
            time.sleep(min(_POLL, max(0.0, end - time.monotonic())))
            found = self._candidates(attempt)
        if len(found) > 1:
            lines = "\n".join(told(found))
            what = (
                f"{len(found)} keys may be the one that was made at {attempt.since:%Y-%m-%d %H:%M:%S} UTC, and was lost"
            )
            raise IssuerDenied(f"{self._api.where}: {what}:\n{lines}", f"delete what nobody uses: {self._delete}")
        return [key.id for key in found]

    def keys(self) -> Sequence[KeyInfo]:
        """As Issuer's, oldest first. When they were last used comes by the day, and some days late."""
        keys = self._listed()
        return with_use(keys, last_uses(self._api, self._options.analyzer, keys))

    def identify(self, fields: KeyFields) -> str | None:
        """As Issuer's. Raises IssuerDenied for a key of another account, which this one's listing could only say is gone."""
        content = fields.get(FIELD)
        held = key_document(content.reveal()) if content else None
        if held is None:
            return None
        email = held.get("client_email")
        if isinstance(email, str) and email != self.account:
            message = f"{self._api.where}: the connection holds a key of {email}"
            raise IssuerDenied(message, "correct the issuer's `account`")
        key_id = held.get("private_key_id")
        return key_id if isinstance(key_id, str) and key_id else None

    def disable(self, key_id: str) -> None:
        """As Issuer's; for new tokens: those that the key has brought live on for up to an hour."""
        self._change(self._call("disable", key_id), key_id, "disabled")

    def enable(self, key_id: str) -> None:
        """As Issuer's."""
        if not self._change(self._call("enable", key_id), key_id, "enabled"):
            message = f"{self._api.where}: can't enable key {key_id}: it was deleted"
            raise IssuerDenied(message, "a new one: airflow-bootstrap rotate")

    def destroy(self, key_id: str) -> None:
        """As Issuer's."""
        self._change(Call(f"delete key {key_id}", "DELETE", self._key_url(key_id)), key_id, None)

    def _call(self, verb: str, key_id: str) -> Call:
        return Call(f"{verb} key {key_id}", "POST", f"{self._key_url(key_id)}:{verb}", body={})

    def _key_url(self, key_id: str) -> str:
        return f"{self._url}/{quote(key_id, safe='')}"

    def _change(self, call: Call, key_id: str, wanted: str | None) -> bool:
        """False if the key is gone. Of that Google's answer to the call is no proof, its listing is."""
        try:
            self._api.ask(call)
        except Refused as err:
            if err.code not in _UNSURE:
                raise
            state = self._state(key_id, err)
            if state is None:
                # That a key isn't known says little of one that was made a moment ago
                age = time.monotonic() - self._made.get(key_id, float("-inf"))
                if age < self._options.settle.total_seconds():
                    what = f"Google does not know key {key_id} yet, which it has just made"
                    raise IssuerUnavailable(f"{self._api.where}: {what}", "run it again in a minute") from err
                return False
            if err.code == "NOT_FOUND":
                what = f"can't {call.doing}: Google lists it, and says that it is not there"
                raise IssuerUnavailable(f"{self._api.where}: {what}", "run it again in a minute") from err
            if err.code != "FAILED_PRECONDITION" or state != wanted:
                raise
        return True

    def _state(self, key_id: str, refusal: Refused) -> str | None:
        """What the listing says of a key, None if it isn't there. Raises the refusal where nobody may list keys."""
        try:
            return next((key.info.state for key in self._listed() if key.info.id == key_id), None)
        except Refused:
            raise refusal from None

    def _listed(self) -> Sequence[GoogleKey]:
        call = Call("list the keys", "GET", self._url, query={"keyTypes": "USER_MANAGED"})
        return listed(self._api.where, self._api.ask(call))

    def _candidates(self, attempt: Attempt) -> Sequence[KeyInfo]:
        """Keys that the attempt may have made."""
        new = [key for key in self._listed() if not key.uploaded and attempt.may_have_made(key.info)]
        used = last_uses(self._api, self._options.analyzer, new)
        return [info for info in with_use(new, used) if attempt.may_have_made(info)]

    def _still_unsettled(self, attempt: Attempt) -> float:
        """Seconds for which a key of this attempt may still be missing from the listing."""
        now = datetime.now(timezone.utc)
        latest = min(now, attempt.since + timedelta(seconds=WINDOW))
        return (latest + self._options.settle - now).total_seconds()

    def _refusal(self, err: Refused) -> IssuerError:
        """Google says of too many keys "Precondition check failed.", or, as it did, that a resource is exhausted."""
        if err.code in {"FAILED_PRECONDITION", "RESOURCE_EXHAUSTED"}:
            try:
                full = len(self._listed()) >= LIMIT
            except IssuerError:
                return err
            return self._full() if full else err
        return err

    def _full(self) -> IssuerDenied:
        keys = self.keys()
        lines = "\n".join(told(keys))
        what = f"it has {len(keys)} keys already, and Google allows {LIMIT}"
        return IssuerDenied(f"{self._api.where}: can't create a key: {what}:\n{lines}", f"delete one: {self._delete}")

    @property
    def _delete(self) -> str:
        return f"gcloud iam service-accounts keys delete KEY_ID --iam-account {self.account}"


def _in_time(where: str, attempt: Attempt) -> None:
    """A key that is made later would not be known for this attempt's own."""
    late = (datetime.now(timezone.utc) - attempt.since).total_seconds()
    if late >= WINDOW:
        what = f"no key was asked for: {int(late)} s have passed since this was written down"
        raise IssuerUnavailable(f"{where}: {what}", "run it again")
