"""Recognizes files that people mistake for an export of connections, to say what they are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from bootstrap.errors import UsageError

_HELM = frozenset(
    [
        "airflow",
        "airflowHome",
        "airflowVersion",
        "config",
        "createUserJob",
        "data",
        "defaultAirflowRepository",
        "defaultAirflowTag",
        "dagProcessor",
        "dags",
        "env",
        "executor",
        "extraConfigMaps",
        "extraEnv",
        "extraEnvFrom",
        "extraSecrets",
        "fernetKey",
        "fernetKeySecretName",
        "flower",
        "images",
        "ingress",
        "logs",
        "migrateDatabaseJob",
        "pgbouncer",
        "postgresql",
        "redis",
        "scheduler",
        "secret",
        "triggerer",
        "webserver",
        "webserverSecretKey",
        "workers",
    ]
)
_ENV_HINT = "write its AIRFLOW_CONN_ and AIRFLOW_VAR_ lines into a .env, and name that"
_SECTION = re.compile(r"\s*\[[a-z_]+\]\s*$")
_TABLE = re.compile(r"\s*(?:conn_id|id|key|connection.id)\s*[|,;\t]", re.IGNORECASE)


def refuse_data(data: Any, name: str) -> None:
    """Raises UsageError for what is something else, whatever format was said."""
    if not isinstance(data, Mapping):
        return
    services = data.get("services")
    if isinstance(services, Mapping) and all(isinstance(item, Mapping) for item in services.values()):
        raise UsageError(f"{name} looks like a compose file", _ENV_HINT)
    if isinstance(data.get("apiVersion"), str) and isinstance(data.get("kind"), str):
        raise UsageError(f"{name} looks like a manifest of Kubernetes ({data['kind']})", _ENV_HINT)
    if len(_HELM & set(data)) > 1 and not any(_has_type(item) for item in data.values()):
        raise UsageError(f"{name} looks like a Helm chart's values", _ENV_HINT)
    if "version" in data and {"stores", "backend", "register", "connections"} & set(data):
        raise UsageError(f"{name} is a manifest of airflow-bootstrap already", f"airflow-bootstrap -f {name} up")


def _has_type(value: object) -> bool:
    return isinstance(value, Mapping) and "conn_type" in value


def refuse_text(text: str, name: str) -> None:
    """The same for a text that isn't JSON or YAML. Raises UsageError."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith(("#", ";"))]
    if lines and _SECTION.match(lines[0]):
        raise UsageError(
            f"{name} looks like an airflow.cfg, which holds no connections", "metadata:AIRFLOW_HOME reads its database"
        )
    if lines and _TABLE.match(lines[0]):
        raise UsageError(f"{name} looks like a table", "airflow connections export connections.json")
