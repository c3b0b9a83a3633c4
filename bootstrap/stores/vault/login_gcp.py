"""Google Cloud login to a Vault: a JWT signed by the service account.

Facts: developer.hashicorp.com/vault/docs/auth/gcp (IAM login: `sub`, `aud` vault/ROLE, at most 15 minutes),
cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/signJwt.
"""

from __future__ import annotations

import json
import time
from typing import Any

from bootstrap.domain.secret import foreign
from bootstrap.errors import Denied, StoreError, Unavailable
from bootstrap.stores.base import Context
from bootstrap.stores.vault.auth import GcpAuth
from bootstrap.stores.vault.errors import no_package
from bootstrap.util.json_text import loads

_SECONDS = 900  # of validity: the most that Vault takes
_SIGN = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{}:signJwt"
_TIMEOUT = 10  # seconds for one request


def signed_jwt(auth: GcpAuth, context: Context) -> str:
    """Signed here where the account's key is here, else by Google. Raises Denied, Unavailable."""
    try:
        import google.auth.exceptions
        from google.oauth2 import service_account
    except ImportError as err:
        raise no_package(f"store {context.name}", "gcp", "google-auth") from err
    try:
        credentials = _credentials(auth, context)
        has_key = isinstance(credentials, service_account.Credentials)
        return _by_key(credentials, auth.role) if has_key else _by_google(credentials, auth.role)
    except google.auth.exceptions.TransportError as err:
        raise _unreachable(context, err) from err
    except google.auth.exceptions.GoogleAuthError as err:
        raise _refused(context, foreign(err.args[0] if err.args else err)) from err


def _credentials(auth: GcpAuth, context: Context) -> Any:
    import google.auth
    from google.oauth2 import service_account

    if auth.key is None:
        return google.auth.default(scopes=auth.scopes)[0]
    text = auth.key.read(context.name, context.folder).reveal()
    try:
        info = loads(text)
        return service_account.Credentials.from_service_account_info(info)  # type: ignore[no-untyped-call]
    except Exception:  # quotes the key
        raise Denied(
            f"store {context.name}: its key is not that of a service account",
            "gcloud iam service-accounts keys create FILE --iam-account ACCOUNT",
        ) from None


def _by_key(credentials: Any, role: str) -> str:
    from google.auth import jwt

    encoded: bytes = jwt.encode(credentials.signer, _claims(credentials.signer_email, role))  # type: ignore[no-untyped-call]
    return encoded.decode()


def _by_google(credentials: Any, role: str) -> str:
    """As an account whose key nobody has, such as that of a machine in Google's cloud."""
    from google.auth import exceptions
    from google.auth.transport.requests import AuthorizedSession, Request

    if getattr(credentials, "service_account_email", None) in (None, "default"):
        credentials.refresh(Request())  # a machine asks its metadata server who it is
    email = getattr(credentials, "service_account_email", None)
    if not email:
        raise exceptions.DefaultCredentialsError("the credentials are not those of a service account")  # type: ignore[no-untyped-call]
    body = {"payload": json.dumps(_claims(email, role))}
    with AuthorizedSession(credentials) as session:  # type: ignore[no-untyped-call]
        answer = session.post(_SIGN.format(email), json=body, timeout=_TIMEOUT)
    if not answer.ok:
        raise exceptions.RefreshError(f"signJwt for {email}: HTTP {answer.status_code}")  # type: ignore[no-untyped-call]
    signed: str = answer.json()["signedJwt"]
    return signed


def _claims(email: str, role: str) -> dict[str, Any]:
    now = int(time.time())
    return {"iat": now, "exp": now + _SECONDS, "sub": email, "aud": f"vault/{role}"}


def _unreachable(context: Context, err: Exception) -> StoreError:
    return Unavailable(
        f"store {context.name}: can't reach Google to log in: {type(err).__name__}", "check the network and its proxy"
    )


def _refused(context: Context, said: str) -> StoreError:
    return Denied(
        f"store {context.name}: no credentials of Google's to log in with: {' '.join(said.split())[:300]}",
        "gcloud auth application-default login, or set the auth's key",
    )
