"""Talking to a Vault: the client, and which of the four failures an answer means."""

from __future__ import annotations

import json
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from bootstrap.errors import Conflict, Denied, NotFound, StoreError, Unavailable
from bootstrap.secret import redact

if TYPE_CHECKING:
    import hvac

T = TypeVar("T")

TIMEOUT = 10  # seconds for one request
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_OWN_KEYS = {"errors", "warnings", "data"}  # one of them is in whatever a Vault answers instead of a secret
_NO_ENGINE = ("no handler for route", "unsupported path")
_BAD_CREDENTIAL = ("secret id", "role", "token")


def connect(url: str, *, timeout: int = TIMEOUT) -> hvac.Client:
    """A client without a token; makes no request. No proxy gets to see what is meant for this machine."""
    import hvac

    host = urlsplit(url).hostname
    proxies = {"no_proxy": host} if host in _LOOPBACK else None
    return hvac.Client(url=url, token="", timeout=timeout, proxies=proxies)


def translate(where: str, request: Callable[[], T], *, conflict: Conflict | None = None) -> T:
    """Do `request`; turn hvac's and requests' exceptions into ours, each with `where` in front."""
    import hvac.exceptions as vault
    import requests

    try:
        answer = request()
    except StoreError:
        raise
    except (requests.exceptions.InvalidHeader, UnicodeEncodeError):  # both quote the token
        raise Denied(f"{where}: the credential holds a character that no token has", _CHECK_CREDENTIAL) from None
    except requests.exceptions.RequestException as err:
        raise _unreachable(where, err) from err
    except vault.VaultError as err:
        if conflict and "check-and-set" in str(err):
            raise conflict from err
        raise _refused(where, err) from err
    except (ValueError, TypeError, KeyError, AttributeError) as err:  # hvac expects what a Vault answers
        raise no_vault(where, type(err).__name__) from err
    if isinstance(answer, requests.Response) and answer.status_code != HTTPStatus.NO_CONTENT:
        raise no_vault(where, f"HTTP {answer.status_code} without JSON")
    return answer


_CHECK_CREDENTIAL = "check that the credential is valid and its policy allows this"


def no_vault(where: str, what: str) -> StoreError:
    """Something answers, and it is not a Vault."""
    return Unavailable(f"{where}: the answer is not that of a Vault ({what})", "check the store's url")


def _unreachable(where: str, err: Exception) -> StoreError:
    return Unavailable(f"{where}: can't reach the server: {_reason(err)}", "check the store's url, and that it is up")


def _reason(err: BaseException) -> str:
    """The innermost cause: requests and urllib3 wrap it several times over."""
    while True:
        inner = getattr(err, "reason", None) or next((arg for arg in err.args if isinstance(arg, BaseException)), None)
        if not isinstance(inner, BaseException):
            break
        err = inner
    return redact(str(err).rpartition(": ")[2] or type(err).__name__)


def _refused(where: str, err: Any) -> StoreError:
    import hvac.exceptions as vault

    errors = _errors(err)
    if errors is None:
        return no_vault(where, type(err).__name__)
    said = redact(" ".join("; ".join(errors).split()) or type(err).__name__)
    if isinstance(err, vault.InvalidPath):
        return _not_there(where, said)
    if isinstance(err, vault.Forbidden | vault.Unauthorized):
        return Denied(f"{where}: the store refused: {said}", _CHECK_CREDENTIAL)
    if isinstance(err, vault.InvalidRequest) and any(words in said for words in _BAD_CREDENTIAL):
        return Denied(f"{where}: the store refused the credential: {said}", "check the store's auth in the manifest")
    if isinstance(err, vault.VaultDown):
        return Unavailable(
            f"{where}: the server is {'sealed' if 'sealed' in said else 'down'}: {said}", "unseal or start it"
        )
    return Unavailable(f"{where}: the server failed: {said}", "look at the server's log")


def _not_there(where: str, said: str) -> StoreError:
    if any(words in said for words in _NO_ENGINE):
        return Unavailable(f"{where}: there is no KV secrets engine: {said}", "check the store's `mount`")
    return NotFound(f"{where}: there is no such secret", f"airflow-bootstrap store put {where.partition('@')[0]}")


def _errors(err: Any) -> list[str] | None:
    """What a Vault says of a failure; None if somebody else answered (a proxy, a web server, another port)."""
    body = err.json
    if body is None:  # hvac looks into nothing but a plain `application/json`
        try:
            body = json.loads(err.text or "")
        except ValueError:
            return None
    if not isinstance(body, dict) or not _OWN_KEYS & set(body):
        return None
    return [str(text) for text in body.get("errors") or []]
