"""Maps answers of Airflow's REST API to errors. Bodies are never quoted: they may repeat what was sent."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from bootstrap.errors import Conflict, Denied, Malformed, NotFound, StoreError, Unavailable

CHECK_CREDENTIAL = "check the target's token, or its login and password"
_CHECK_ROLE = "give the user a role that may read, create, edit and delete connections and variables, such as Op"
CHECK_URL = "check the target's url: the address of Airflow's web interface"
_LOG = "look at the log of Airflow's api-server (of its webserver, in Airflow 2)"
_KEY = "if it can't decrypt a row, its [core] fernet_key was changed: make it NEW,OLD, and run airflow rotate-fernet-key there"
_NO_SUCH_TOKEN = "Invalid JWT token"  # noqa: S105  what Airflow says of one, with the status of a missing permission
_INPUT = {HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY}


class Failed(Unavailable):
    """The server is there, and failed at this: it says so, and has written nothing."""


def not_airflow(where: str, what: str) -> StoreError:
    """Something answers, and it is not Airflow."""
    return Unavailable(f"{where}: the answer is not that of Airflow's REST API ({what})", CHECK_URL)


def refused(where: str, status: int, document: Any) -> StoreError:
    """The answer to a request was no success, or not Airflow's; `document` is its JSON, None if it is none."""
    code = f"HTTP {status}"
    if status == HTTPStatus.UNAUTHORIZED or is_bad_token(status, document):
        return Denied(f"{where}: Airflow refused the credential ({code})", CHECK_CREDENTIAL)
    if status == HTTPStatus.FORBIDDEN:
        return Denied(f"{where}: Airflow refused: the user is not allowed to do this ({code})", _CHECK_ROLE)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Unavailable(f"{where}: the server gets too many requests ({code})", "try again later")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        kind, hint = (Failed, f"{_LOG}; {_KEY}") if status == HTTPStatus.INTERNAL_SERVER_ERROR else (Unavailable, _LOG)
        return kind(f"{where}: the server failed ({code})", hint)
    if not isinstance(document, dict) or "detail" not in document:
        return not_airflow(where, code)
    return _of_airflow(where, status, document["detail"])


def _of_airflow(where: str, status: int, detail: Any) -> StoreError:
    if status == HTTPStatus.NOT_FOUND:
        return NotFound(f"{where}: Airflow has none of this name", "airflow-bootstrap register")
    if status == HTTPStatus.CONFLICT:
        return Conflict(f"{where}: somebody else wrote it meanwhile", "airflow-bootstrap register")
    if status in _INPUT:
        named = ", ".join(dict.fromkeys(_places(detail)))
        return Malformed(f"{where}: Airflow does not take this{f': {named}' if named else ''}", "correct the manifest")
    return not_airflow(where, f"HTTP {status}")


def is_bad_token(status: int, document: Any) -> bool:
    """True if Airflow says of a token that it is none of its own, and not of a user that something is forbidden."""
    said = document.get("detail") if isinstance(document, dict) else None
    return status == HTTPStatus.FORBIDDEN and said == _NO_SUCH_TOKEN


def _places(detail: Any) -> Iterator[str]:
    """The fields that a validation complains of; what it says of them quotes their values."""
    for item in detail if isinstance(detail, list) else ():
        place = item.get("loc") if isinstance(item, dict) else None
        if isinstance(place, list) and place and isinstance(place[-1], str):
            yield place[-1]
