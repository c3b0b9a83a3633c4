"""A secret_id of a Vault's AppRole, as a connection's password beside the role_id that is its login.

The least that the log-in of `store` must be allowed, for `mount: approle` and `role: airflow`:

    path "auth/approle/role/airflow" { capabilities = ["read"] }
    path "auth/approle/role/airflow/secret-id" { capabilities = ["update"] }
    path "auth/approle/role/airflow/secret-id/" { capabilities = ["list"] }
    path "auth/approle/role/airflow/secret-id/lookup" { capabilities = ["update"] }
    path "auth/approle/role/airflow/secret-id-accessor/lookup" { capabilities = ["update"] }
    path "auth/approle/role/airflow/secret-id-accessor/destroy" { capabilities = ["update"] }

Who has it can log in as that role. A Vault can't disable a secret_id, nor does it tell when one was last used. A token that
somebody got with a secret_id outlives it, until its own TTL: the role's `token_ttl` and `token_max_ttl` bound that.
"""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Literal

from pydantic import Field

from bootstrap.domain.secret import Secret
from bootstrap.errors import IssuerDenied
from bootstrap.issuers._vault import Api, ByAccessor, Vault, end, vault_of
from bootstrap.issuers.base import Attempt, Issuer, IssuerOptions, Key, KeyFields, Surroundings

KEYLESS = (
    "Airflow can log in to Vault as the workload that it is, with no secret_id: by its Kubernetes service account "
    "(auth method kubernetes) or its cloud identity (aws, gcp, azure)."
)
_RUN = "airflow_bootstrap_run"


class Options(IssuerOptions):
    """`store`: whose log-in may make secret_ids; `role`: the AppRole; `mount`: the path of the auth method."""

    issuer: Literal["vault_approle_secret_id"]
    store: str
    role: str = Field(pattern=r"^\w([\w.-]*\w)?$")
    mount: str = Field(default="approle", pattern=r"^[\w.-]+(/[\w.-]+)*$")


def fields(_options: Options) -> tuple[str, ...]:
    """The login, the role_id, stays."""
    return ("password",)


def open_issuer(options: Options, surroundings: Surroundings) -> Issuer:
    """Logs in at the first request."""
    return SecretIds(options, vault_of(options.store, surroundings))


class SecretIds(ByAccessor):
    """The secret_ids of one role."""

    def __init__(self, options: Options, vault: Vault) -> None:
        self._role = f"auth/{options.mount}/role/{options.role}"
        self._path = f"{self._role}/secret-id"
        by_accessor = f"{self._path}-accessor"
        api = Api(
            noun="secret_id",
            list=f"{self._path}/",
            look_up=f"{by_accessor}/lookup",
            destroy=f"{by_accessor}/destroy",
            accessor="secret_id_accessor",
            metadata="metadata",
            mark=_RUN,
            expires="expiration_time",
        )
        super().__init__(vault, api, f"vault_approle_secret_id:{options.store}:{self._role}")

    def issue(self, attempt: Attempt) -> Key:
        """Its metadata names the run."""
        self._check_role()
        started = datetime.now(timezone.utc)
        body = {"metadata": json.dumps({_RUN: attempt.run})}  # the API wants it as text
        data = self._vault.part(self._vault.create(attempt, self._path, body), "data", self._path)
        return Key(
            id=self._vault.text(data, "secret_id_accessor", self._path),
            fields={"password": Secret(self._vault.text(data, "secret_id", self._path))},
            created=started,
            expires=end(started, data.get("secret_id_ttl")),
        )

    def identify(self, fields: KeyFields) -> str | None:
        """The server knows a secret_id's accessor."""
        secret_id = fields.get("password")
        about = self._vault.look_up(f"{self._path}/lookup", {"secret_id": secret_id.reveal()}) if secret_id else None
        return about.get("secret_id_accessor") if about else None

    def _check_role(self) -> None:
        """Whether its secret_ids are such that Airflow can use one. Raises IssuerDenied."""
        role = self._vault.read(self._role)
        where = self._vault.where(self._role)
        if not role.get("bind_secret_id", True):
            hint = f"vault write {self._role} bind_secret_id=true"
            raise IssuerDenied(f"{where}: the role asks for no secret_id: whoever knows its role_id gets in", hint)
        if uses := role.get("secret_id_num_uses"):
            raise IssuerDenied(
                f"{where}: a secret_id of this role works for {uses} log-ins only, and Airflow's processes log in all the time",
                f"vault write {self._role} secret_id_num_uses=0",
            )
