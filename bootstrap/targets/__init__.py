"""Where Airflow finds connections. One file per target; its name is the target."""

from __future__ import annotations

from bootstrap.util.registry import Registry

KINDS = Registry(
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
