"""Redis: logs in and pings, or with `key` sees that this key exists. Nothing is written."""

from __future__ import annotations

import contextlib
from contextlib import closing
from typing import Any

from bootstrap.checks import base
from bootstrap.checks.base import Cause, CheckParams, Diagnosed, Endpoint, Run, endpoint_of_host


class Params(CheckParams):
    """`key` is a key that must exist, in the database that the connection's extra names (`db`)."""

    key: str | None = None


CONN_TYPES = ("redis",)
PROVIDERS = ("apache-airflow-providers-redis",)
PERMISSIONS = ("+ping", "with `key` only +exists and ~`key`")
COMPARES = "that PING returns the run's own name; with `key` that the key counts twice where it is named twice"
CREATES = ""
STEPS = ("access",)
_NO_REDIS = Cause("check_error", "what answers says the same to everything: it is no Redis")
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


def authenticate(conn_id: str, params: Params, run: Run) -> str:  # noqa: ARG001
    """Log in, which the client does with its first command; whether that is allowed, is another matter."""
    from redis.exceptions import NoPermissionError

    with closing(_client(conn_id)) as client:
        with contextlib.suppress(NoPermissionError):
            _ping(client, run)
        return base.login_proof(run, _asked(client, run))


def task(conn_id: str, params: Params, run: Run) -> Any:
    """RedisHook's client asks."""

    def work() -> None:
        key = params.key
        with closing(_client(conn_id)) as client:
            if key is None:
                _ping(client, run)
                return
            found = client.exists(key, key)  # redis.io/commands/exists: a key that is named twice counts twice
            if found == 0:
                raise Diagnosed(Cause("not_found", f"there is no key {key}"))
            if found != 2:  # noqa: PLR2004
                raise Diagnosed(_NO_REDIS)

    return run.task(work)


def _ping(client: Any, run: Run) -> None:
    """Redis returns what PING says. Raises Diagnosed for a server that says PONG, or OK, to everything.

    A cluster's client asks all nodes and sums up; it has already read from them who keeps which slots.
    """
    if not hasattr(client, "connection_pool"):
        client.ping()
        return
    client.set_response_callback("PING", lambda answer, **_: answer)
    answer = client.execute_command("PING", run.name)
    if (answer.decode(errors="replace") if isinstance(answer, bytes) else answer) != run.name:
        raise Diagnosed(_NO_REDIS)


def _asked(client: Any, run: Run) -> base.Asked:
    """Whether the server refuses the same to somebody who says neither name nor password. Of a cluster, it isn't known."""
    from redis import ConnectionPool, Redis
    from redis.exceptions import RedisError

    pool = getattr(client, "connection_pool", None)
    if pool is None:
        return "unknown"
    if not pool.connection_kwargs.get("password"):
        return "none"
    nobody = {**pool.connection_kwargs, "username": None, "password": None}
    stranger = Redis(connection_pool=ConnectionPool(connection_class=pool.connection_class, **nobody))
    try:
        with closing(stranger):
            _ping(stranger, run)
    except (RedisError, Diagnosed, OSError) as err:
        found = cause(err)
        return "asked" if found and found.name == "auth" else "unknown"
    return "unasked"


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
    if kind.startswith("Authentication") or "NOAUTH" in text or "WRONGPASS" in text:
        return Cause("auth", "Redis asks for a password" if "HELLO must be called" in text else "")
    if kind == "NoPermissionError" or "NOPERM" in text:
        return Cause("permission")
    if "DB index is out of range" in text:
        return Cause("not_found", hint="correct `db` in the connection's extra")
    if isinstance(error, ConnectionResetError) or "Connection closed by server" in text:
        return Cause("unreachable", hint=_NO_TLS)
    return None
