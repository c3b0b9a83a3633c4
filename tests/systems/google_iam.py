"""Google's IAM API for the keys of service accounts, and the Policy Analyzer API for when they were last used.

The keys are those that `google_accounts` takes, at the same server. A new key may be refused or missing for a while, an
answer may be lost or be another: as with Google.
"""

from __future__ import annotations

import base64
import json
import re
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from .google_permissions import Need
from .in_process import Answer, json_answer

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from .google_accounts import Accounts, Key
    from .in_process import Request

LIMIT = 10
_WEST = timedelta(hours=7)
USED = "policyanalyzer.serviceAccountKeyLastAuthenticationActivities.query"
_KEYS = r"/v1/projects/(?P<project>[^/]+)/serviceAccounts/(?P<account>[^/]+)/keys"
_KEY = rf"{_KEYS}/(?P<key>[^/:]+)"
_ACTIVITY = "serviceAccountKeyLastAuthentication"
_CALLS = [  # method, path, permission
    ("POST", _KEYS, "iam.serviceAccountKeys.create"),
    ("GET", _KEYS, "iam.serviceAccountKeys.list"),
    ("GET", _KEY, "iam.serviceAccountKeys.get"),
    ("POST", f"{_KEY}:disable", "iam.serviceAccountKeys.disable"),
    ("POST", f"{_KEY}:enable", "iam.serviceAccountKeys.enable"),
    ("DELETE", _KEY, "iam.serviceAccountKeys.delete"),
    ("GET", rf"/v1/projects/(?P<project>[^/]+)/locations/global/activityTypes/{_ACTIVITY}/activities:query", USED),
]
_STATUS = {
    "NOT_FOUND": HTTPStatus.NOT_FOUND,
    "PERMISSION_DENIED": HTTPStatus.FORBIDDEN,
    "FAILED_PRECONDITION": HTTPStatus.BAD_REQUEST,
    "INVALID_ARGUMENT": HTTPStatus.BAD_REQUEST,
    "RESOURCE_EXHAUSTED": HTTPStatus.TOO_MANY_REQUESTS,
    "UNAVAILABLE": HTTPStatus.SERVICE_UNAVAILABLE,
    "INTERNAL": HTTPStatus.INTERNAL_SERVER_ERROR,
}


def refusal(status: str, message: str, **detail: Any) -> Answer:
    """An error as Google's newer REST APIs give it."""
    error: dict[str, Any] = {"code": int(_STATUS[status]), "message": message, "status": status}
    return json_answer(_STATUS[status], {"error": {**error, "details": [detail]} if detail else error})


# What Google says of an eleventh key, and what it said until 2022.
FULL = refusal("FAILED_PRECONDITION", "Precondition check failed.")
FULL_ONCE = refusal("RESOURCE_EXHAUSTED", "Maximum number of keys on account reached.")


@dataclass
class Iam:
    """`refusals` and `hidden` are what new keys have of them: see `google_accounts.Key`."""

    accounts: Accounts
    refusals: int = 0
    hidden: int = 0
    full: Answer = FULL
    created: int = 0
    _faults: dict[str, list[Answer | None]] = field(default_factory=lambda: defaultdict(list))

    def fail(self, permission: str, *answers: Answer) -> None:
        """Give the next calls that need the permission these answers; nothing is done."""
        self._faults[permission] += answers

    def lose(self, permission: str) -> None:
        """Do what the next call asks for, and hang up without an answer."""
        self._faults[permission].append(None)

    def needs(self, request: Request) -> list[Need]:
        """Return what a call needs; nothing, if it is none of this API."""
        for method, pattern, permission in _CALLS:
            match = re.fullmatch(pattern, request.path)
            if match and method == request.method:
                return [Need(permission, {name: unquote(value) for name, value in match.groupdict().items()})]
        return []

    def denied(self, needed: Need) -> Answer:
        """Refuse a permission."""
        return refusal(
            "PERMISSION_DENIED",
            f"Permission '{needed.permission}' denied on resource (or it may not exist).",
            reason="IAM_PERMISSION_DENIED",
            domain="iam.googleapis.com",
        )

    def answer(self, request: Request) -> Answer:
        """Answer a call of an account that may make it. Raises ConnectionAbortedError for one whose answer is lost."""
        (needed,) = self.needs(request)
        faults = self._faults[needed.permission]
        is_lost = False
        if faults:
            fault = faults.pop(0)
            if fault is not None:
                return fault
            is_lost = True
        done = self._used(request) if needed.permission == USED else self._do(needed)
        if is_lost:
            raise ConnectionAbortedError
        return done

    def _do(self, needed: Need) -> Answer:
        project, account = needed.names["project"], needed.names["account"]
        if project not in {"-", self.accounts.projects.get(account)} or account not in self.accounts.projects:
            if project == "-":
                return self.denied(needed)
            return refusal("NOT_FOUND", f"Service account projects/{project}/serviceAccounts/{account} does not exist.")
        verb = needed.permission.rpartition(".")[2]
        if verb in {"create", "list"}:
            return self._create(account) if verb == "create" else self._list(account)
        key = self.accounts.keys.get(needed.names["key"])
        if key is None or key.email != account or key.hidden:
            return refusal("NOT_FOUND", f"Service account key {needed.names['key']} does not exist.")
        return self._changes[verb](key)

    @property
    def _changes(self) -> dict[str, Callable[[Key], Answer]]:
        return {
            "get": lambda key: json_answer(HTTPStatus.OK, _shown(key)),
            "disable": lambda key: self._set(key, disabled=True),
            "enable": lambda key: self._set(key, disabled=False),
            "delete": self._delete,
        }

    def _create(self, account: str) -> Answer:
        if sum(key.email == account for key in self.accounts.keys.values()) >= LIMIT:
            return self.full
        content = self.accounts.service_account(account, self.accounts.projects[account])
        key = self.accounts.keys[content["private_key_id"]]
        key.refusals, key.hidden = self.refusals, self.hidden
        self.created += 1
        data = base64.b64encode(f"{json.dumps(content, indent=2)}\n".encode()).decode()
        private = {"privateKeyType": "TYPE_GOOGLE_CREDENTIALS_FILE", "privateKeyData": data}
        return json_answer(HTTPStatus.OK, {**_shown(key), **private})

    def _list(self, account: str) -> Answer:
        shown = []
        for key in self.accounts.keys.values():
            if key.email != account:
                continue
            if key.hidden:
                key.hidden -= 1
            else:
                shown.append(_shown(key))
        return json_answer(HTTPStatus.OK, {"keys": shown} if shown else {})

    def _set(self, key: Key, *, disabled: bool) -> Answer:
        key.disabled = disabled
        return json_answer(HTTPStatus.OK, {})

    def _delete(self, key: Key) -> Answer:
        self.accounts.delete_key(key.id)
        return json_answer(HTTPStatus.OK, {})

    def _used(self, request: Request) -> Answer:
        """Say by the day when keys were last used; the real API does so some days late."""
        wanted = parse_qs(urlsplit(request.target).query).get("filter", [""])[0]
        activities = [
            {
                "fullResourceName": _full_name(key),
                "activityType": _ACTIVITY,
                "activity": {"lastAuthenticatedTime": _time(_day(key.used))} if key.used else {},
            }
            for key in self.accounts.keys.values()
            if wanted in {"", f'activities.full_resource_name="{_full_name(key)}"'}
        ]
        return json_answer(HTTPStatus.OK, {"activities": activities} if activities else {})


def _name(key: Key) -> str:
    return f"projects/{key.project}/serviceAccounts/{key.email}/keys/{key.id}"


def _full_name(key: Key) -> str:
    return f"//iam.googleapis.com/{_name(key)}"


def _shown(key: Key) -> dict[str, Any]:
    shown = {
        "name": _name(key),
        "validAfterTime": _time(key.created),
        "validBeforeTime": "9999-12-31T23:59:59Z",
        "keyAlgorithm": "KEY_ALG_RSA_2048",
        "keyOrigin": "USER_PROVIDED" if key.uploaded else "GOOGLE_PROVIDED",
        "keyType": "USER_MANAGED",
    }
    return {**shown, "disabled": True} if key.disabled else shown


def _day(when: datetime) -> datetime:
    """When the day began in California, which is never yet to come."""
    return (when - _WEST).replace(hour=0, minute=0, second=0, microsecond=0) + _WEST


def _time(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")
