"""Logs in to a Vault, by each auth method.

Facts: developer.hashicorp.com/vault/api-docs/auth/METHOD: all but `token` are a POST to auth/MOUNT/login; /vault/docs/auth/aws (the
IAM method: a signed request to STS, which the server sends to learn who signed it); /vault/docs/auth/gcp (IAM login: a JWT that the
service account signs, with `sub`, `aud` vault/ROLE, and at most 15 minutes);
cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/signJwt.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from bootstrap.domain.secret import foreign
from bootstrap.errors import Denied, Unavailable
from bootstrap.stores.base import Context
from bootstrap.stores.credential import Credential
from bootstrap.stores.vault import options as model
from bootstrap.util.json_text import loads

if TYPE_CHECKING:
    import hvac

_STS_URL = "https://sts.amazonaws.com/"
_STS_BODY = "Action=GetCallerIdentity&Version=2011-06-15"
_STS_HEADERS = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8", "Host": "sts.amazonaws.com"}
_AWS_HINT = "aws configure, or set the auth's access_key_id and secret_access_key"
_JWT_SECONDS = 900  # of validity: the most that Vault takes
_SIGN = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{}:signJwt"
_TIMEOUT = 10  # seconds for one request


def login(auth: model.Auth, client: hvac.Client, context: Context) -> Mapping[str, Any] | None:
    """Give the client a token; the `auth` of the server's answer, None where a token was there already.

    Raises Denied for a credential that isn't there, Unavailable for a package that isn't, and hvac's exceptions.
    """

    def secret(credential: Credential) -> str:
        return credential.read(context.name, context.folder).reveal()

    body: Mapping[str, Any]
    user = ""
    match auth:
        case model.TokenAuth():
            client.token = secret(auth.token)
            return None
        case model.UserpassAuth() | model.LdapAuth():
            body, user = {"password": secret(auth.password)}, f"/{quote(auth.username, safe='')}"
        case model.AppRoleAuth():
            body = {"role_id": auth.role_id, "secret_id": secret(auth.secret_id)}
        case model.JwtAuth() | model.KubernetesAuth():
            body = {"role": auth.role, "jwt": secret(auth.token)}
        case model.GithubAuth():
            body = {"token": secret(auth.token)}
        case model.AwsIamAuth():
            body = _signed_by_aws(auth, context)
        case model.GcpAuth():
            body = {"role": auth.role, "jwt": _signed_by_google(auth, context)}
    answer: Any = client.adapter.login(f"/v1/auth/{auth.mount}/login{user}", json=body)
    found: Mapping[str, Any] = answer["auth"]
    return found


def _no_package(context: Context, method: str, package: str) -> Unavailable:
    message = f"store {context.name}: the method {method} needs {package}, which is not installed"
    return Unavailable(message, f"pip install {package}")


def _signed_by_aws(auth: model.AwsIamAuth, context: Context) -> Mapping[str, Any]:
    """What is posted to log in. Raises Denied, Unavailable."""
    try:
        import boto3  # noqa: F401
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError as err:
        raise _no_package(context, "aws_iam", "boto3") from err
    request = AWSRequest("POST", _STS_URL, data=_STS_BODY, headers=_STS_HEADERS)
    try:
        SigV4Auth(_aws_credentials(auth, context), "sts", auth.region).add_auth(request)
    except (BotoCoreError, ClientError) as err:
        said = " ".join(foreign(err).split())[:300]
        raise Denied(f"store {context.name}: no credentials of AWS's to log in with: {said}", _AWS_HINT) from err

    def encoded(text: str) -> str:
        return base64.b64encode(text.encode()).decode()

    body = {
        "iam_http_request_method": "POST",
        "iam_request_url": encoded(_STS_URL),
        "iam_request_body": encoded(_STS_BODY),
        "iam_request_headers": encoded(json.dumps({name: [value] for name, value in request.headers.items()})),
    }
    return body | ({"role": auth.role} if auth.role is not None else {})


def _aws_credentials(auth: model.AwsIamAuth, context: Context) -> Any:
    import boto3
    from botocore.credentials import Credentials
    from botocore.exceptions import NoCredentialsError

    if auth.access_key_id is not None and auth.secret_access_key is not None:
        return Credentials(auth.access_key_id, auth.secret_access_key.read(context.name, context.folder).reveal())
    session = boto3.Session(region_name=auth.region)
    if auth.assume_role is not None:
        answer = session.client("sts").assume_role(**auth.assume_role.arguments)["Credentials"]
        return Credentials(answer["AccessKeyId"], answer["SecretAccessKey"], answer["SessionToken"])
    found = session.get_credentials()
    if found is None:
        raise NoCredentialsError
    return found.get_frozen_credentials()


def _signed_by_google(auth: model.GcpAuth, context: Context) -> str:
    """A JWT: signed here where the account's key is here, else by Google. Raises Denied, Unavailable."""
    try:
        from google.auth import exceptions, jwt
        from google.oauth2 import service_account
    except ImportError as err:
        raise _no_package(context, "gcp", "google-auth") from err
    try:
        credentials = _google_credentials(auth, context)
        if not isinstance(credentials, service_account.Credentials):
            return _signed_for(credentials, auth.role)
        signer: Any = credentials.signer
        encoded: bytes = jwt.encode(signer, _claims(credentials.signer_email, auth.role))  # type: ignore[no-untyped-call]
        return encoded.decode()
    except exceptions.TransportError as err:
        message = f"store {context.name}: can't reach Google to log in: {type(err).__name__}"
        raise Unavailable(message, "check the network and its proxy") from err
    except exceptions.GoogleAuthError as err:
        said = " ".join(foreign(err.args[0] if err.args else err).split())[:300]
        message = f"store {context.name}: no credentials of Google's to log in with: {said}"
        raise Denied(message, "gcloud auth application-default login, or set the auth's key") from err


def _google_credentials(auth: model.GcpAuth, context: Context) -> Any:
    import google.auth
    from google.oauth2 import service_account

    if auth.key is None:
        return google.auth.default(scopes=auth.scopes)[0]
    text = auth.key.read(context.name, context.folder).reveal()
    try:
        return service_account.Credentials.from_service_account_info(loads(text))  # type: ignore[no-untyped-call]
    except Exception:  # quotes the key
        message = f"store {context.name}: its key is not that of a service account"
        raise Denied(message, "gcloud iam service-accounts keys create FILE --iam-account ACCOUNT") from None


def _signed_for(credentials: Any, role: str) -> str:
    """A JWT that Google signs as an account whose key nobody has, such as that of a machine in Google's cloud."""
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
    return {"iat": now, "exp": now + _JWT_SECONDS, "sub": email, "aud": f"vault/{role}"}
