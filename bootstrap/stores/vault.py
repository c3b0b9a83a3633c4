"""HashiCorp Vault and OpenBao, through their KV secrets engines, versions 1 and 2."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from bootstrap.stores.base import Context
from bootstrap.stores.vault_backend import airflow_backend
from bootstrap.stores.vault_client import connect
from bootstrap.stores.vault_kv1 import Kv1
from bootstrap.stores.vault_kv2 import Kv2
from bootstrap.stores.vault_options import Options, TokenAuth
from bootstrap.stores.vault_policy import policy

if TYPE_CHECKING:
    import hvac

__all__ = ["PROVIDER", "Options", "airflow_backend", "kv_store", "open_store", "policy"]

PROVIDER = "apache-airflow-providers-hashicorp"


def open_store(options: Options, context: Context) -> Kv1 | Kv2:
    """The store; logs in at the first request."""

    def login() -> hvac.Client:
        client = connect(options.url)
        auth = options.auth
        if isinstance(auth, TokenAuth):
            client.token = auth.token.read(context.name, context.folder).reveal()
        else:
            secret_id = auth.secret_id.read(context.name, context.folder).reveal()
            client.auth.approle.login(auth.role_id, secret_id, mount_point=auth.mount)
        return client

    return kv_store(context.name, login, options.mount, options.kv_version)


def kv_store(name: str, login: Callable[[], hvac.Client], mount: str, kv_version: int) -> Kv1 | Kv2:
    """The store for a mount of this version."""
    return Kv1(name, login, mount) if kv_version == 1 else Kv2(name, login, mount)
