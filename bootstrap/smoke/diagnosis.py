"""From an exception to one of the causes that a user can act on."""

from __future__ import annotations

import re
import socket
import ssl

from bootstrap.checks._errors import summary
from bootstrap.checks.base import Cause, CauseName, Diagnosed, Place, StepName
from bootstrap.checks.kind import CheckKind, KnowsCauses
from bootstrap.errors import RESTORE_KEY, chain
from bootstrap.util.urls import BadUrl

_BY_STATUS: dict[int, CauseName] = {401: "auth", 403: "permission", 404: "not_found", 407: "auth", 408: "timeout"}
_BY_TYPE: tuple[tuple[type[BaseException], CauseName], ...] = (
    (socket.gaierror, "dns"),
    (ConnectionRefusedError, "connection_refused"),
    (ssl.SSLError, "tls"),
    (TimeoutError, "timeout"),
)
_BY_TEXT: tuple[tuple[str, CauseName], ...] = (  # for hooks that return only a message
    (r"\b401\b|unauthorized|InvalidClientTokenId|SignatureDoesNotMatch|authentication failed|invalid_grant", "auth"),
    (r"login failed|access denied for user|invalid credentials|ExpiredToken|AuthFailure", "auth"),
    (r"\b403\b|forbidden|AccessDenied|permission denied", "permission"),
    (r"\b404\b|does not exist|NoSuchBucket|ResourceNotFound", "not_found"),
    (r"connection refused|could not connect to the endpoint", "connection_refused"),
    (r"name or service not known|could not translate host name|name resolution", "dns"),
    (r"certificate verify failed|\bSSL\b", "tls"),
    (r"timed? ?out", "timeout"),
)
HINTS: dict[CauseName, str] = {
    "secret_missing": "airflow-bootstrap register",
    "secret_malformed": "airflow-bootstrap register writes it anew; airflow-bootstrap plan shows what differs",
    "secret_undecryptable": RESTORE_KEY,
    "store_unreachable": "start or unseal the store; airflow-bootstrap doctor shows its state",
    "store_denied": "check Airflow's own credential for the store and its policy; airflow-bootstrap render writes it",
    "provider_missing": "pip install the provider",
    "dns": "correct the host, or this machine's name service",
    "connection_refused": "start the server, or correct its host and port",
    "tls": "trust the server's CA, or renew its certificate",
    "unreachable": "check the network between this machine and the host",
    "auth": "put the right secret into the store (store put), then airflow-bootstrap register",
    "permission": "grant the login what this check needs",
    "not_found": "create the resource, or correct its name in the manifest",
    "timeout": "see whether the server is stuck, or allow more with --timeout",
    "check_error": "run it by hand: airflow-bootstrap smoke --show-command",
}


def diagnose(error: BaseException, kind: CheckKind) -> Cause:
    """The cause of a failed step. The check's own knowledge goes first, then what is common to all systems."""
    for link in chain(error):
        if isinstance(link, Diagnosed):
            return link.cause
        own = kind.cause(link) if isinstance(kind, KnowsCauses) else None
        if found := own or _common(link):
            return Cause(found.name, found.message or summary(link), found.hint)
    for link in chain(error):
        known = (name for pattern, name in _BY_TEXT if re.search(pattern, str(link), re.IGNORECASE))
        if name := next(known, None):
            return Cause(name, summary(link))
    return Cause("check_error", summary(error))


def usual_hint(check_id: str, kind: CheckKind, cause: CauseName) -> str:
    """The next step where nobody knows a better one."""
    if cause == "permission" and kind.PERMISSIONS:
        return f"{HINTS[cause]}: {', '.join(kind.PERMISSIONS)}"
    return f"{HINTS[cause]} {check_id}" if cause == "check_error" else HINTS[cause]


def placed(found: Cause, place: Place, usual: str) -> Cause:
    """The cause with the place that was asked, which may be the wrong one. `usual`: the next step where the cause has none."""
    said = found.message if place.name in found.message else f"{found.message} (asked in {place.kind} {place.name})"
    return Cause(found.name, said, "; or ".join(filter(None, (found.hint or usual, place.correct))))


def step_of(cause: CauseName, current: StepName, proven: tuple[StepName, ...]) -> StepName:
    """Which of the steps that one request proves has failed, judged by the cause."""
    if current not in proven:
        return current
    told = {"auth": "authenticate", "not_found": "access"}.get(cause)
    return next((step for step in proven if step == told), current)


def _common(error: BaseException) -> Cause | None:
    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(status, int) and status >= 400:  # noqa: PLR2004
        return Cause(_BY_STATUS.get(status, "check_error"))
    if isinstance(error, BadUrl):
        hint = "correct the address in the connection: percent-encode special characters"
        return Cause("secret_malformed", hint=hint)
    if isinstance(error, ModuleNotFoundError) and (error.name or "").startswith("airflow.providers"):
        return Cause("provider_missing")
    return next((Cause(name) for kind, name in _BY_TYPE if isinstance(error, kind)), None)
