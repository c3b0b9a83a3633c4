"""Vault: logs in with VaultHook and reads a secret; and proves that Airflow's own secrets backend returns what you name.

Two things that have nothing to do with each other but the server:

- A connection of conn_type `vault` is one that DAGs use through VaultHook. The hook logs in and, with `path`, reads
  that secret. Neither tells of Airflow's own look-up of connections.
- `connections`, `variables` and `config` are what Airflow's configured VaultBackend must return: with the credential
  and the paths in airflow.cfg, whatever connection the check belongs to.

No value is shown, and none leaves the task.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from typing import Any

from pydantic import Field

from bootstrap.checks import base
from bootstrap.checks._errors import store_cause
from bootstrap.checks.base import Cause, CauseName, CheckParams, Diagnosed, Endpoint, Run, connection, said
from bootstrap.domain.secret import foreign
from bootstrap.errors import chain

_CONN_TYPE = "vault"


class Params(CheckParams):
    """For a connection of conn_type `vault`: `path` is a secret to read, in `mount` (default: as the connection says).

    For Airflow's secrets backend: `connections` are conn_ids (default: the connection that the check belongs to, unless
    that is of type `vault`), `variables` and `config` are keys that it must return.
    """

    path: str | None = None
    mount: str | None = None
    connections_: list[str] | None = Field(default=None, alias="connections")
    variables: list[str] = []
    config: list[str] = []


CONN_TYPES = ("vault",)
PROVIDERS = ("apache-airflow-providers-hashicorp",)
PERMISSIONS = ("read on the secret's path (MOUNT/data/PATH in version 2 of KV, MOUNT/PATH in version 1)",)
COMPARES = "that Vault names the token that was sent, and what it holds at each path"
CREATES = ""
STEPS = ("access",)
verify = said
_STORE_IT = "store it there, or correct its name, `mount` or kv_engine_version"
_RENDER = "correct `backend` in the manifest, then airflow-bootstrap render"
_PUT = "airflow-bootstrap register, or airflow-bootstrap store put"
_POLICY = "1 error occurred"  # so begins the refusal of a path that no policy allows; a bad token is refused without
_REFUSED_LOGIN = (
    r"invalid (role|secret|username|user)|Authentication Error|authentication type requires|missing client token"
)
_USE_TLS = 'set "use_tls": true in the connection\'s extra'


def endpoint(conn: Any) -> Endpoint | None:
    """Where VaultHook goes; None for other connections, whose store airflow.cfg names."""
    if conn.conn_type != _CONN_TYPE or not conn.host:
        return None
    extra = conn.extra_dejson
    tls = str(extra.get("use_tls")).strip().lower() in ("true", "t", "1", "y", "yes", "on")  # plain http by default
    verify = (extra.get("client_kwargs") or {}).get("verify")
    if verify is None:
        verify = os.environ.get("VAULT_CACERT") or os.environ.get("VAULT_CAPATH") or True
    return Endpoint(conn.host, int(conn.port or (443 if tls else 80)), tls, verify)


def authenticate(conn_id: str, params: Params, run: Run) -> str:
    """Log in: as the connection says if it is of type `vault`, and as airflow.cfg says where its backend is asked."""
    who = []
    if _is_vault(conn_id):
        who.append(_who("VaultHook", _hook(conn_id, params).get_conn(), run))
    if any(_wanted(conn_id, params)):
        backend = _backend()
        try:
            who.append(_who("Airflow's VaultBackend", backend.vault_client.client, run))
        except Exception as err:
            raise _store_failure(err, "") from err
    return " and ".join(who)


def task(conn_id: str, params: Params, run: Run) -> Any:
    """VaultHook and VaultBackend read; nothing of what they read is returned."""

    def read() -> str:
        done = [] if params.path is None else [_read_by_hook(conn_id, params, params.path)]
        done += [_read_by_backend(_backend(), *wanted) for wanted in _wanted(conn_id, params)]
        return ", ".join(done) or "no `path` is named: nothing but the login is proven"

    return run.task(read)


def cause(error: BaseException) -> Cause | None:
    """What Vault says of a refused login."""
    kind, text, message = type(error).__name__, str(error), foreign(error).partition(", on ")[0]
    if kind == "VaultDown":
        return Cause("unreachable", message, "unseal Vault (bao operator unseal), or wait until it is up")
    if "HTTP request to an HTTPS server" in text:
        return Cause("tls", "the server speaks https only", _USE_TLS)
    if isinstance(error, UnicodeEncodeError):
        return Cause("auth", "the token has characters in it that no token has")
    if kind in ("Forbidden", "Unauthorized") or re.search(_REFUSED_LOGIN, text):
        return Cause("auth", message)
    return None


def _read_by_hook(conn_id: str, params: Params, path: str) -> str:
    if not _is_vault(conn_id):
        message = f"`path` is read by VaultHook, and {conn_id} is no connection of type {_CONN_TYPE}"
        raise _failed("check_error", message, "give the check to one that is, or name `connections`")
    hook = _hook(conn_id, params)
    where = _api_path(hook.vault_client, path)
    try:
        found = hook.get_secret(secret_path=path)
    except Exception as err:
        if _is_policy(err):
            raise _denied(where) from err
        raise
    if found is None:
        raise _failed("not_found", f"Vault has no secret at {where}", _STORE_IT)
    if not isinstance(found, dict):
        raise _failed("check_error", f"what answers for {where} is no secret", _STORE_IT)
    return where


def _wanted(conn_id: str, params: Params) -> Iterator[tuple[str, str]]:
    """What Airflow's backend must return: of which kind, and its id or key."""
    default = [] if _is_vault(conn_id) else [conn_id]
    conn_ids = default if params.connections_ is None else params.connections_
    yield from (("connections", name) for name in conn_ids)
    yield from (("variables", name) for name in params.variables)
    yield from (("config", name) for name in params.config)


def _read_by_backend(backend: Any, kind: str, name: str) -> str:
    """Ask Airflow's backend itself: Airflow would take any error of it for a miss. Raises Diagnosed."""
    bases = getattr(backend, f"{kind}_path")
    bases = [bases] if isinstance(bases, str) else list(bases or [])
    if not bases:
        raise _failed("check_error", f"{kind}_path is null: Airflow asks Vault for no {kind}", _RENDER)
    where = " or ".join(_api_path(backend.vault_client, f"{base}/{name}" if base else name) for base in bases)
    read: dict[str, Callable[[str], Any]] = {
        "connections": backend.get_conn_value,
        "variables": backend.get_variable,
        "config": backend.get_config,
    }
    try:
        value = read[kind](name)
    except Exception as err:
        raise _store_failure(err, where) from err
    if value is None:
        what = "" if kind == "connections" else " with a field `value`"
        raise _failed("not_found", f"Vault has no secret{what} at {where}", _PUT)
    if kind == "connections":
        try:
            backend.deserialize_connection(conn_id=name, value=value)
        except Exception as err:  # the message would quote the value
            message = f"the secret of {name!r} is not a connection that Airflow can read ({type(err).__name__})"
            raise _failed("secret_malformed", message) from None
    return f"{kind}/{name}"


def _failed(name: CauseName, message: str, hint: str = "") -> Diagnosed:
    return Diagnosed(Cause(name, message, hint))


def _is_vault(conn_id: str) -> bool:
    return bool(connection(conn_id).conn_type == _CONN_TYPE)


def _hook(conn_id: str, params: Params) -> Any:
    from airflow.providers.hashicorp.hooks.vault import VaultHook

    hook = VaultHook(vault_conn_id=conn_id)
    if params.mount is not None:
        hook.vault_client.mount_point = params.mount
    return hook


def _backend() -> Any:
    """Airflow's configured VaultBackend. Raises Diagnosed where there is none."""
    from airflow.providers.hashicorp.secrets.vault import VaultBackend

    from bootstrap.airflow.compat import secrets_backends

    every = secrets_backends()
    found = next((backend for backend in every if isinstance(backend, VaultBackend)), None)
    if found is None:
        asked = ", ".join(type(backend).__name__ for backend in every)
        raise _failed("check_error", f"Airflow's secrets backend is not VaultBackend; it asks {asked}", _RENDER)
    return found


def _who(asks: str, client: Any, run: Run) -> str:
    """Whose token it is, as Vault says, which names the token. One that may not ask is valid too. Raises Diagnosed for what is no Vault.

    hvac hands on whatever comes with status 200. A proxy may put another token in the place of ours.
    """
    try:
        answer = client.auth.token.lookup_self()
    except Exception as err:
        if not _is_policy(err):
            raise
        return base.login_proof(run, "unknown", f"{asks}: the token may not ask whose it is")
    token = answer.get("data") if isinstance(answer, dict) else None
    if not (isinstance(token, dict) and isinstance(token.get("id"), str) and isinstance(token.get("policies"), list)):
        raise _failed("check_error", "what answers there is no Vault", "correct the connection's host and port")
    asked: base.Asked = "asked" if token["id"] == client.token else "unasked"
    return base.login_proof(run, asked, f"{asks}: {token.get('display_name') or 'a token'}")


def _is_policy(error: BaseException) -> bool:
    return any(type(link).__name__ == "Forbidden" and str(link).startswith(_POLICY) for link in chain(error))


def _store_failure(error: Exception, where: str) -> Diagnosed:
    if _is_policy(error):
        return _denied(where)
    if isinstance(error, Diagnosed):
        return error
    found = store_cause(error, "Airflow's VaultBackend")
    return _failed(found.name, found.message.partition(", on ")[0])


def _denied(where: str) -> Diagnosed:
    hint = f'add to the policy: path "{where}" {{ capabilities = ["read"] }}'
    return _failed("permission", f"Vault's policies do not allow to read {where}", hint)


def _api_path(client: Any, path: str) -> str:
    """The path as a policy has it."""
    mount, rest = (client.mount_point, path) if client.mount_point else path.split("/", 1)
    return f"{mount}/data/{rest}" if client.kv_engine_version == 2 else f"{mount}/{rest}"  # noqa: PLR2004
