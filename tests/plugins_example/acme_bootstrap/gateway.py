"""Acme's gateway: asks with the key in `password` whose it is, and compares that with `login`."""

from __future__ import annotations

import json
from functools import partial
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from bootstrap.checks.base import Cause, CheckParams, Endpoint, Run, endpoint_of_host


class Params(CheckParams):
    """`path` is the gateway's resource."""

    path: str = "/whoami"


CONN_TYPES = ("acme_gateway",)  # whose default check it is
PROVIDERS = ()
PERMISSIONS = ("GET on `path`",)
COMPARES = "the key's id, which the gateway names"
CREATES = ""
STEPS = ("authenticate", "access")  # one request proves both


def endpoint(conn: Any) -> Endpoint | None:
    """Host and port."""
    return endpoint_of_host(conn, 80)


def task(conn_id: str, params: Params, run: Run) -> Any:
    """A task that asks."""
    return run.task(partial(_ask, conn_id, params.path))


def _ask(conn_id: str, path: str) -> str:
    from bootstrap.airflow.compat import BaseHook  # in the function: airflow-bootstrap itself doesn't import Airflow

    conn = BaseHook.get_connection(conn_id)
    url = f"http://{conn.host}:{conn.port}{path}"
    with urlopen(Request(url, headers={"Authorization": f"Bearer {conn.password}"}), timeout=10) as answer:
        key = json.load(answer)["key"]
    if key != conn.login:
        raise ValueError(f"{url} takes the key for {key}'s, not for {conn.login}'s")
    return f"as {key}"


def verify(conn_id: str, params: Params, run: Run, result: str) -> str:  # noqa: ARG001
    """What the report says of the access."""
    return result


def cause(error: BaseException) -> Cause | None:
    """What the gateway's answers mean."""
    return Cause("auth") if isinstance(error, HTTPError) and error.code == 401 else None
