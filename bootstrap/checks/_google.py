"""What the checks of Google's services have in common."""

from __future__ import annotations

import contextlib
import json
import os
import re
from typing import Any

from bootstrap.checks.base import Cause, CauseName, CheckParams, Endpoint, Run, url_endpoint

CONN_TYPE = "google_cloud_platform"
PROVIDER = "apache-airflow-providers-google"
_BY_CODE: dict[int, CauseName] = {400: "check_error", 401: "auth", 403: "permission", 404: "not_found", 504: "timeout"}
_PERMISSION = re.compile(r"\b([a-z]+(?:\.[a-zA-Z]+){2,3})\b(?: access| permission|' denied)")
_MALFORMED_KEY = re.compile(
    r"service account info|deserialize key|Invalid key JSON|detect(ed)? key|valid RSA", re.IGNORECASE
)


def service_endpoint(conn: Any, service: str, emulator: str) -> Endpoint | None:
    """Where the client of `service` connects to: the emulator that the variable names, else Google's own address."""
    if address := os.environ.get(emulator):
        return url_endpoint(address if "://" in address else f"http://{address}")
    domain = conn.extra_dejson.get("universe_domain") or "googleapis.com"
    return url_endpoint(f"https://{service}.{domain}")


def login(conn_id: str, params: CheckParams, run: Run) -> str:  # noqa: ARG001
    """Get an access token for the connection's credentials, which proves the key; returns whose it is."""
    import google.auth.credentials
    from airflow.providers.google.common.hooks.base_google import GoogleBaseHook
    from google.auth.transport.requests import Request

    credentials = GoogleBaseHook(gcp_conn_id=conn_id).get_credentials()
    if isinstance(credentials, google.auth.credentials.AnonymousCredentials):
        return "anonymous"
    credentials.refresh(Request())
    return str(getattr(credentials, "service_account_email", ""))


def cause(error: BaseException) -> Cause | None:
    """What Google's libraries say of a refused key or call."""
    kind, text = type(error).__name__, str(error)
    if _MALFORMED_KEY.search(text):
        return Cause("secret_malformed", "the service account key is not one: " + text.split("(", 1)[0].strip())
    if kind in ("RefreshError", "DefaultCredentialsError", "InvalidGrantError"):
        return Cause("auth", text.strip("()").partition(", {")[0].strip("'\""))
    code = getattr(error, "code", None)
    if type(error).__module__.startswith("google.api_core") and isinstance(code, int) and code in _BY_CODE:
        return _refusal(_BY_CODE[code], str(getattr(error, "message", "")) or text)
    return None


def _refusal(name: CauseName, message: str) -> Cause:
    message = _said(message)
    granted = _PERMISSION.search(message)
    hint = f"grant {granted[1]} to the service account" if granted and name == "permission" else ""
    return Cause(name, message, hint)


def _said(message: str) -> str:
    """Google's own sentence, without the request's method and URL and the JSON around it."""
    text = re.sub(r"^[A-Z]+ https?://\S+: ", "", message)
    with contextlib.suppress(ValueError, KeyError, TypeError):
        text = str(json.loads(text)["error"]["message"])
    return text.partition("\n")[0]


def is_missing(error: BaseException) -> bool:
    """Whether Google says that there is no such thing."""
    return getattr(error, "code", None) == 404  # noqa: PLR2004
