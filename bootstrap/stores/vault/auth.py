"""Vault auth methods: the options of each in bootstrap.yaml.

The methods are those that Airflow's VaultBackend can log in by. `mount` is where the method is mounted. A credential is never in here,
only where it is kept.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field, model_validator
from typing_extensions import Self

from bootstrap.stores.credential import Credential
from bootstrap.util.model import Model


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
