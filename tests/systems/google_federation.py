"""Tokens for other accounts: what iamcredentials.googleapis.com and sts.googleapis.com do."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta, timezone
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from .in_process import json_answer

if TYPE_CHECKING:
    from .google_accounts import Accounts
    from .in_process import Answer, Request

PERMISSION = "iam.serviceAccounts.getAccessToken"
SUBJECT = "principal://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/subject/ci"
SUBJECT_TOKEN = "a-token-of-the-ci-system"
_GENERATE = re.compile(r"/v1/projects/-/serviceAccounts/(?P<email>[^/]+):generateAccessToken")


def answer_impersonation(accounts: Accounts, request: Request) -> Answer | None:
    """A token of the account in the path, by way of the delegates; None for another path."""
    found = _GENERATE.fullmatch(request.path)
    if found is None:
        return None
    caller = accounts.email(request.bearer)
    if caller is None:
        return _refusal(HTTPStatus.UNAUTHORIZED, "UNAUTHENTICATED", "Request had invalid authentication credentials.")
    asked = json.loads(request.body)
    chain = [caller, *(item.rpartition("/")[2] for item in asked.get("delegates") or [])]
    if not all(accounts.may(email, PERMISSION) for email in chain) or not asked.get("scope"):
        message = f"Permission '{PERMISSION}' denied on resource (or it may not exist)."
        return _refusal(HTTPStatus.FORBIDDEN, "PERMISSION_DENIED", message)
    expires = (datetime.now(timezone.utc) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return json_answer(HTTPStatus.OK, {"accessToken": accounts.token(found["email"]), "expireTime": expires})


def answer_sts(accounts: Accounts, request: Request) -> Answer | None:
    """A token for somebody who has one of SUBJECT's; None for another path."""
    if request.path != "/v1/token":
        return None
    form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
    if form.get("subject_token") != SUBJECT_TOKEN:
        refusal = {"error": "invalid_grant", "error_description": "The given credential is rejected."}
        return json_answer(HTTPStatus.BAD_REQUEST, refusal)
    granted = {
        "access_token": accounts.token(SUBJECT),
        "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "token_type": "Bearer",
        "expires_in": 3600,
    }
    return json_answer(HTTPStatus.OK, granted)


def _refusal(status: HTTPStatus, name: str, message: str) -> Answer:
    return json_answer(status, {"error": {"code": int(status), "message": message, "status": name}})
