"""Talking to Google's IAM API: trying again where that is safe, and what an answer means."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any

from bootstrap.domain.secret import foreign
from bootstrap.errors import IssuerDenied, IssuerUnavailable
from bootstrap.issuers._google_login import Login
from bootstrap.util.retrying import patience, retried

_PERMISSION = re.compile(r"\b(?:iam|policyanalyzer)\.\w+\.\w+\b")
_PASSING = {"RESOURCE_EXHAUSTED", "ABORTED"}  # refused now, done perhaps in a moment; nothing was done
_CONSTRAINT = re.compile(r"^constraints/iam\.")
_ROLE = "roles/iam.serviceAccountKeyAdmin"
_STATUS_PAGE = "try again; see https://status.cloud.google.com"
_HINTS = {
    "UNAUTHENTICATED": "check `admin`: a deleted or disabled key needs a new one",
    "NOT_FOUND": "check the issuer's `account`: gcloud iam service-accounts list",
    "RESOURCE_EXHAUSTED": "try again in a minute, or ask Google for a higher quota",
}


class Refused(IssuerDenied):
    """Google's definite no. `code` is what it calls it: NOT_FOUND, PERMISSION_DENIED, FAILED_PRECONDITION and so on;
    `again`: the seconds after which asking again may help, None if it doesn't.
    """

    def __init__(self, message: str, hint: str, code: str, again: float | None = None) -> None:
        super().__init__(message, hint)
        self.code = code
        self.again = again


class Unanswered(IssuerUnavailable):
    """No answer, or none that says what was done. `again`: as of `Refused`."""

    def __init__(self, message: str, hint: str, again: float | None = None) -> None:
        super().__init__(message, hint)
        self.again = again


@dataclass(frozen=True)
class Call:
    """A request; `doing` says in a message what it is for."""

    doing: str
    method: str
    url: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Api:
    """Sends requests about the keys of `account`; `where` begins each message."""

    where: str
    account: str
    login: Login

    def ask(self, call: Call) -> dict[str, Any]:
        """Send a request that may be sent again. Raises Refused or IssuerUnavailable."""
        busy, blip = partial(_again, Refused), partial(_again, Unanswered)
        return retried(lambda: self.once(call), patience(busy, blip))

    def once(self, call: Call, before: Callable[[], None] = lambda: None) -> dict[str, Any]:
        """Send a request once, after `before`, which may stop it. Raises Refused or IssuerUnavailable."""
        import requests

        from bootstrap.util.http_client import is_cut

        headers = self.login.headers()
        before()
        try:
            answer = self.login.send(call.method, call.url, params=call.query, json=call.body, headers=headers)
        except (requests.exceptions.RequestException, OSError) as err:  # OSError: a file of certificates
            what = "the server did not answer" if "timed out" in str(err) else "can't reach the server"
            message = f"{self.where}: can't {call.doing}: {what}: {' '.join(foreign(err).split())[:300]}"
            hint = "check the network, its proxy, and the issuer's endpoint"
            raise Unanswered(message, hint, 0.0 if is_cut(err) else None) from err
        return self._read(call, answer)

    def _read(self, call: Call, answer: Any) -> dict[str, Any]:
        """The JSON object that an answer brings, whose status says that what was asked for is done."""
        from bootstrap.util.http_client import retry_after

        try:
            found = answer.json()
        except ValueError:
            found = None
        document: dict[str, Any] | None = found if isinstance(found, dict) else None
        if document is not None and HTTPStatus.OK <= answer.status_code < HTTPStatus.MULTIPLE_CHOICES:
            return document
        error = (document or {}).get("error")
        if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            said = _message(error) if isinstance(error, dict) else ""
            what = f"the server failed (HTTP {answer.status_code}){f': {said}' if said else ''}"
            raise Unanswered(f"{self.where}: can't {call.doing}: {what}", _STATUS_PAGE, retry_after(answer.headers))
        if not (isinstance(error, dict) and isinstance(error.get("status"), str)):
            what = f"the answer is not that of Google's IAM API (HTTP {answer.status_code})"
            raise Unanswered(f"{self.where}: can't {call.doing}: {what}", "check the issuer's endpoint")
        again = retry_after(answer.headers) if error["status"] in _PASSING else None
        hint = self._hint(error)
        raise Refused(f"{self.where}: can't {call.doing}: {_message(error)}", hint, error["status"], again)

    def _hint(self, error: Mapping[str, Any]) -> str:
        """The next step after a refusal."""
        details = error.get("details")
        for item in details if isinstance(details, list) else ():
            if not isinstance(item, dict):
                continue
            if item.get("reason") == "SERVICE_DISABLED":  # google.rpc.ErrorInfo
                metadata = item.get("metadata") or {}
                project = str(metadata.get("consumer", "")).partition("projects/")[2]
                service = metadata.get("service", "iam.googleapis.com")
                return f"gcloud services enable {service}{f' --project {project}' if project else ''}"
            for each in item.get("violations") or ():  # google.rpc.PreconditionFailure
                if isinstance(each, dict) and _CONSTRAINT.match(str(each.get("type"))):
                    return f"an organization policy forbids it: ask for an exception from {each['type']}, or use no key at all"
        if error["status"] == "PERMISSION_DENIED":
            found = _PERMISSION.search(_message(error))
            command = f"gcloud iam service-accounts add-iam-policy-binding {self.account}"
            grant = f"{command} --member {self.login.principal} --role {_ROLE}"
            return f"grant {found[0]}: {grant}" if found else grant
        return _HINTS.get(error["status"], "see what Google says: https://cloud.google.com/iam/docs/keys-create-delete")


def _again(kind: type[Refused | Unanswered], err: BaseException) -> float | None:
    return err.again if isinstance(err, kind) else None


def _message(error: Mapping[str, Any]) -> str:
    return " ".join(foreign(error.get("message", "")).split())[:500]
