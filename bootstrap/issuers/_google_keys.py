"""Keys of a service account as Google's IAM API tells of them."""

from __future__ import annotations

import base64
import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any

from bootstrap.domain.secret import Secret
from bootstrap.errors import IssuerError, IssuerUnavailable
from bootstrap.issuers._google_api import Api, Call
from bootstrap.issuers._google_login import key_document
from bootstrap.issuers.base import Key, KeyInfo
from bootstrap.util.durations import moment, shown

FIELD = "extra.keyfile_dict"
_PROJECTS = (  # by an account's address
    re.compile(r"[^@]+@(?P<project>[a-z0-9.-]+)\.iam\.gserviceaccount\.com"),
    re.compile(r"(?P<project>[a-z0-9.-]+)@appspot\.gserviceaccount\.com"),
    re.compile(r"(?P<project>[0-9]+)-compute@developer\.gserviceaccount\.com"),
)
_ACTIVITY = "locations/global/activityTypes/serviceAccountKeyLastAuthentication/activities:query"
_NEVER = 9999  # the year in which a key expires that has no end
_EARLIEST = datetime.min.replace(tzinfo=timezone.utc)


@dataclass(frozen=True)
class GoogleKey:
    """A key of the listing. `name` is its full one, with the project; `uploaded`: Google did not make it."""

    info: KeyInfo
    name: str
    uploaded: bool


def resource_name(account: str) -> str:
    """The account's resource name. Without its project, Google says of one that isn't there that it is forbidden.

    https://cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts.keys/list
    """
    found = next(filter(None, (pattern.fullmatch(account) for pattern in _PROJECTS)), None)
    project = found["project"] if found else "-"
    name, dot, domain = project.partition(".")
    if dot:  # of a project of a domain: PROJECT.DOMAIN in an address, DOMAIN:PROJECT by its name
        project = f"{domain}:{name}"
    return f"projects/{project}/serviceAccounts/{account}"


def listed(where: str, document: Mapping[str, Any]) -> Sequence[GoogleKey]:
    """The keys of a listing; an account without any has no field for them. Raises IssuerUnavailable for what is none.

    https://cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts.keys#ServiceAccountKey
    """
    try:
        return [
            GoogleKey(
                KeyInfo(
                    id=id_of(item["name"]),
                    state="disabled" if item.get("disabled") else "enabled",
                    created=moment(item["validAfterTime"]).replace(microsecond=0),
                    expires=_end(item),
                ),
                item["name"],
                uploaded=item.get("keyOrigin") == "USER_PROVIDED",
            )
            for item in document.get("keys", [])
        ]
    except (AttributeError, KeyError, TypeError, ValueError) as err:
        what = "the answer is not a listing of Google's IAM API"
        raise IssuerUnavailable(f"{where}: {what}", "check the issuer's endpoint") from err


def made(where: str, account: str, document: Mapping[str, Any]) -> Key:
    """The key that `create` brings. Raises IssuerUnavailable: there may be one then, whose secret nobody has."""
    try:
        content = Secret(base64.b64decode(document["privateKeyData"], validate=True).decode())
        held = key_document(content.reveal()) or {}
        names = (id_of(document["name"]), account)
        key = Key(
            held["private_key_id"],
            {FIELD: content},
            moment(document["validAfterTime"]).replace(microsecond=0),
            _end(document),
        )
    except (AttributeError, KeyError, TypeError, ValueError):  # quotes the key
        names, held, key = ("", ""), {}, Key("", {})
    if not key.id or (key.id, held.get("client_email")) != names:
        what = "Google's answer to the request for a new key holds none of this account"
        raise IssuerUnavailable(f"{where}: {what}", "run it again: what was made is found and deleted")
    return key


def id_of(name: str) -> str:
    """The last part of a key's name, which is its private_key_id. Raises ValueError."""
    before, _, key_id = name.rpartition("/keys/")
    if not before or not key_id:
        raise ValueError(name)
    return key_id


def _end(item: Mapping[str, Any]) -> datetime | None:
    """When it expires, as an organization policy may want (constraints/iam.serviceAccountKeyExpiryHours)."""
    end = moment(item["validBeforeTime"]).replace(microsecond=0) if "validBeforeTime" in item else None
    return end if end is not None and end.year < _NEVER else None


def last_uses(api: Api, analyzer: str, keys: Iterable[GoogleKey]) -> Mapping[str, datetime]:
    """When keys were last used, by their ids; keys that nothing is known of aren't in it, be it only since nobody may ask.

    Google's Policy Analyzer tells it by the day, and some days late; it is an API that a project must enable and few may ask.
    https://cloud.google.com/policy-intelligence/docs/activity-analyzer-service-account-authentication
    https://cloud.google.com/policy-intelligence/docs/reference/policyanalyzer/rest/v1/projects.locations.activityTypes.activities/query
    """
    used: dict[str, datetime] = {}
    with contextlib.suppress(IssuerError):
        for key in keys:
            url = f"{analyzer}/v1/projects/{key.name.split('/')[1]}/{_ACTIVITY}"
            query = {"filter": f'activities.full_resource_name="//iam.googleapis.com/{key.name}"'}
            document = api.once(Call("read when keys were used", "GET", url, query))
            with contextlib.suppress(
                AttributeError, KeyError, TypeError, ValueError
            ):  # what is no answer tells nothing
                for item in document.get("activities", []):
                    if text := item["activity"].get("lastAuthenticatedTime"):
                        used[id_of(item["fullResourceName"])] = moment(text).replace(microsecond=0)
    return used


def with_use(keys: Iterable[GoogleKey], used: Mapping[str, datetime]) -> Sequence[KeyInfo]:
    """The keys with their last use, oldest first."""
    infos = (replace(key.info, last_used=used.get(key.info.id)) for key in keys)
    return sorted(infos, key=lambda info: info.created or _EARLIEST)


def told(keys: Iterable[KeyInfo]) -> Iterator[str]:
    """A line for each key: its state, age and last use."""
    now = datetime.now(timezone.utc)
    for key in keys:
        age = f"{shown(now - key.created)} old" if key.created else "of unknown age"
        use = f"last used {key.last_used:%Y-%m-%d}" if key.last_used else "last use unknown"
        yield f"  {key.id}  {key.state}, {age}, {use}"
