"""Options of a Google Secret Manager store in bootstrap.yaml."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator
from typing_extensions import Self

from bootstrap.stores.credential import Credential
from bootstrap.util.model import Model

PUBLIC = "secretmanager.googleapis.com"
Account = Annotated[str, Field(pattern=r"^[^\s@]+@[^\s@]+$")]  # an e-mail address
LabelName = Annotated[str, Field(pattern=r"^[^\W\d_A-Z][\w-]{0,62}$")]
LabelValue = Annotated[str, Field(pattern=r"^[\w-]{0,63}$")]
AnnotationName = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$")]


class _Auth(Model):
    """`impersonate` are accounts that take each other's place, the last of which asks the store; `scopes` limit a token."""

    impersonate: list[Account] = []
    scopes: list[str] = []


class DefaultAuth(_Auth):
    """`{method: default}`: Application Default Credentials."""

    method: Literal["default"]


class KeyFileAuth(_Auth):
    """`{method: key_file, file: key.json}`: a service account's key."""

    method: Literal["key_file"]
    file: Annotated[str, Field(min_length=1)]


class KeyAuth(_Auth):
    """`{method: key, key: {env: NAME}}`: a service account's key, its JSON in a variable or a file."""

    method: Literal["key"]
    key: Credential


class FederationAuth(_Auth):
    """`{method: federation, file: config.json}`: workload identity federation, as `gcloud` writes its configuration."""

    method: Literal["federation"]
    file: Annotated[str, Field(min_length=1)]


Auth = DefaultAuth | KeyFileAuth | KeyAuth | FederationAuth


class Replication(Model):
    """`{automatic: true}` or `{locations: [europe-west1, europe-west4]}`."""

    automatic: Literal[True] | None = None
    locations: Annotated[list[str], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.automatic is None) == (self.locations is None):
            msg = "expected one of {automatic: true} or {locations: [...]}"
            raise ValueError(msg)
        return self


class Options(Model):
    """The secrets of a project: those that are global, or those of one `location`.

    `replication`, `labels` and `annotations` are what a new secret gets. `requests_per_minute` is a quota of each kind
    of request (access, other reads, writes); by default those that Google gives. `endpoint` is where a network that
    keeps to itself has the service (Private Service Connect).
    """

    kind: Literal["google_secret_manager"]
    project: Annotated[str, Field(pattern=r"^([a-z0-9.-]+:)?[a-z0-9-]+$")]
    location: Annotated[str, Field(pattern=r"^[a-z]+[a-z0-9-]*$")] | None = None
    endpoint: Annotated[str, Field(pattern=r"^[^\s/:]+(:[0-9]+)?$")] | None = None
    auth: Annotated[Auth, Field(discriminator="method")] = Field(default_factory=lambda: DefaultAuth(method="default"))
    requests_per_minute: Annotated[int, Field(gt=0)] | None = None
    replication: Replication | None = None
    labels: dict[LabelName, LabelValue] = {}
    annotations: dict[AnnotationName, str] = {}

    @model_validator(mode="after")
    def _regional_secrets_stay_where_they_are(self) -> Self:
        if self.location is not None and self.replication is not None:
            msg = "a secret with a `location` is kept there and nowhere else: leave out `replication`"
            raise ValueError(msg)
        return self

    @property
    def parent(self) -> str:
        """The name of what the secrets are in."""
        place = f"/locations/{self.location}" if self.location else ""
        return f"projects/{self.project}{place}"

    @property
    def host(self) -> str:
        """Where requests go."""
        regional = f"secretmanager.{self.location}.rep.googleapis.com" if self.location else PUBLIC
        return self.endpoint or regional
