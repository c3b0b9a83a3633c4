"""Where secrets are kept. One file per kind; its name is the kind.

A kind's module has `Options` (what bootstrap.yaml may say), `open_store`, and, where Airflow ships a secrets backend
for it, `airflow_backend`.
"""

from __future__ import annotations

from bootstrap.util.registry import Registry

KINDS = Registry(
    group="airflow_bootstrap.stores",
    builtin={
        "aws_parameter_store": "bootstrap.stores.aws.parameter_store",
        "aws_secrets_manager": "bootstrap.stores.aws.secrets_manager",
        "embedded": "bootstrap.stores.embedded.store",
        "env": "bootstrap.stores.env",
        "file": "bootstrap.stores.file",
        "google_secret_manager": "bootstrap.stores.google.secret_manager",
        "vault": "bootstrap.stores.vault.store",
    },
)
