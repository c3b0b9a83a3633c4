"""What we use of Airflow, where its name or shape differs between 2.11 and 3.x. The one place that knows versions.

Imported only inside Airflow's own processes.
"""

from __future__ import annotations

from typing import Any

try:
    from airflow.sdk import DAG, BaseHook, BaseOperator  # 3.0 and later
except ImportError:
    from airflow.hooks.base import BaseHook  # 2.11
    from airflow.models.baseoperator import BaseOperator
    from airflow.models.dag import DAG

__all__ = ["DAG", "BaseHook", "BaseOperator", "secrets_backends"]


def secrets_backends() -> list[Any]:
    """The sources that a task's look-up of a connection asks, in order."""
    try:
        from airflow.sdk.execution_time.supervisor import ensure_secrets_backend_loaded  # 3.1 and later
    except ImportError:
        pass
    else:
        return list(ensure_secrets_backend_loaded())
    try:
        from airflow.sdk.execution_time.secrets import DEFAULT_SECRETS_SEARCH_PATH_WORKERS as DEFAULTS  # 3.0
    except ImportError:
        from airflow.configuration import ensure_secrets_loaded  # 2.11

        return list(ensure_secrets_loaded())
    from airflow.configuration import ensure_secrets_loaded

    return list(ensure_secrets_loaded(default_backends=DEFAULTS))
