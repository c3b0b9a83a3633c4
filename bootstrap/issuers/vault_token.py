"""A token of a Vault, as a connection's password.

Tokens are orphans: a child ends with the log-in that made it, which may be over in minutes. The least that the log-in of
`store` must be allowed, with `role: airflow`, a token role that has `orphan=true` and allows Airflow's policies alone:

    path "auth/token/roles/airflow" { capabilities = ["read"] }
    path "auth/token/create/airflow" { capabilities = ["update"] }
    path "auth/token/accessors/" { capabilities = ["list", "sudo"] }
    path "auth/token/lookup" { capabilities = ["update"] }
    path "auth/token/lookup-accessor" { capabilities = ["update"] }
    path "auth/token/revoke-accessor" { capabilities = ["update"] }

Without a role it is `auth/token/create-orphan` instead of the first two, and either the log-in has the `policies` itself,
or "sudo" on that path, which a `period` always needs: with "sudo" it can make itself a token for anything.

Even the least lets the log-in revoke anybody's token, since a Vault lists the accessors of all tokens and no fewer; without
the list, a token whose making was interrupted could not be found again. The secret_id of an AppRole needs no such right.
A Vault can't disable a token, nor does it tell when one was last used. Airflow doesn't renew the token of a connection: one
with a `period` ends, too, unless something else renews it. A server gives less than what is asked for where its
`max_lease_ttl` is less: the key's `expires` is what it gave.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from bootstrap.domain.secret import Secret
from bootstrap.errors import IssuerDenied
from bootstrap.issuers._vault import Api, ByAccessor, Vault, end, vault_of
from bootstrap.issuers.base import Attempt, Issuer, IssuerOptions, Key, KeyFields, Surroundings
from bootstrap.util.durations import Duration

KEYLESS = (
    "Airflow can log in to Vault as the workload that it is, with no token to keep: by its Kubernetes service account "
    "(auth method kubernetes) or its cloud identity (aws, gcp, azure)."
)
_RUN, _ACCOUNT = "airflow_bootstrap_token_run", "airflow_bootstrap_account"  # in a token's metadata
_API = Api(
    noun="token",
    list="auth/token/accessors/",
    look_up="auth/token/lookup-accessor",
    destroy="auth/token/revoke-accessor",
    accessor="accessor",
    metadata="meta",
    mark=_RUN,
    expires="expire_time",
    listing='list", "sudo',  # between quotes in a hint
)
_Name = Annotated[str, Field(pattern=r"^[^\s/]+$")]


class Options(IssuerOptions):
    """`store`: whose log-in may make tokens; `role`: the token role; `policies`: what the token gets.

    Without a role, `ttl` or `period` says how long it lasts; with one, the role does, and `ttl` may ask for less.
    """

    issuer: Literal["vault_token"]
    store: str
    role: str | None = Field(default=None, pattern=r"^\w([\w.-]*\w)?$")
    policies: list[_Name] = []
    ttl: Duration | None = None
    period: Duration | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Options:
        if self.role is not None and self.period is not None:
            msg = "a token's period is its role's: set token_period of the role, and leave out `period`"
            raise ValueError(msg)
        if self.role is None and not self.policies:
            msg = "a token needs `policies`, or a `role` that has them"
            raise ValueError(msg)
        if self.role is None and (self.ttl is None) == (self.period is None):
            msg = "a token without a `role` needs `ttl` or `period`, and not both"
            raise ValueError(msg)
        lasts = self.ttl or self.period
        if lasts is not None and self.every is not None and lasts <= self.every + self.grace:
            msg = "the token must last longer than `every` and `grace` together: it would end while it is in use"
            raise ValueError(msg)
        return self


def fields(_options: Options) -> tuple[str, ...]:
    """Where Airflow's connections to a Vault have it."""
    return ("password",)


def open_issuer(options: Options, surroundings: Surroundings) -> Issuer:
    """Logs in at the first request."""
    return Tokens(options, vault_of(options.store, surroundings))


class Tokens(ByAccessor):
    """The tokens of one role, or with the same policies."""

    def __init__(self, options: Options, vault: Vault) -> None:
        whose = [*([f"role {options.role}"] if options.role else []), *sorted(set(options.policies))]
        super().__init__(vault, _API, f"vault_token:{options.store}:{','.join(whose)}")
        self._options = options
        self._shown: set[str] = set()

    def issue(self, attempt: Attempt) -> Key:
        """Its metadata names the run."""
        role = self._options.role
        if role is not None:
            self._check_role(f"auth/token/roles/{role}")
        path = f"auth/token/create/{role}" if role is not None else "auth/token/create-orphan"
        started = datetime.now(timezone.utc)
        lasting = {"ttl": self._options.ttl, "period": self._options.period}
        body = {
            "meta": {_RUN: attempt.run, _ACCOUNT: self.account},
            "display_name": "airflow-bootstrap",
            "type": "service",  # a batch token can't be revoked
            **({"policies": self._options.policies} if self._options.policies else {}),
            **{name: f"{span.total_seconds():.0f}s" for name, span in lasting.items() if span is not None},
        }
        auth = self._vault.part(self._vault.create(attempt, path, body), "auth", path)
        return Key(
            id=self._vault.text(auth, "accessor", path),
            fields={"password": Secret(self._vault.text(auth, "client_token", path))},
            created=started,
            expires=end(started, auth.get("lease_duration")),
        )

    def identify(self, fields: KeyFields) -> str | None:
        """The server knows a token's accessor; None for a token that has ended, too, and for a batch token, which has none."""
        token = fields.get("password")
        about = self._vault.look_up("auth/token/lookup", {"token": token.reveal()}) if token else None
        accessor: str | None = (about or {}).get("accessor") or None
        if accessor is not None:
            self._shown.add(accessor)
        return accessor

    def _is_own(self, key_id: str, about: Mapping[str, Any]) -> bool:
        """Those whose metadata says so, and those that were shown to `identify`: the first was made by somebody else."""
        return key_id in self._shown or self._metadata(about).get(_ACCOUNT) == self.account

    def _check_role(self, path: str) -> None:
        """Whether its tokens are such that Airflow can use one, and that it can be revoked. Raises IssuerDenied."""
        role = self._vault.read(path)
        where = self._vault.where(path)
        if not role.get("orphan"):
            message = f"{where}: a token of this role ends with the log-in that makes it"
            raise IssuerDenied(message, f"vault write {path} orphan=true")
        if role.get("token_type") == "batch":
            message = f"{where}: a token of this role is a batch token, which nobody can revoke"
            raise IssuerDenied(message, f"vault write {path} token_type=service")
        if uses := role.get("token_num_uses"):
            message = f"{where}: a token of this role works for {uses} requests only"
            raise IssuerDenied(message, f"vault write {path} token_num_uses=0")
