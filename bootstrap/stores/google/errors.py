"""Maps Google Secret Manager's errors to NotFound, Denied, Unavailable and Malformed."""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import Any

from bootstrap.domain.secret import foreign
from bootstrap.errors import Denied, NotFound, StoreError, Unavailable
from bootstrap.stores.place import Place

_PERMISSION = re.compile(r"Permission '(?P<permission>[\w.]+)' denied (?:for|on) resource '(?P<resource>[^']+)'")
_STATE = re.compile(r"versions/(?P<number>\d+)\] is in (?P<state>DISABLED|DESTROYED) state")
_NO_PROJECT = "Permission denied on resource project"  # of one that is nowhere, too
_CHECK_PLACE = "check the store's project, location and endpoint"
_CHECK_CREDENTIAL = "check the store's auth in the manifest; a deleted or disabled key needs a new one"


def translated(place: Place, err: Exception) -> StoreError:
    """The failure that `err` means, an exception of google.api_core or google.auth."""
    from google.auth import exceptions as auth

    if isinstance(err, auth.GoogleAuthError):
        return _unauthenticated(place, err)
    said = " ".join(foreign(getattr(err, "message", None) or str(err) or type(err).__name__).split())[:500]
    if "http2 header with status" in said:  # its code is made of the status; whoever it was, it was no gRPC server
        return Unavailable(f"{place}: the answer is not that of Secret Manager: {said}", _CHECK_PLACE)
    return _answered(place, err, said)


def _answered(place: Place, err: Exception, said: str) -> StoreError:
    """What Google itself says."""
    from google.api_core import exceptions as api

    if isinstance(err, api.NotFound):
        return _not_found(place, said)
    if isinstance(err, api.FailedPrecondition):
        return _wrong_state(place, said)
    if isinstance(err, api.Unauthenticated):
        return Denied(f"{place}: the store refused the credential: {said}", _CHECK_CREDENTIAL)
    if isinstance(err, api.Forbidden):
        return _forbidden(place, err, said)
    return _failed(place, err, said)


def _failed(place: Place, err: Exception, said: str) -> StoreError:
    from google.api_core import exceptions as api

    if isinstance(err, api.TooManyRequests):
        hint = "set the store's requests_per_minute lower, or ask Google for a higher quota"
        return Unavailable(f"{place}: the quota is used up: {said}", hint)
    if isinstance(err, api.ServiceUnavailable):
        hint = "check the network, its proxy, and the store's endpoint"
        if "CERTIFICATE_VERIFY_FAILED" in said:
            hint = "let GRPC_DEFAULT_SSL_ROOTS_FILE_PATH name a file with the authority that signed the certificate"
        elif "resolv" in said or "DNS" in said:
            hint = "check the store's endpoint, and the network's DNS"
        return Unavailable(f"{place}: can't reach the server: {said}", hint)
    if isinstance(err, api.DeadlineExceeded):
        return Unavailable(f"{place}: the server did not answer in time", "check the network, and try again")
    if isinstance(err, api.InvalidArgument):
        return Unavailable(f"{place}: the store can't make sense of the request: {said}", _CHECK_PLACE)
    if isinstance(err, api.MethodNotImplemented | api.Unknown):
        return Unavailable(f"{place}: the answer is not that of Secret Manager: {said}", _CHECK_PLACE)
    return Unavailable(f"{place}: the server failed: {said}", "try again; see https://status.cloud.google.com")


def is_permanent(err: BaseException) -> bool:
    """True if a retry can't help although the code says so: a certificate that isn't trusted stays so."""
    return "CERTIFICATE_VERIFY_FAILED" in str(err) or "http2 header with status" in str(err)


def is_missing_permission(err: BaseException) -> bool:
    """True if Google accepts the credential, and only a permission is missing."""
    from google.api_core import exceptions as api

    return isinstance(err, api.Forbidden) and _PERMISSION.search(str(err)) is not None


def is_no_place(said: str) -> bool:
    """True if the project or its location is missing, rather than a secret."""
    return not said.startswith("Secret")


def _not_found(place: Place, said: str) -> StoreError:
    if is_no_place(said):
        return Unavailable(f"{place}: there is no such place: {said}", _CHECK_PLACE)
    if place.version is not None and said.startswith("Secret Version"):
        return NotFound(f"{place}: there is no such version", f"airflow-bootstrap store list {place.store}")
    return NotFound(place.missing, place.put)


def _wrong_state(place: Place, said: str) -> StoreError:
    found = _STATE.search(said)
    if found is None:  # such as a key of one's own (CMEK) that is disabled
        message = f"{place}: the store can't do this now: {said}"
        return Unavailable(message, "see what Google says of the state it is in")
    number = found["number"]
    if found["state"] == "DISABLED":
        enable = f"gcloud secrets versions enable {number} --secret {place.path} --project {place.project}"
        return NotFound(f"{place}: version {number} is disabled", enable)
    return NotFound(f"{place}: version {number} was deleted (it is destroyed)", place.put)


def _forbidden(place: Place, err: Any, said: str) -> StoreError:
    if err.reason == "SERVICE_DISABLED" or "it is disabled" in said:
        enable = f"gcloud services enable secretmanager.googleapis.com --project {place.project}"
        return Denied(f"{place}: the API is disabled: {said}", enable)
    if said.startswith(_NO_PROJECT):
        message = f"{place}: the store refused: {said}"
        return Denied(message, f"{_CHECK_PLACE}: there is no such project for its account")
    found = _PERMISSION.search(said)
    hint = "check that the store's account may do this"
    if found is not None:
        hint = f"grant {found['permission']} on {found['resource'].partition('/versions/')[0]}"
    return Denied(f"{place}: the store refused: {said}", hint)


def _unauthenticated(place: Place, err: Any) -> StoreError:
    """What google.auth says: of a token that it can't get, or of Google's refusal to give one."""
    from google.auth import exceptions as auth

    told = _told(err)
    words = " ".join(foreign(err.args[0] if err.args else err).split())
    said = (f"{words}: {foreign(told['message'])}" if told.get("message") else words)[:500]
    failed = int(told.get("code") or 0) >= HTTPStatus.INTERNAL_SERVER_ERROR
    if isinstance(err, auth.TransportError) or err.retryable or failed:
        message = f"{place}: can't reach the server that gives tokens: {said}"
        return Unavailable(message, "check the network and its proxy")
    return Denied(f"{place}: Google refused the credential: {said}", _CHECK_CREDENTIAL)


def _told(err: Any) -> dict[str, Any]:
    """The error in the answer of Google's that google.auth keeps beside its own words; empty if there is none."""
    try:
        answer = err.args[1] if isinstance(err.args[1], dict) else json.loads(err.args[1])
        told = answer["error"]
    except (IndexError, TypeError, ValueError, KeyError):
        return {}
    return told if isinstance(told, dict) else {}
