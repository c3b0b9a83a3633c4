"""Any conn_type whose hook has `test_connection`: proves that the login works, and nothing about access."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from bootstrap.checks.base import CheckParams, Endpoint, Run, url_endpoint


class Params(CheckParams):
    """No parameters."""


CONN_TYPES = ()  # the fallback for every type that has no check of its own
PROVIDERS = ()
PERMISSIONS = ("whatever the hook's test_connection asks for",)
CREATES = ""
STEPS = ("authenticate",)


def endpoint(conn: Any) -> Endpoint | None:
    """The `endpoint_url` in extra, else host and port; None where the connection has neither."""
    if found := url_endpoint(str(conn.extra_dejson.get("endpoint_url") or "")):
        return found
    host = urlsplit(conn.host if "://" in (conn.host or "") else f"//{conn.host or ''}").hostname
    return Endpoint(host=host, port=int(conn.port)) if host and conn.port else None


def task(conn_id: str, params: Params, run: Run) -> Any:  # noqa: ARG001
    """A task that fails when the hook says that its test failed."""
    from bootstrap.airflow_api import BaseHook

    def work() -> str:
        hook = BaseHook.get_connection(conn_id).get_hook()
        if not hasattr(hook, "test_connection"):
            raise RuntimeError(f"{type(hook).__name__} has no test_connection: name another check for {conn_id}")
        passed, message = hook.test_connection()
        if not passed:
            raise RuntimeError(message)
        return str(message)

    return run.task(work)
