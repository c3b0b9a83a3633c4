"""Common parts of our HTTP clients: the connection pool, Retry-After, and detecting a cut connection.

This module imports requests, which takes its time: import it where a request is made.
"""

from __future__ import annotations

import http.client
import time
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime

import requests
from requests.adapters import HTTPAdapter

BLIP = 3.0  # seconds for which a server that fails is tried again
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
    text = headers.get("Retry-After", "").strip()
    if text.isdigit():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return 0.0


def is_cut(err: BaseException) -> bool:
    """True if the connection was there, and ended before the answer."""
    return isinstance(err, requests.exceptions.RequestException) and any(
        isinstance(inner, _CUT) for inner in _inside(err)
    )


def _inside(err: BaseException) -> Iterator[BaseException]:
    yield err
    for inner in (getattr(err, "reason", None), *err.args):
        if isinstance(inner, BaseException):
            yield from _inside(inner)
