"""Common parts of our HTTP clients: the connection pool, Retry-After, and detecting a cut connection.

This module imports requests, which takes its time: import it where a request is made.
"""

from __future__ import annotations

import http.client
import os
from collections.abc import Iterator, Mapping

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import InvalidHeader
from urllib3.util import Retry

_AUTHORITIES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_CUT = (http.client.HTTPException, ConnectionResetError, ConnectionAbortedError, BrokenPipeError)


class PooledSession(requests.Session):
    """requests' own, for many threads at a time; no .netrc takes the place of our credential."""

    def __init__(self, concurrency: int) -> None:
        super().__init__()
        self.trust_env = False
        for scheme in ("http://", "https://"):
            self.mount(scheme, HTTPAdapter(pool_connections=2, pool_maxsize=concurrency))


def retry_after(headers: Mapping[str, str]) -> float:
    """Seconds that the server asks to wait, 0 if it doesn't (RFC 9110: a number of seconds, or a date)."""
    try:
        return float(Retry().parse_retry_after(headers.get("Retry-After", "0")))
    except (InvalidHeader, ValueError):
        return 0.0


def authorities() -> str | bool:
    """Whom the environment says to trust; True: whom the machine trusts."""
    return next((path for name in _AUTHORITIES if (path := os.environ.get(name))), True)


def is_cut(err: BaseException) -> bool:
    """True if the connection was there, and ended before the answer."""
    return isinstance(err, requests.exceptions.RequestException) and any(
        isinstance(inner, _CUT) for inner in _inside(err)
    )


def innermost(err: BaseException) -> BaseException:
    """The cause: requests and urllib3 wrap it several times over."""
    while inner := _inner(err):
        err = inner[0]
    return err


def _inside(err: BaseException) -> Iterator[BaseException]:
    yield err
    for inner in _inner(err):
        yield from _inside(inner)


def _inner(err: BaseException) -> list[BaseException]:
    return [inner for inner in (getattr(err, "reason", None), *err.args) if isinstance(inner, BaseException)]
