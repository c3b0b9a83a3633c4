"""Options of the AWS stores in bootstrap.yaml."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from bootstrap.stores.credential import Credential
from bootstrap.util.model import Model
from bootstrap.util.urls import checked

Url = Annotated[str, Field(pattern=r"^https?://[^\s/]+/?$"), AfterValidator(checked)]
Text = Annotated[str, Field(min_length=1)]


class DefaultAuth(Model):
    """`{method: default}`: what AWS's own tools find: variables, a profile, the role of the pod or the machine."""

    method: Literal["default"]


class ProfileAuth(Model):
    """`{method: profile, profile: team}`: a profile of ~/.aws/config, also one of single sign-on."""

    method: Literal["profile"]
    profile: Text


class KeysAuth(Model):
    """`{method: keys, access_key_id: AKIA…, secret_access_key: {env: NAME}}`; temporary keys have a `session_token`."""

    method: Literal["keys"]
    access_key_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+$", min_length=16, max_length=128)]
    secret_access_key: Credential
    session_token: Credential | None = None


Source = Annotated[DefaultAuth | ProfileAuth | KeysAuth, Field(discriminator="method")]


class AssumeRoleAuth(Model):
    """`{method: assume_role, role_arn: arn:aws:iam::123456789012:role/airflow}`: with what `source` is allowed to.

    `endpoint_url` is where STS is, if not at its public address.
    """

    method: Literal["assume_role"]
    role_arn: Annotated[str, Field(pattern=r"^arn:[a-z-]+:iam::[0-9]{12}:role/\S+$")]
    external_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_+=,.@:/-]+$", min_length=2, max_length=1224)] | None = None
    endpoint_url: Url | None = None
    source: Source = Field(default_factory=lambda: DefaultAuth(method="default"))


Auth = Annotated[DefaultAuth | ProfileAuth | KeysAuth | AssumeRoleAuth, Field(discriminator="method")]


class AwsOptions(Model):
    """What both stores have in common.

    `endpoint_url` is where a network that keeps to itself has the service. `key_id` is the KMS key (its id, ARN or alias)
    that new values are encrypted with; by default AWS's own.
    """

    region: Annotated[str, Field(pattern=r"^[a-z]{2,5}(-[a-z]+)+-[0-9]+$")]
    endpoint_url: Url | None = None
    key_id: Text | None = None
    auth: Auth = Field(default_factory=lambda: DefaultAuth(method="default"))

    @property
    def partition(self) -> str:
        """The part of AWS that the region is in, as ARNs begin."""
        return next((name for start, name in _PARTITIONS.items() if self.region.startswith(start)), "aws")

    @property
    def account(self) -> str | None:
        """The account that the store is in, where the options tell."""
        return self.auth.role_arn.split(":")[4] if isinstance(self.auth, AssumeRoleAuth) else None


_PARTITIONS = {
    "cn-": "aws-cn",
    "us-gov-": "aws-us-gov",
    "us-iso-": "aws-iso",
    "us-isob-": "aws-iso-b",
    "eusc-": "aws-eusc",
}
