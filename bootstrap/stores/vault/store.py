"""HashiCorp Vault and OpenBao, through their KV secrets engines, versions 1 and 2."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from bootstrap.errors import Denied, Unavailable
from bootstrap.stores.base import Context
from bootstrap.stores.vault.backend import VaultLook, airflow_backend
from bootstrap.stores.vault.options import Options, file_in

if TYPE_CHECKING:
    import hvac

    from bootstrap.stores.base import Needs
    from bootstrap.stores.vault.kv import Kv1
    from bootstrap.stores.vault.kv2 import Kv2

__all__ = ["LOOKS", "PLACE", "PROVIDER", "REFUSALS", "Options", "airflow_backend", "open_store", "policy"]

PROVIDER = "apache-airflow-providers-hashicorp"
PLACE = ("url", "mount_point", "namespace")
REFUSALS = ("Forbidden", "Unauthorized", "InvalidRequest")  # hvac's
LOOKS = {"VaultBackend": VaultLook()}


def open_store(options: Options, context: Context) -> Kv1 | Kv2:
    """The store; logs in at the first request."""
    from bootstrap.stores.vault.kv import Kv1
    from bootstrap.stores.vault.kv2 import Kv2
    from bootstrap.stores.vault.login import login
    from bootstrap.stores.vault.session import Session

    session = Session(
        context.name, lambda: _connect(options, context), lambda client: login(options.auth, client, context)
    )
    return (Kv1 if options.kv_version == 1 else Kv2)(context.name, session, options.mount)


def policy(options: Options, needs: Needs, context: Context) -> Mapping[str, str]:
    """See vault_policy."""
    from bootstrap.stores.vault import policy as vault_policy

    return vault_policy.policy(options, needs, context)


def _connect(options: Options, context: Context) -> hvac.Client:
    from bootstrap.stores.vault.client import Transport, connect

    def file(key: str) -> str | None:
        written = getattr(options, key)
        if written is None:
            return None
        path = file_in(context.folder, written)
        if not os.access(path, os.R_OK):
            raise Unavailable(f"store {context.name}: can't read {path}", f"correct {key} of the store")
        if b"ENCRYPTED" in Path(path).read_bytes():  # OpenSSL would ask for the passphrase, and wait
            raise Denied(f"store {context.name}: {path} has a passphrase", f"openssl pkey -in {path} -out FILE")
        return path

    certificate, key = file("client_cert"), file("client_key")
    transport = Transport(
        ca_cert=file("ca_cert"),
        client_cert=(certificate, key) if certificate and key else certificate,
        proxy=options.proxy,
        namespace=options.namespace,
        concurrency=context.concurrency,
    )
    return connect(options.url, transport)
