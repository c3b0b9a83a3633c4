"""What bootstrap.yaml may say of a Vault or OpenBao server."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bootstrap.model import Model
from bootstrap.stores.credential import Credential


class TokenAuth(Model):
    """`{method: token}`; the token comes from $VAULT_TOKEN unless said otherwise."""

    method: Literal["token"]
    token: Credential = Field(default_factory=lambda: Credential(env="VAULT_TOKEN"))


class AppRoleAuth(Model):
    """`{method: approle, role_id: …, secret_id: {env: VAULT_SECRET_ID}}`; `mount` is where the method is mounted."""

    method: Literal["approle"]
    role_id: Annotated[str, Field(min_length=1)]
    secret_id: Credential
    mount: str = "approle"


class Options(Model):
    """A KV mount of a Vault or OpenBao server."""

    kind: Literal["vault"]
    url: Annotated[str, Field(pattern=r"^https?://[^\s/]+")]
    mount: Annotated[str, Field(min_length=1)] = "secret"
    kv_version: Literal[1, 2] = 2
    auth: Annotated[TokenAuth | AppRoleAuth, Field(discriminator="method")] = Field(
        default_factory=lambda: TokenAuth(method="token")
    )
