"""HTTP with a Vault: one connection pool for all threads, with retries.

This module imports hvac, which takes its time: import it where a request is made.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import hvac.adapters
import hvac.exceptions
import requests

from bootstrap.stores.vault.errors import errors_of, is_sealed
from bootstrap.util.http_client import PooledSession, is_cut, retry_after
from bootstrap.util.retrying import After
from bootstrap.util.retrying import patience as common

_BUSY = HTTPStatus.TOO_MANY_REQUESTS
_DID_NOTHING = {412, 503}  # a Vault that says so has not begun; 412: it hasn't seen yet what another node wrote
_MAY_PASS = _DID_NOTHING | {472, 473, 500, 502, 504}  # 472, 473: a standby that can't serve this


class Session(PooledSession):
    """requests' own, which reads the environment once instead of at each request, and never steps down from TLS.

    Like Vault's own client it takes the token along where a standby sends it: to another node, on another host.
    """

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        """What requests calls before it follows a redirect."""
        if str(response.url).startswith("https:") and not str(prepared_request.url).startswith("https:"):
            raise requests.exceptions.InvalidURL("the server redirects to an address without TLS")
        super().rebuild_auth(prepared_request, response)


class Adapter(hvac.adapters.JSONAdapter):
    """hvac's own, whose exceptions know `status` and `retry_after`, and read whatever JSON comes, however it is called."""

    def request(self, *args: Any, raise_exception: bool = True, **kwargs: Any) -> Any:
        """As hvac's."""
        answer = super().request(*args, raise_exception=False, **kwargs)
        if raise_exception and isinstance(answer, requests.Response) and not answer.ok:
            try:
                document = answer.json()
            except ValueError:
                document = None
            errors = document.get("errors") if isinstance(document, dict) else None
            failure: Any = hvac.exceptions.VaultError.from_status(
                answer.status_code,
                answer.text,
                errors=[str(text) for text in errors] if isinstance(errors, list) else None,
                method=answer.request.method,
                url=answer.request.url,
                text=answer.text,
                json=document,
            )
            failure.status = answer.status_code
            failure.retry_after = retry_after(answer.headers)
            raise failure
        return answer


def patience(*, writes: bool) -> After:
    """Which failures are retried, for `retried`.

    A quota that is used up, for as long as it takes; a blip of the server, for a short while. Something is written again
    only if the server surely did nothing. A server that is sealed, refuses connections, can't be found or trusted, or is
    silent, stays so.
    """

    def busy(err: BaseException) -> float | None:
        wait: float = getattr(err, "retry_after", 0.0)
        if getattr(err, "status", None) == _BUSY:
            return wait
        return wait if wait and _is_blip(err, writes=writes) else None

    return common(busy, lambda err: 0.0 if _is_blip(err, writes=writes) else None)


def _is_blip(err: Any, *, writes: bool) -> bool:
    status = getattr(err, "status", None)
    if status is None:
        return not writes and is_cut(err)
    if is_sealed(err):
        return False
    return status in _DID_NOTHING and errors_of(err) is not None if writes else status in _MAY_PASS
