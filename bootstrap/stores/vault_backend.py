"""How Airflow reads the store: VaultBackend, as it is."""

from __future__ import annotations

from typing import Any

from bootstrap.stores.base import AirflowBackend, BackendPaths, Context
from bootstrap.stores.vault_options import AppRoleAuth, Options, TokenAuth

BACKEND_CLASS = "airflow.providers.hashicorp.secrets.vault.VaultBackend"
_SECRET_ID_VARIABLE = "AIRFLOW__SECRETS__BACKEND_KWARG__SECRET_ID"  # noqa: S105  the name of a variable


def airflow_backend(options: Options, paths: BackendPaths, context: Context) -> AirflowBackend:
    """Airflow's VaultBackend for this mount. Its credential stays out of the keyword arguments."""
    kwargs: dict[str, Any] = {
        "connections_path": paths.connections,
        "variables_path": paths.variables,
        "config_path": paths.config,
        "url": options.url,
        "mount_point": options.mount,
        "kv_engine_version": options.kv_version,
    }
    if isinstance(options.auth, TokenAuth):
        return _token_backend(kwargs, options.auth, context)
    return _approle_backend(kwargs, options.auth)


def _token_backend(kwargs: dict[str, Any], auth: TokenAuth, context: Context) -> AirflowBackend:
    if auth.token.file is not None:
        kwargs |= {"auth_type": "token", "token_path": str(auth.token.path(context.folder))}
        return AirflowBackend(BACKEND_CLASS, kwargs)
    return AirflowBackend(
        BACKEND_CLASS,
        kwargs | {"auth_type": "token"},
        environment={"VAULT_TOKEN": auth.token},
        advice=(_needs("VAULT_TOKEN"),),
    )


def _approle_backend(kwargs: dict[str, Any], auth: AppRoleAuth) -> AirflowBackend:
    kwargs |= {"auth_type": "approle", "role_id": auth.role_id, "auth_mount_point": auth.mount}
    return AirflowBackend(
        BACKEND_CLASS,
        kwargs,
        environment={_SECRET_ID_VARIABLE: auth.secret_id},
        advice=(_needs(_SECRET_ID_VARIABLE),),
    )


def _needs(variable: str) -> str:
    return f"Airflow's processes need {variable} in their environment; it is not written to airflow.cfg"
