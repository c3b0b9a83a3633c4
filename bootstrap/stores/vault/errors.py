"""Maps Vault's answers to NotFound, Denied, Unavailable and Malformed."""

from __future__ import annotations

import json
import re
from typing import Any

from bootstrap.domain.secret import foreign
from bootstrap.errors import Denied, NotFound, StoreError, Unavailable

CHECK_CREDENTIAL = "check that the credential is valid and its policy allows this"
_CHECK_AUTH = "check the store's auth in the manifest, and its credential"
_OWN_KEYS = {"errors", "warnings", "data"}  # one of them is in whatever a Vault answers instead of a secret
_LONGEST = 500  # characters of what a server says


def no_vault(where: str, what: str) -> StoreError:
    """Something answers, and it is not a Vault."""
    return Unavailable(f"{where}: the answer is not that of a Vault ({what})", "check the store's url")


def unreachable(where: str, err: Exception) -> StoreError:
    """No answer came."""
    import requests

    from bootstrap.util.http_client import innermost

    inner = innermost(err)
    cause = (
        re.sub(r"^[A-Z_]+\] ", "", foreign(inner).rpartition(": ")[2]) or type(inner).__name__
    )  # without OpenSSL's code
    if isinstance(err, requests.exceptions.SSLError) or "SSL" in str(err):
        hint = "check the store's url, its ca_cert, and its client_cert where the server asks for one"
        return Unavailable(f"{where}: no TLS with the server: {cause}", hint)
    if isinstance(err, requests.exceptions.ProxyError):
        return Unavailable(f"{where}: can't reach the proxy: {cause}", "check the store's proxy, or $HTTPS_PROXY")
    return Unavailable(f"{where}: can't reach the server: {cause}", "check the store's url, and that it is up")


def refused(where: str, err: Any, *, login: bool = False) -> StoreError:
    """The answer was one of hvac's exceptions; `login` says that it was to a credential."""
    import hvac.exceptions as vault

    errors = errors_of(err)
    if errors is None:
        return no_vault(where, type(err).__name__)
    said = (" ".join(foreign("; ".join(errors)).split()) or type(err).__name__)[:_LONGEST]
    if login and isinstance(err, vault.Forbidden | vault.Unauthorized | vault.InvalidRequest):
        return Denied(f"{where}: the store refused the credential: {said}", _CHECK_AUTH)
    if isinstance(err, vault.Forbidden | vault.Unauthorized):
        return Denied(f"{where}: the store refused: {said}", CHECK_CREDENTIAL)
    if isinstance(err, vault.InvalidPath):
        if any(words in said for words in ("no handler for route", "unsupported path")):
            return Unavailable(f"{where}: there is no KV secrets engine: {said}", "check the store's `mount`")
        return NotFound(f"{where}: there is no such secret", f"airflow-bootstrap store put {where.partition('@')[0]}")
    return _failed(where, err, said)


def _failed(where: str, err: Any, said: str) -> StoreError:
    import hvac.exceptions as vault

    if isinstance(err, vault.RateLimitExceeded):
        hint = "try again later, or raise the rate limit quota"
        return Unavailable(f"{where}: the server gets too many requests: {said}", hint)
    if isinstance(err, vault.VaultNotInitialized):
        return Unavailable(f"{where}: the server is not initialised: {said}", "vault operator init")
    if isinstance(err, vault.VaultDown):
        state = "sealed" if is_sealed(err) else "down"
        return Unavailable(f"{where}: the server is {state}: {said}", "unseal or start it")
    return Unavailable(f"{where}: the server failed: {said}", "look at the server's log")


def is_sealed(err: Any) -> bool:
    """True if the server says that it is sealed: nothing but a person changes that."""
    return any("sealed" in text for text in errors_of(err) or ())


def errors_of(err: Any) -> list[str] | None:
    """What a Vault says of a failure; None if somebody else answered (a proxy, a web server, another port)."""
    body = err.json
    if body is None:
        try:
            body = json.loads(err.text or "")
        except ValueError:
            return None
    if not isinstance(body, dict) or not _OWN_KEYS & set(body):
        return None
    return [str(text) for text in body.get("errors") or []]
