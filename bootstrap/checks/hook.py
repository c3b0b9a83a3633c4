"""Any conn_type whose hook has `test_connection`: proves that the login works, and nothing about access."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from bootstrap.checks.base import CheckParams, Endpoint, Run


class Params(CheckParams):
    """No parameters."""


CONN_TYPES = ()  # the fallback for every type that has no check of its own
PROVIDER = None
PERMISSIONS = ("whatever the hook's test_connection asks for",)
STEPS = ("authenticate",)


def endpoint(conn: Any) -> Endpoint | None:
    """The `endpoint_url` in extra, else host and port; None where the connection has neither."""
    url = urlsplit(str(conn.extra_dejson.get("endpoint_url") or ""))
    if url.hostname:
        tls = url.scheme == "https"
        return Endpoint(host=url.hostname, port=url.port or (443 if tls else 80), tls=tls)
    host = urlsplit(conn.host if "://" in (conn.host or "") else f"//{conn.host or ''}").hostname
    return Endpoint(host=host, port=int(conn.port)) if host and conn.port else None


def task(conn_id: str, params: Params, run: Run) -> Any:  # noqa: ARG001
    """A task that fails when the hook says that its test failed."""
    from bootstrap.airflow_api import BaseHook, BaseOperator

    class HookTestOperator(BaseOperator):  # type: ignore[misc]  # Airflow's base class is untyped in some versions
        def execute(self, context: Any) -> str:  # noqa: ARG002
            hook = BaseHook.get_connection(conn_id).get_hook()
            if not hasattr(hook, "test_connection"):
                raise RuntimeError(f"{type(hook).__name__} has no test_connection: name another check for {conn_id}")
            passed, message = hook.test_connection()
            if not passed:
                raise RuntimeError(message)
            return str(message)

    return HookTestOperator(**run.arguments)
