"""Any conn_type whose hook has `test_connection`: proves what that proves, mostly that the login works, and nothing about access."""

from __future__ import annotations

from typing import Any

from bootstrap.checks import _user_code, base
from bootstrap.checks.base import CheckParams, Endpoint, Run, connection, url_endpoint
from bootstrap.domain.secret import foreign
from bootstrap.manifest.kinds import FALLBACK, default_checks
from bootstrap.util.urls import host_of


class Params(CheckParams):
    """No parameters."""


CONN_TYPES = ()  # the fallback for every type that has no check of its own
PROVIDERS = ()
PERMISSIONS = ("whatever the hook's test_connection asks for",)
COMPARES = "nothing: the hook's `test_connection` judges, and some take any answer"
CREATES = ""
STEPS = ("authenticate",)


def endpoint(conn: Any) -> Endpoint | None:
    """The `endpoint_url` in extra, else host and port; None where the connection has neither."""
    if found := url_endpoint(str(conn.extra_dejson.get("endpoint_url") or "")):
        return found
    host = host_of(conn.host if "://" in (conn.host or "") else f"//{conn.host or ''}")
    return Endpoint(host=host, port=int(conn.port)) if host and conn.port else None


def task(conn_id: str, params: Params, run: Run) -> Any:  # noqa: ARG001
    """A task that fails when the hook says that its test failed."""

    def work() -> str:
        conn = connection(conn_id)
        hook = conn.get_hook()
        if not hasattr(hook, "test_connection"):
            raise RuntimeError(f"{type(hook).__name__} has no test_connection: name another check for {conn_id}")
        message = _message(type(hook).__name__, hook.test_connection())
        for name in set(default_checks(conn.conn_type)) - {FALLBACK}:
            run.tell(
                warning=f"{type(hook).__name__}.test_connection may take any answer for a success: use the check `{name}`"
            )
        return message

    return run.task(work)


def verify(conn_id: str, params: Params, run: Run, result: str) -> str:  # noqa: ARG001
    """What the hook says, which is all that is known."""
    return base.login_proof(run, "unknown", result)


def _message(kind: str, result: Any) -> str:
    """What the hook says of its test. Raises RuntimeError where that failed, and where it is no `(bool, message)`."""
    match result:
        case tuple((True, message)):
            return foreign(message)
        case tuple((False, message)):
            raise RuntimeError(message)
    _user_code.require_ran(f"{kind}.test_connection", result)
    raise RuntimeError(f"{kind}.test_connection returned {_user_code.shown(result)} instead of (True, message)")
