"""HTTP: gets one path through Airflow's HttpOperator, and compares the answer. Never anything but GET or HEAD."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from bootstrap.checks import _http_answer, _http_session, base
from bootstrap.checks.base import Cause, Endpoint, Run, connection
from bootstrap.domain.secret import foreign
from bootstrap.util.urls import split

Params = _http_answer.Params
CONN_TYPES = ("http",)
PROVIDERS = ("apache-airflow-providers-http",)
PERMISSIONS = ("GET on `path`",)
COMPARES = (
    "`expect_status`, `expect_text`, `expect_json`, and the address of the answer; without an "
    "expectation it proves an answer and no more"
)
CREATES = ""
STEPS = ("authenticate", "access")  # one request proves both


def endpoint(conn: Any) -> Endpoint | None:
    """Where the base URL points, put together as HttpHook does it; None where the hook goes another way.

    A server may ask in the handshake for a certificate that only the hook has.
    """
    host, extra = conn.host or "", conn.extra_dejson
    url = split(host if "://" in host else f"{conn.schema or 'http'}://{host}")
    if not url.hostname or extra.get("proxies") or extra.get("proxy") or extra.get("srv_lookup"):
        return None
    tls = url.scheme == "https"
    verify = extra.get("verify", extra.get("verify_ssl", True))
    return Endpoint(url.hostname, conn.port or url.port or (443 if tls else 80), tls and not extra.get("cert"), verify)


def task(conn_id: str, params: Params, run: Run) -> Any:
    """Airflow's HTTP operator, after the same request without the credential. Whatever the connection's extra says, we
    judge the status; of the body, no more is read than must be.
    """
    from airflow.providers.http.operators.http import HttpOperator

    class Operator(HttpOperator):  # type: ignore[misc]  # untyped
        """Its hook keeps the credential to itself, and it knows what the server says to anybody."""

        @property
        def hook(self) -> Any:
            return _http_session.guarded(super().hook, elsewhere=params.redirects)

        def execute(self, context: Any) -> Mapping[str, Any]:
            asked = _http_session.asked(super().hook, params.path)
            return {"asked": asked, **super().execute(context)}

    stays = any(300 <= status < 400 for status in params.statuses)  # noqa: PLR2004
    return Operator(
        http_conn_id=conn_id,
        endpoint=params.path,
        method=params.method,
        deferrable=False,
        extra_options={"check_response": False, "stream": True, **({"allow_redirects": False} if stays else {})},
        response_check=lambda response: _http_answer.require(response, params),
        response_filter=lambda response: _http_answer.closed(response, params),
        **run.arguments,
    )


def proof(conn_id: str, params: Params, run: Run, result: Mapping[str, Any]) -> str:  # noqa: ARG001
    """What the two requests tell of the credential."""
    if result["asked"] == "none" and connection(conn_id).password:
        run.tell(warning="the password is not sent: Airflow's HttpHook sends one only with a `login`")
    return base.login_proof(run, result["asked"])


def verify(conn_id: str, params: Params, run: Run, result: Mapping[str, Any]) -> str:  # noqa: ARG001
    """What the answer was."""
    for warning in result["warnings"]:
        run.tell(warning=warning)
    return str(result["said"])


def cause(error: BaseException) -> Cause | None:
    """What is wrong with the connection before an answer comes."""
    text = str(error)
    if isinstance(error, UnicodeEncodeError):  # its text shows a part of the password
        return Cause("secret_malformed", "basic authentication can't send this login or password: it isn't Latin-1")
    if "407 Proxy Authentication Required" in text:
        return Cause("auth", "the proxy says 407 Proxy Authentication Required", _http_answer.HINTS[407])
    bundle = next(filter(os.environ.get, ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")), "")
    if type(error).__name__ == "SSLError" and bundle:  # providers-http before 6
        hint = f"add its CA to the file of {bundle}: some releases of HttpHook take that instead of the connection's `verify`"
        return Cause("tls", "", hint)
    if "invalid path" in text and "CA certificate" in text:
        return Cause("secret_malformed", foreign(text), "correct `verify` in the connection's extra")
    return None
