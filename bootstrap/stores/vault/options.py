"""Options of a Vault store in bootstrap.yaml.

The auth methods are those that Airflow's VaultBackend can log in by. `mount` is where the method is mounted. A credential is never
in here, only where it is kept.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field, model_validator
from typing_extensions import Self

from bootstrap.stores.credential import Credential
from bootstrap.util.files import expanded
from bootstrap.util.model import Model
from bootstrap.util.urls import checked


def _path(written: str) -> str:
    if not all(written.split("/")) or any(character.isspace() for character in written):
        msg = "expected names with single slashes between them, and none at either end"
        raise ValueError(msg)
    return written


Name: TypeAlias = Annotated[str, Field(min_length=1)]
Mount: TypeAlias = Annotated[str, Field(min_length=1), AfterValidator(_path)]

KUBERNETES_TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token"  # noqa: S105  a path
CLOUD_PLATFORM = "https://www.googleapis.com/auth/cloud-platform"


class TokenAuth(Model):
    """`{method: token}`; the token comes from $VAULT_TOKEN unless said otherwise."""

    method: Literal["token"]
    token: Credential = Field(default_factory=lambda: Credential(env="VAULT_TOKEN"))


class AppRoleAuth(Model):
    """`{method: approle, role_id: …, secret_id: {env: VAULT_SECRET_ID}}`."""

    method: Literal["approle"]
    role_id: Name
    secret_id: Credential
    mount: Mount = "approle"


class UserpassAuth(Model):
    """`{method: userpass, username: etl, password: {env: NAME}}`."""

    method: Literal["userpass"]
    username: Name
    password: Credential
    mount: Mount = "userpass"


class LdapAuth(Model):
    """`{method: ldap, username: etl, password: {env: NAME}}`."""

    method: Literal["ldap"]
    username: Name
    password: Credential
    mount: Mount = "ldap"


class JwtAuth(Model):
    """`{method: jwt, role: ci}`; the token comes from $VAULT_ID_TOKEN, as CI jobs name it, unless said otherwise."""

    method: Literal["jwt"]
    role: Name
    token: Credential = Field(default_factory=lambda: Credential(env="VAULT_ID_TOKEN"))
    mount: Mount = "jwt"


class KubernetesAuth(Model):
    """`{method: kubernetes, role: airflow}`; the token is the pod's own unless said otherwise."""

    method: Literal["kubernetes"]
    role: Name
    token: Credential = Field(default_factory=lambda: Credential(file=KUBERNETES_TOKEN))
    mount: Mount = "kubernetes"


class GithubAuth(Model):
    """`{method: github, token: {env: NAME}}`: a personal access token."""

    method: Literal["github"]
    token: Credential
    mount: Mount = "github"


class AssumeRole(Model):
    """The role of AWS that is taken on before."""

    arn: Name
    session_name: Name = "airflow"
    external_id: Name | None = None

    @property
    def arguments(self) -> dict[str, str]:
        """Those of STS's AssumeRole."""
        external = {"ExternalId": self.external_id} if self.external_id is not None else {}
        return {"RoleArn": self.arn, "RoleSessionName": self.session_name, **external}


class AwsIamAuth(Model):
    """`{method: aws_iam, role: airflow}`: with boto3's own credentials, those of a role, or a key.

    `region` is that of the signature: the global endpoint of STS is in us-east-1.
    """

    method: Literal["aws_iam"]
    role: Name | None = None
    region: Name = "us-east-1"
    access_key_id: Name | None = None
    secret_access_key: Credential | None = None
    assume_role: AssumeRole | None = None
    mount: Mount = "aws"

    @model_validator(mode="after")
    def _whole_key(self) -> Self:
        if (self.access_key_id is None) != (self.secret_access_key is None):
            msg = "access_key_id and secret_access_key belong together"
            raise ValueError(msg)
        if self.access_key_id is not None and self.assume_role is not None:
            msg = "expected one of access_key_id and assume_role: a role is taken on with boto3's own credentials"
            raise ValueError(msg)
        return self


class GcpAuth(Model):
    """`{method: gcp, role: airflow}`: as a service account, by its key or by Application Default Credentials."""

    method: Literal["gcp"]
    role: Name
    key: Credential | None = None
    scopes: Annotated[list[Name], Field(min_length=1)] = [CLOUD_PLATFORM]
    mount: Mount = "gcp"


Auth: TypeAlias = Annotated[
    TokenAuth | AppRoleAuth | UserpassAuth | LdapAuth | JwtAuth | KubernetesAuth | GithubAuth | AwsIamAuth | GcpAuth,
    Field(discriminator="method"),
]


class Options(Model):
    """A server, and the KV mount in it. With `mount: null` the first part of each path is the mount.

    `ca_cert` is a file or folder of certificates that are trusted instead of the machine's. `client_cert` is shown to a
    server that asks for it; `client_key` is its key, where that isn't in the same file. `proxy` leads to the server, but
    never to one on this machine.
    """

    kind: Literal["vault"]
    url: Annotated[str, Field(pattern=r"^https?://[^\s/]+"), AfterValidator(checked)]
    mount: Mount | None = "secret"
    kv_version: Literal[1, 2] = 2
    namespace: Mount | None = None
    ca_cert: Name | None = None
    client_cert: Name | None = None
    client_key: Name | None = None
    proxy: Annotated[str, Field(pattern=r"^https?://[^\s/@]+/?$"), AfterValidator(checked)] | None = None
    auth: Auth = Field(default_factory=lambda: TokenAuth(method="token"))

    @model_validator(mode="after")
    def _key_of_a_certificate(self) -> Self:
        if self.client_key is not None and self.client_cert is None:
            msg = "client_key needs client_cert"
            raise ValueError(msg)
        return self


def file_in(folder: Path, written: str) -> str:
    """The absolute path of a file that the manifest, which lies in `folder`, names."""
    return str((folder / expanded(written)).absolute())
