"""HTTP: gets one path through Airflow's HttpOperator. Never anything but GET or HEAD."""

from __future__ import annotations

from typing import Any, Literal
from urllib.parse import urlsplit

from bootstrap.checks.base import CheckParams, Endpoint, Run


class Params(CheckParams):
    """`path` is appended to the connection's host; `contains` is text that the answer must have in it."""

    path: str = ""
    method: Literal["GET", "HEAD"] = "GET"
    contains: str | None = None


CONN_TYPES = ("http",)
PROVIDERS = ("apache-airflow-providers-http",)
PERMISSIONS = ("GET on `path`",)
CREATES = ""
STEPS = ("authenticate", "access")  # one request proves both


def endpoint(conn: Any) -> Endpoint | None:
    """Where the base URL points, put together as HttpHook does it."""
    host = conn.host or ""
    url = urlsplit(host if "://" in host else f"{conn.schema or 'http'}://{host}")
    if not url.hostname:
        return None
    tls = url.scheme == "https"
    verify = conn.extra_dejson.get("verify", True)
    return Endpoint(url.hostname, conn.port or url.port or (443 if tls else 80), tls, verify)


def task(conn_id: str, params: Params, run: Run) -> Any:
    """Airflow's HTTP operator; an answer of 400 or more fails it."""
    from airflow.providers.http.operators.http import HttpOperator

    return HttpOperator(
        http_conn_id=conn_id,
        endpoint=params.path,
        method=params.method,
        response_check=None if params.contains is None else _contains(params.contains),
        **run.arguments,
    )


def _contains(wanted: str) -> Any:
    def check(response: Any) -> bool:
        return wanted in response.text

    return check
