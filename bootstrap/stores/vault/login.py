"""Logs in to a Vault, by each auth method.

Facts: developer.hashicorp.com/vault/api-docs/auth/METHOD: all but `token` are a POST to auth/MOUNT/login.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from bootstrap.stores.base import Context
from bootstrap.stores.credential import Credential
from bootstrap.stores.vault.auth import (
    AppRoleAuth,
    Auth,
    AwsIamAuth,
    GcpAuth,
    GithubAuth,
    JwtAuth,
    KubernetesAuth,
    LdapAuth,
    TokenAuth,
    UserpassAuth,
)

if TYPE_CHECKING:
    import hvac


def login(auth: Auth, client: hvac.Client, context: Context) -> Mapping[str, Any] | None:
    """Give the client a token; the `auth` of the server's answer, None where a token was there already.

    Raises Denied for a credential that isn't there, Unavailable for a package that isn't, and hvac's exceptions.
    """

    def secret(credential: Credential) -> str:
        return credential.read(context.name, context.folder).reveal()

    match auth:
        case TokenAuth():
            client.token = secret(auth.token)
            return None
        case UserpassAuth() | LdapAuth():
            return _post(client, auth.mount, {"password": secret(auth.password)}, f"/{quote(auth.username, safe='')}")
        case AppRoleAuth():
            return _post(client, auth.mount, {"role_id": auth.role_id, "secret_id": secret(auth.secret_id)})
        case JwtAuth() | KubernetesAuth():
            return _post(client, auth.mount, {"role": auth.role, "jwt": secret(auth.token)})
        case GithubAuth():
            return _post(client, auth.mount, {"token": secret(auth.token)})
        case AwsIamAuth() | GcpAuth():
            return _by_cloud(auth, client, context)


def _by_cloud(auth: AwsIamAuth | GcpAuth, client: hvac.Client, context: Context) -> Mapping[str, Any]:
    from bootstrap.stores.vault import login_aws, login_gcp

    match auth:
        case AwsIamAuth():
            return _post(client, auth.mount, login_aws.payload(auth, context))
        case GcpAuth():
            return _post(client, auth.mount, {"role": auth.role, "jwt": login_gcp.signed_jwt(auth, context)})


def _post(client: hvac.Client, mount: str, body: Mapping[str, Any], user: str = "") -> Mapping[str, Any]:
    answer: Any = client.adapter.login(f"/v1/auth/{mount}/login{user}", json=body)
    found: Mapping[str, Any] = answer["auth"]
    return found
