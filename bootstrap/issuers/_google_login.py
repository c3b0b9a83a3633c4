"""Who asks Google's IAM API: a service account's key, or the application default credentials."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from bootstrap.domain.reference import Reference
from bootstrap.domain.secret import foreign, mask
from bootstrap.errors import Denied, IssuerDenied, IssuerError, IssuerUnavailable, Malformed
from bootstrap.issuers.base import Surroundings
from bootstrap.stores.google.credentials import SCOPES, application_default
from bootstrap.util.json_text import loads
from bootstrap.util.urls import proxies

TIMEOUT = 10  # seconds for one request
_WRITE_KEY = "gcloud iam service-accounts keys create FILE --iam-account ACCOUNT"


@dataclass
class Login:
    """One identity; its token is fetched once, and again before it ends. Connects at the first request.

    `where` begins each message; `load` brings google.auth's credentials.
    """

    where: str
    load: Callable[[], Any]

    @property
    def principal(self) -> str:
        """The service account that asks, as an IAM policy names it; MEMBER where that isn't known."""
        email = getattr(self._credentials, "service_account_email", "") or ""
        return f"serviceAccount:{email}" if "@" in email else "MEMBER"

    def headers(self) -> Mapping[str, str]:
        """Of a request. Raises IssuerDenied for a credential that is refused, IssuerUnavailable."""
        from google.auth.exceptions import GoogleAuthError
        from google.auth.transport.requests import Request

        headers: dict[str, str] = {}
        try:
            if not self._credentials.valid:
                self._credentials.refresh(partial(Request(self._session), timeout=TIMEOUT))
                mask(self._credentials.token)
        except GoogleAuthError as err:
            raise _refused(self.where, err) from err
        self._credentials.apply(headers)
        quota_project = getattr(self._credentials, "quota_project_id", None)
        return {**headers, "x-goog-user-project": quota_project} if quota_project else headers

    def send(self, method: str, url: str, **how: Any) -> Any:
        """An answer of requests', whatever it says; no redirect is followed, since the token is for this server alone."""
        return self._session.request(method, url, timeout=TIMEOUT, allow_redirects=False, **how)

    @cached_property
    def _credentials(self) -> Any:
        return self.load()

    @cached_property
    def _session(self) -> Any:
        from bootstrap.util.http_client import PooledSession, authorities

        class Session(PooledSession):
            """Takes the environment's proxy for what is not on this machine."""

            def request(self, method: Any, url: Any, *args: Any, **how: Any) -> Any:
                return super().request(method, url, *args, **{"proxies": proxies(str(url)), **how})

        session = Session(1)
        session.verify = authorities()
        return session


def login(where: str, admin: Reference | None, surroundings: Surroundings) -> Login:
    """Whoever `admin` says; sends no request yet. Raises IssuerDenied."""
    try:
        import google.auth.transport.requests
        import google.oauth2.service_account  # noqa: F401
    except ImportError as err:
        raise IssuerDenied(f"{where}: Google's client is not installed", "pip install google-auth requests") from err
    if admin is None:
        return Login(where, partial(_default, where))
    return Login(where, partial(_of_key, where, admin, surroundings))


def key_document(text: str) -> dict[str, Any] | None:
    """A service account's key from its JSON; None if it is none."""
    try:
        found = loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) and found.get("type") == "service_account" else None


def _default(where: str) -> Any:
    hint = "gcloud auth application-default login, or say `admin: {secret: …}`"
    try:
        return application_default(where, SCOPES, hint)
    except Denied as err:
        raise IssuerDenied(err.message, err.hint) from err


def _of_key(where: str, admin: Reference, surroundings: Surroundings) -> Any:
    """By a key, or that of a whole connection. Raises IssuerDenied, StoreError."""
    from google.oauth2 import service_account

    try:
        found = key_document(surroundings.value(admin).reveal())
    except Malformed:  # a connection of several fields is no one value
        found = None
    if found is None:
        extra = surroundings.whole(admin).extra or {}
        held = extra.get("keyfile_dict")
        found = key_document(held if isinstance(held, str) else json.dumps(held))
    if found is None:
        what = "neither a service account's key nor a connection with one in keyfile_dict"
        raise IssuerDenied(f"{where}: {admin} is {what}", _WRITE_KEY)
    mask(json.dumps(found))
    try:
        return service_account.Credentials.from_service_account_info(found, scopes=SCOPES)  # type: ignore[no-untyped-call]  # google.auth has no types
    except Exception:  # quotes the key
        raise IssuerDenied(f"{where}: {admin} is not a complete key of a service account", _WRITE_KEY) from None


def _refused(where: str, err: Any) -> IssuerError:
    """What google.auth says: of a token that it can't get, or of Google's refusal to give one."""
    from google.auth.exceptions import TransportError

    said = " ".join(foreign(err.args[0] if err.args else err).split())[:500]
    if isinstance(err, TransportError) or err.retryable:
        message = f"{where}: can't reach the server that gives tokens: {said}"
        return IssuerUnavailable(message, "check the network and its proxy")
    hint = "check `admin`: a deleted or disabled key needs a new one"
    return IssuerDenied(f"{where}: Google refused the credential of who asks: {said}", hint)
