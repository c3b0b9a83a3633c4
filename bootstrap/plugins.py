"""Which stores, targets, issuers and checks there are: ours, each one module, and what other packages add by entry points."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from bootstrap.util.registry import Registry

STORES = Registry(
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
TARGETS = Registry(
    group="airflow_bootstrap.targets",
    builtin={
        "api": "bootstrap.targets.rest_api.target",
        "backend": "bootstrap.targets.backend.target",
        "env": "bootstrap.targets.env",
        "file": "bootstrap.targets.file",
        "kubernetes": "bootstrap.targets.kubernetes.target",
        "metadata": "bootstrap.targets.metadata.target",
    },
)
ISSUERS = Registry(
    group="airflow_bootstrap.issuers",
    builtin={
        name: f"bootstrap.issuers.{name}"
        for name in (
            "aws_access_key",
            "command",
            "google_service_account_key",
            "mysql_password",
            "postgres_password",
            "random",
            "vault_approle_secret_id",
            "vault_token",
        )
    },
)
_CHECKS = sorted(file.stem for file in (Path(__file__).parent / "checks").glob("[!_]*.py") if file.stem != "base")
CHECKS = Registry(group="airflow_bootstrap.checks", builtin={name: f"bootstrap.checks.{name}" for name in _CHECKS})
FALLBACK = "hook"  # the check of a conn_type that has none of its own


def default_checks(conn_type: str | None) -> Iterator[str]:
    """The checks that a connection of this type gets where the manifest names none."""
    found = [name for name in _CHECKS if conn_type in import_module(CHECKS.builtin[name]).CONN_TYPES]
    yield from found or [FALLBACK]
