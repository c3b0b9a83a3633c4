"""Asks each of Airflow's sources for a connection, and sees the errors that Airflow's own look-up swallows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bootstrap.airflow_api import ask_parameter_store, ask_secret_manager, ask_secrets_manager, secrets_backends
from bootstrap.checks._errors import Diagnosed, store_cause, summary
from bootstrap.checks.base import Cause

_FIXED = {
    "EnvironmentVariablesBackend": "environment",
    "MetastoreBackend": "metadata database",
    "ExecutionAPISecretsBackend": "execution API",
}
_ASK_AGAIN: dict[str, Callable[[Any, str, str], bool | None]] = {  # backends that answer None to a refusal, too
    "CloudSecretManagerBackend": ask_secret_manager,
    "SecretsManagerBackend": ask_secrets_manager,
    "SystemsManagerParameterStoreBackend": ask_parameter_store,
}
_MISSING = ("NotFound", "ResourceNotFoundException", "ParameterNotFound", "InvalidParameterException")


def resolve(conn_id: str, store_label: str) -> tuple[Any, str]:
    """The connection as a task gets it, and the source it came from. Raises Diagnosed.

    An error of the configured backend is an error, also where a later source has a copy: what Airflow would fall
    back to is not what the manifest says.
    """
    for backend in _backends():
        name = type(backend).__name__
        if name in _FIXED:
            conn = _from_fixed(backend, conn_id)
        else:
            conn = _from_configured(backend, conn_id, store_label or name)
        if conn is not None:
            return conn, _FIXED.get(name) or store_label or name
    raise Diagnosed(Cause("secret_missing", f"Airflow finds no connection {conn_id!r} in any of its sources"))


def _backends() -> list[Any]:
    """Airflow's sources. A configured one that can't even be made, for want of a key that it can read, is refused."""
    try:
        return secrets_backends()
    except Exception as err:
        message = f"Airflow can't set up its secrets backend: {summary(err)}"
        raise Diagnosed(Cause("store_denied", message)) from err


def _from_fixed(backend: Any, conn_id: str) -> Any:
    """The environment or the server. Its answer to a miss is an error in some versions, None in others."""
    try:
        return backend.get_connection(conn_id=conn_id)
    except Exception as err:
        if "not" in str(err).lower() and "found" in str(err).lower():
            return None
        raise Diagnosed(Cause("secret_malformed", f"{_FIXED[type(backend).__name__]}: {err}")) from err


def _from_configured(backend: Any, conn_id: str, label: str) -> Any:
    try:
        value = backend.get_conn_value(conn_id=conn_id)
        if value is None:
            _raise_if_refused(backend, conn_id, label)
    except Diagnosed:
        raise
    except NotImplementedError:  # a backend that has whole connections, such as LocalFilesystemBackend
        return _malformed_unless(lambda: backend.get_connection(conn_id=conn_id), conn_id, label)
    except Exception as err:
        raise Diagnosed(store_cause(err, label)) from err
    if value is None:
        return None
    return _malformed_unless(lambda: backend.deserialize_connection(conn_id=conn_id, value=value), conn_id, label)


def _malformed_unless(read: Callable[[], Any], conn_id: str, label: str) -> Any:
    try:
        return read()
    except Exception as err:  # the message would quote the value
        message = f"{label}: the secret of {conn_id!r} is not a connection that Airflow can read ({type(err).__name__})"
        raise Diagnosed(Cause("secret_malformed", message)) from err


def _raise_if_refused(backend: Any, conn_id: str, label: str) -> None:
    """Raises Google's or AWS's error, unless it says that there is no such secret; Diagnosed for one that isn't text."""
    ask = next((_ASK_AGAIN[kind.__name__] for kind in type(backend).__mro__ if kind.__name__ in _ASK_AGAIN), None)
    if ask is None or backend.connections_prefix is None:
        return
    try:
        is_binary = ask(backend, backend.connections_prefix, conn_id)
    except Exception as err:
        deleted = type(err).__name__ == "InvalidRequestException" and "delet" in str(err)  # AWS's, for a month
        if type(err).__name__ not in _MISSING and not deleted:
            raise
        return
    if is_binary:
        message = f"{label}: the secret of {conn_id!r} is binary, and Airflow reads text only"
        raise Diagnosed(Cause("secret_malformed", message))
