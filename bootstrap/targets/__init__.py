"""Where Airflow finds connections. One file per target; its name is the target."""

from __future__ import annotations

from bootstrap.registry import Registry

KINDS = Registry(
    group="airflow_bootstrap.targets",
    builtin={
        "api": "bootstrap.targets.api",
        "backend": "bootstrap.targets.backend",
        "env": "bootstrap.targets.env",
        "file": "bootstrap.targets.file",
        "kubernetes": "bootstrap.targets.kubernetes",
        "metadata": "bootstrap.targets.metadata",
    },
)
