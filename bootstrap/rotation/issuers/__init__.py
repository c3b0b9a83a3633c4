"""Who mints a key. One file each; its name is what `rotate: {issuer: …}` says.

An issuer's module has `Options` (what bootstrap.yaml may say), `open_issuer`, `fields` (which fields of a connection a key
fills), and, where a workload's own identity would do away with the key, `KEYLESS`, a sentence that says how.
"""

from __future__ import annotations

from bootstrap.registry import Registry

KINDS = Registry(
    group="airflow_bootstrap.issuers",
    builtin={
        "aws_access_key": "bootstrap.rotation.issuers.aws_access_key",
        "command": "bootstrap.rotation.issuers.command",
        "google_service_account_key": "bootstrap.rotation.issuers.google_service_account_key",
        "mysql_password": "bootstrap.rotation.issuers.mysql_password",
        "postgres_password": "bootstrap.rotation.issuers.postgres_password",
        "random": "bootstrap.rotation.issuers.random",
        "vault_approle_secret_id": "bootstrap.rotation.issuers.vault_approle_secret_id",
        "vault_token": "bootstrap.rotation.issuers.vault_token",
    },
)
