"""Redis: logs in and pings, or with `key` sees that this key exists. Nothing is written."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import Any

from bootstrap.checks.base import Cause, CheckParams, Endpoint, Run, endpoint_of_host


class Params(CheckParams):
    """`key` is a key that must exist, in the database that the connection's extra names (`db`)."""

    key: str | None = None


CONN_TYPES = ("redis",)
PROVIDERS = ("apache-airflow-providers-redis",)
PERMISSIONS = ("+ping", "with `key` only +exists and ~`key`")
CREATES = ""
STEPS = ("access",)
_NO_TLS = 'a server that speaks only TLS hangs up like this: put "ssl": true into the connection\'s extra'


def endpoint(conn: Any) -> Endpoint | None:
    """Host and port, and TLS where extra says `ssl`. Whom to trust is the client's own decision, and the next step's.

    A server may ask in the handshake for a certificate that only the client has.
    """
    at = endpoint_of_host(conn, 6379)
    extra = conn.extra_dejson
    if at is None or not extra.get("ssl") or extra.get("ssl_certfile"):
        return at
    return Endpoint(at.host, at.port, tls=True, verify=False)


def authenticate(conn_id: str, params: Params, run: Run) -> None:  # noqa: ARG001
    """Log in, which the client does with its first command; whether that is allowed, is another matter."""
    from redis.exceptions import NoPermissionError

    with contextlib.suppress(NoPermissionError):
        _ask(conn_id, None)


def task(conn_id: str, params: Params, run: Run) -> Any:
    """RedisHook's client asks."""
    return run.task(partial(_ask, conn_id, params.key))


def _ask(conn_id: str, key: str | None) -> None:
    client = _client(conn_id)
    try:
        if key is None:
            client.ping()
        elif not client.exists(key):
            raise LookupError(f"there is no key {key}")
    finally:
        client.close()


def _client(conn_id: str) -> Any:
    """The hook's client, which would repeat even a wrong password, for seconds."""
    from airflow.providers.redis.hooks.redis import RedisHook
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    client = RedisHook(redis_conn_id=conn_id).get_conn()
    client.set_retry(Retry(NoBackoff(), 0))
    return client


def cause(error: BaseException) -> Cause | None:
    """What Redis says, by its error codes, and the client, by its exceptions."""
    kind, text = type(error).__name__, str(error)
    if isinstance(error, LookupError) and text.startswith("there is no key"):
        return Cause("not_found")
    if kind.startswith("Authentication") or "NOAUTH" in text or "WRONGPASS" in text:
        return Cause("auth", "Redis asks for a password" if "HELLO must be called" in text else "")
    if kind == "NoPermissionError" or "NOPERM" in text:
        return Cause("permission")
    if "DB index is out of range" in text:
        return Cause("not_found", hint="correct `db` in the connection's extra")
    if isinstance(error, ConnectionResetError) or "Connection closed by server" in text:
        return Cause("unreachable", hint=_NO_TLS)
    return None
