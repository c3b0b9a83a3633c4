"""Turns a store's credential into the headers of its requests to Google."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from bootstrap.domain.secret import foreign, mask
from bootstrap.errors import Denied
from bootstrap.stores.base import Context
from bootstrap.stores.credential import Credential
from bootstrap.stores.google.options import Auth, DefaultAuth, FederationAuth, KeyAuth, KeyFileAuth
from bootstrap.util.json_text import loads

SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
TIMEOUT = 10  # seconds for one request of a token
_WRITE_KEY = "gcloud iam service-accounts keys create FILE --iam-account ACCOUNT"
_WRITE_CONFIG = "gcloud iam workload-identity-pools create-cred-config …"


class Bearer:
    """One identity for all threads; its token is fetched once, and again before it ends."""

    def __init__(self, load: Callable[[], Any]) -> None:
        self._load = load
        self._credentials: Any = None
        self._lock = threading.Lock()

    def metadata(self) -> Sequence[tuple[str, str]]:
        """The headers of a request. Raises Denied, and google.auth's errors.

        gRPC would fetch tokens itself, and report a refused key as a server that is down.
        """
        headers: dict[str, str] = {}
        with self._lock:
            if self._credentials is None:
                self._credentials = self._load()
            if not self._credentials.valid:
                from google.auth.transport.requests import Request

                self._credentials.refresh(partial(Request(), timeout=TIMEOUT))
                mask(self._credentials.token)
            self._credentials.apply(headers)
        quota_project = getattr(self._credentials, "quota_project_id", None)
        if quota_project:
            headers["x-goog-user-project"] = quota_project
        return [(name.lower(), value) for name, value in headers.items()]


def load(auth: Auth, context: Context) -> Any:
    """google.auth's credentials; sends no request. Raises Denied."""
    scopes = tuple(auth.scopes) or SCOPES
    found = _source(auth, context, scopes)
    if not auth.impersonate:
        signs_itself = hasattr(found, "with_always_use_jwt_access")  # https://google.aip.dev/auth/4111
        return found.with_always_use_jwt_access(always_use_jwt_access=True) if signs_itself else found
    from google.auth import impersonated_credentials

    return impersonated_credentials.Credentials(  # type: ignore[no-untyped-call]  # google.auth has no types
        source_credentials=found,
        target_principal=auth.impersonate[-1],
        delegates=auth.impersonate[:-1],
        target_scopes=scopes,
    )


def _source(auth: Auth, context: Context, scopes: tuple[str, ...]) -> Any:
    match auth:
        case DefaultAuth():
            return application_default(f"store {context.name}", scopes, "gcloud auth application-default login")
        case KeyFileAuth():
            credential = Credential(file=auth.file)
            return _key(credential, context, scopes, str(credential.path(context.folder)))
        case KeyAuth():
            where = f"${auth.key.env}" if auth.key.env else "its key"
            return _key(auth.key, context, scopes, where)
        case FederationAuth():
            return _federation(auth, context, scopes)


def application_default(where: str, scopes: Sequence[str], hint: str) -> Any:
    """Application Default Credentials, as google.auth finds them. Raises Denied, with `hint` where there are none."""
    import google.auth
    from google.auth.exceptions import DefaultCredentialsError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a person's own credentials have no quota project
            return google.auth.default(scopes=scopes)[0]
    except DefaultCredentialsError as err:
        said = " ".join(foreign(err.args[0] if err.args else err).split()).partition(" To set up")[0]
        raise Denied(f"{where}: no Application Default Credentials: {said}", hint) from err


def _key(credential: Credential, context: Context, scopes: tuple[str, ...], where: str) -> Any:
    from google.oauth2 import service_account

    info = _json(credential, context, where, _WRITE_KEY)
    if info.get("type") != "service_account":
        raise Denied(f"store {context.name}: {where} is not the key of a service account", _WRITE_KEY)
    try:
        return service_account.Credentials.from_service_account_info(info, scopes=scopes)  # type: ignore[no-untyped-call]
    except Exception:  # quotes the key
        raise Denied(f"store {context.name}: {where} is not a complete key of a service account", _WRITE_KEY) from None


def _federation(auth: FederationAuth, context: Context, scopes: tuple[str, ...]) -> Any:
    credential = Credential(file=auth.file)
    where = str(credential.path(context.folder))
    info = _json(credential, context, where, _WRITE_CONFIG)
    try:
        return _federated(info).from_info(info, scopes=scopes)
    except Exception as err:  # google.auth's words quote the configuration
        what = f"{where} is not a configuration of workload identity federation ({type(err).__name__})"
        raise Denied(f"store {context.name}: {what}", _WRITE_CONFIG) from None


def _federated(info: dict[str, Any]) -> Any:
    """The class for a configuration. google.auth's own choice asks Google for the name of the project, too."""
    from google.auth import aws, external_account_authorized_user, identity_pool, pluggable

    if info.get("type") == "external_account_authorized_user":
        return external_account_authorized_user.Credentials
    if info.get("type") != "external_account":
        raise ValueError(info.get("type"))
    if info.get("subject_token_type") == "urn:ietf:params:aws:token-type:aws4_request":
        return aws.Credentials
    return pluggable.Credentials if "executable" in info["credential_source"] else identity_pool.Credentials


def _json(credential: Credential, context: Context, where: str, hint: str) -> dict[str, Any]:
    """A credential's JSON object; no message quotes it."""
    text = credential.read(context.name, context.folder).reveal()
    try:
        info = loads(text)
    except ValueError:
        info = None
    if not isinstance(info, dict):
        raise Denied(f"store {context.name}: {where} is not a JSON object", hint)
    return info
