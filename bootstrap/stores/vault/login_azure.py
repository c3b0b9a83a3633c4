"""What Azure gives a managed identity or an application, for a Vault to see: an access token, which is a JWT.

Facts: developer.hashicorp.com/vault/api-docs/auth/azure (login),
learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token (a machine's own address) and
/entra/identity-platform/v2-oauth2-client-creds-grant-flow; the variables are those of azure-identity.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from bootstrap.domain.secret import foreign, mask
from bootstrap.errors import Denied, Unavailable
from bootstrap.stores.base import Context
from bootstrap.stores.credential import Credential
from bootstrap.stores.vault.auth import AzureAuth

_MACHINE = ("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://169.254.169.254")
_AUTHORITY = ("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.com")
_TIMEOUT = 10  # seconds for one request
_ABOUT = ("subscription_id", "resource_group_name", "vm_name", "vmss_name")


def payload(auth: AzureAuth, context: Context) -> Mapping[str, Any]:
    """What is posted to log in. Raises Denied, Unavailable."""
    about = {name: value for name in _ABOUT if (value := getattr(auth, name)) is not None}
    return {"role": auth.role, "jwt": _token(auth, context), **about}


def _token(auth: AzureAuth, context: Context) -> str:
    import requests

    try:
        answer = _of_application(auth, context, auth.client_secret) if auth.client_secret else _of_machine(auth)
        document = answer.json()
    except requests.exceptions.RequestException as err:
        raise Unavailable(
            f"store {context.name}: can't reach Azure to log in: {type(err).__name__}",
            "check the network, or set the auth's client_id and client_secret",
        ) from err
    token = document.get("access_token") if isinstance(document, dict) else None
    if not isinstance(token, str):
        said = foreign(document.get("error_description") or document.get("error") or answer.status_code)
        raise Denied(
            f"store {context.name}: Azure gives no token: {' '.join(said.split())[:300]}", "check the store's auth"
        )
    mask(token)
    return token


def _of_machine(auth: AzureAuth) -> Any:
    import requests

    query = {"api-version": "2018-02-01", "resource": auth.resource}
    if auth.client_id is not None:  # one of several identities
        query["client_id"] = auth.client_id
    url = f"{_address(_MACHINE)}/metadata/identity/oauth2/token"
    with requests.Session() as session:
        session.trust_env = False  # no proxy leads to the machine itself
        return session.get(url, params=query, headers={"Metadata": "true"}, timeout=_TIMEOUT)


def _of_application(auth: AzureAuth, context: Context, secret: Credential) -> Any:
    import requests

    form = {
        "grant_type": "client_credentials",
        "client_id": auth.client_id,
        "client_secret": secret.read(context.name, context.folder).reveal(),
        "scope": f"{auth.resource.rstrip('/')}/.default",
    }
    return requests.post(f"{_address(_AUTHORITY)}/{auth.tenant_id}/oauth2/v2.0/token", data=form, timeout=_TIMEOUT)


def _address(variable_and_default: tuple[str, str]) -> str:
    variable, default = variable_and_default
    return (os.environ.get(variable) or default).rstrip("/")
