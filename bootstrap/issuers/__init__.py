"""Who mints a key. One file each; its name is what `rotate: {issuer: …}` says.

An issuer's module has `Options` (what bootstrap.yaml may say), `open_issuer`, `fields` (which fields of a connection a key
fills), and, where a workload's own identity would do away with the key, `KEYLESS`, a sentence that says how.
"""

from __future__ import annotations

from bootstrap.util.registry import Registry

KINDS = Registry(
    group="airflow_bootstrap.issuers",
    builtin={
        "aws_access_key": "bootstrap.issuers.aws_access_key",
        "command": "bootstrap.issuers.command",
        "google_service_account_key": "bootstrap.issuers.google_service_account_key",
        "mysql_password": "bootstrap.issuers.mysql_password",
        "postgres_password": "bootstrap.issuers.postgres_password",
        "random": "bootstrap.issuers.random",
        "vault_approle_secret_id": "bootstrap.issuers.vault_approle_secret_id",
        "vault_token": "bootstrap.issuers.vault_token",
    },
)
