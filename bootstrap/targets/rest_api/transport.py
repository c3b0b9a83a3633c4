"""HTTP with Airflow's api-server: one connection pool for all threads, with retries.

This module imports requests, which takes its time: import it where a request is made.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import requests

from bootstrap.domain.secret import foreign
from bootstrap.errors import Denied, StoreError, Unavailable
from bootstrap.targets.rest_api.errors import CHECK_CREDENTIAL, CHECK_URL
from bootstrap.util.http_client import PooledSession, authorities, innermost, is_cut, retry_after
from bootstrap.util.retrying import patience, retried
from bootstrap.util.urls import proxies

TIMEOUT = (10, 180)  # seconds: to connect; and for an answer, since Airflow masks each new password in quadratic time
_MAY_PASS = {HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}


@dataclass(frozen=True)
class Reply:
    """An answer; `document` is its JSON, None if it is none."""

    status: int
    document: Any
    retry_after: float

    @property
    def ok(self) -> bool:
        """True if it says that what was asked for is done."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES


class _Passing(Exception):
    def __init__(self, reply: Reply) -> None:
        super().__init__(f"HTTP {reply.status}")
        self.reply = reply


class Transport:
    """Sends requests to one server; follows no redirect: the credential is for this server alone."""

    def __init__(self, url: str, ca_file: str | None, concurrency: int) -> None:
        self._url = url
        self._session = PooledSession(concurrency)
        self._session.verify = ca_file or authorities()
        self._session.proxies = proxies(url)

    def close(self) -> None:
        """Hang up."""
        self._session.close()

    def send(self, where: str, method: str, path: str, *, again: bool, **how: Any) -> Reply:
        """The answer, whatever it says. `again`: it may be asked for a second time. Raises Denied, Unavailable."""

        def request() -> Reply:
            answer = self._session.request(method, f"{self._url}{path}", timeout=TIMEOUT, allow_redirects=False, **how)
            try:
                document = answer.json()
            except ValueError:
                document = None
            reply = Reply(answer.status_code, document, retry_after(answer.headers))
            if reply.status == HTTPStatus.TOO_MANY_REQUESTS or reply.status in _MAY_PASS:
                raise _Passing(reply)
            return reply

        try:
            return retried(request, patience(_busy, _blip if again else lambda _: None))
        except _Passing as err:
            return err.reply
        except (requests.exceptions.InvalidHeader, UnicodeEncodeError):  # both quote the credential
            raise Denied(f"{where}: the credential holds a character that none has", CHECK_CREDENTIAL) from None
        except (requests.exceptions.RequestException, OSError) as err:  # OSError: a file of certificates
            raise _unanswered(where, err, again=again) from err


def _unanswered(where: str, err: Exception, *, again: bool) -> StoreError:
    """No answer came."""
    inner = innermost(err)
    cause = re.sub(r"^[A-Z_]+\] ", "", foreign(inner).rpartition(": ")[2])  # OpenSSL's code
    cause = cause or type(inner).__name__
    message, hint = f"{where}: can't reach the server: {cause}", f"{CHECK_URL}, and that it is up"
    if isinstance(err, requests.exceptions.SSLError):
        message, hint = f"{where}: no TLS with the server: {cause}", "check the target's url and its ca_file"
    elif isinstance(err, requests.exceptions.ProxyError):
        message, hint = f"{where}: can't reach the proxy: {cause}", "check $HTTPS_PROXY"
    if again or not (is_cut(err) or isinstance(err, requests.exceptions.ReadTimeout)):
        return Unavailable(message, hint)
    return Unavailable(f"{message}; what it did before is not known", "airflow-bootstrap register")


def _busy(err: BaseException) -> float | None:
    if isinstance(err, _Passing) and err.reply.status == HTTPStatus.TOO_MANY_REQUESTS:
        return err.reply.retry_after
    return None


def _blip(err: BaseException) -> float | None:
    if isinstance(err, _Passing):
        return err.reply.retry_after
    return 0.0 if is_cut(err) else None
