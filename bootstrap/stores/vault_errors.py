"""Which of the four failures a Vault's answer means."""

from __future__ import annotations

import json
from typing import Any

from bootstrap.errors import Denied, NotFound, StoreError, Unavailable
from bootstrap.secret import redact

CHECK_CREDENTIAL = "check that the credential is valid and its policy allows this"
_OWN_KEYS = {"errors", "warnings", "data"}  # one of them is in whatever a Vault answers instead of a secret
_NO_ENGINE = ("no handler for route", "unsupported path")
_BAD_CREDENTIAL = ("secret id", "role", "token")


def no_vault(where: str, what: str) -> StoreError:
    """Something answers, and it is not a Vault."""
    return Unavailable(f"{where}: the answer is not that of a Vault ({what})", "check the store's url")


def unreachable(where: str, err: Exception) -> StoreError:
    """No answer came."""
    return Unavailable(f"{where}: can't reach the server: {_reason(err)}", "check the store's url, and that it is up")


def _reason(err: BaseException) -> str:
    """The innermost cause: requests and urllib3 wrap it several times over."""
    while True:
        inner = getattr(err, "reason", None) or next((arg for arg in err.args if isinstance(arg, BaseException)), None)
        if not isinstance(inner, BaseException):
            break
        err = inner
    return redact(str(err).rpartition(": ")[2] or type(err).__name__)


def refused(where: str, err: Any) -> StoreError:
    """The answer was one of hvac's exceptions."""
    import hvac.exceptions as vault

    errors = _errors(err)
    if errors is None:
        return no_vault(where, type(err).__name__)
    said = redact(" ".join("; ".join(errors).split()) or type(err).__name__)
    if isinstance(err, vault.InvalidPath):
        return _not_there(where, said)
    if isinstance(err, vault.Forbidden | vault.Unauthorized):
        return Denied(f"{where}: the store refused: {said}", CHECK_CREDENTIAL)
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
