"""Asks each of Airflow's sources for a connection, and sees the errors that Airflow's own look-up swallows."""

from __future__ import annotations

from typing import Any

from bootstrap.airflow_api import secrets_backends
from bootstrap.checks.base import Cause
from bootstrap.smoke import diagnosis

_FIXED = {
    "EnvironmentVariablesBackend": "environment",
    "MetastoreBackend": "metadata database",
    "ExecutionAPISecretsBackend": "execution API",
}


def resolve(conn_id: str, store_label: str) -> tuple[Any, str]:
    """The connection as a task gets it, and the source it came from. Raises Diagnosed.

    An error of the configured backend is an error, also where a later source has a copy: what Airflow would fall
    back to is not what the manifest says.
    """
    for backend in secrets_backends():
        name = type(backend).__name__
        if name in _FIXED:
            conn = _from_fixed(backend, conn_id)
        else:
            conn = _from_configured(backend, conn_id, store_label or name)
        if conn is not None:
            return conn, _FIXED.get(name) or store_label or name
    raise diagnosis.Diagnosed(Cause("secret_missing", f"Airflow finds no connection {conn_id!r} in any of its sources"))


def _from_fixed(backend: Any, conn_id: str) -> Any:
    """The environment or the server. Its answer to a miss is an error in some versions, None in others."""
    try:
        return backend.get_connection(conn_id=conn_id)
    except Exception as err:
        if "not" in str(err).lower() and "found" in str(err).lower():
            return None
        raise diagnosis.Diagnosed(Cause("secret_malformed", f"{_FIXED[type(backend).__name__]}: {err}")) from err


def _from_configured(backend: Any, conn_id: str, label: str) -> Any:
    try:
        value = backend.get_conn_value(conn_id=conn_id)
    except Exception as err:
        raise diagnosis.Diagnosed(diagnosis.store_cause(err, label)) from err
    if value is None:
        return None
    try:
        return backend.deserialize_connection(conn_id=conn_id, value=value)
    except Exception as err:  # the message would quote the value
        message = f"{label}: the secret of {conn_id!r} is not a connection that Airflow can read ({type(err).__name__})"
        raise diagnosis.Diagnosed(Cause("secret_malformed", message)) from err
