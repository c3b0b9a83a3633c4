"""HTTP: gets one path through Airflow's HttpOperator. Never anything but GET or HEAD."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal
from urllib.parse import urljoin, urlsplit

from pydantic import Field

from bootstrap.checks.base import Cause, CauseName, CheckParams, Endpoint, Run


class Params(CheckParams):
    """`path` is appended to the connection's host; `contains` is text that the answer must have in its first 16 MB.

    The answer's status must be `status`, or anything below 400 without it. An answer from another address than the
    one asked for, such as a log-in page's, fails the check unless `redirects` is true.
    """

    path: str = ""
    method: Literal["GET", "HEAD"] = "GET"
    contains: str | None = None
    status: Annotated[int, Field(ge=200, le=599)] | None = None
    redirects: bool = False


CONN_TYPES = ("http",)
PROVIDERS = ("apache-airflow-providers-http",)
PERMISSIONS = ("GET on `path`",)
CREATES = ""
STEPS = ("authenticate", "access")  # one request proves both
_LIMIT = 16 * 2**20  # bytes that `contains` looks at
_CHUNK = 2**16
_BY_STATUS: dict[int, CauseName] = {
    **dict.fromkeys((401, 407), "auth"),
    403: "permission",
    **dict.fromkeys((404, 410), "not_found"),
    **dict.fromkeys((408, 504), "timeout"),
}
_HINTS = {
    407: "the proxy asks for a login: put it into the proxy's URL (HTTPS_PROXY, or `proxies` in the connection's extra)",
    429: "the server limits how often it is asked: try again later",
}
_BROKEN = "the server itself fails: see its log"
_LOGIN_PAGE = re.compile(r"redirects to .*(log-?[io]n|sign-?[io]n|\bsso\b|saml|oauth|authori[sz]e)", re.IGNORECASE)
_REDIRECT = "put the right address into `host` and `path`, or allow it with `redirects: true`"


def endpoint(conn: Any) -> Endpoint | None:
    """Where the base URL points, put together as HttpHook does it; None where the hook goes another way.

    A server may ask in the handshake for a certificate that only the hook has.
    """
    host, extra = conn.host or "", conn.extra_dejson
    url = urlsplit(host if "://" in host else f"{conn.schema or 'http'}://{host}")
    if not url.hostname or extra.get("proxies") or extra.get("proxy") or extra.get("srv_lookup"):
        return None
    tls = url.scheme == "https"
    verify = extra.get("verify", extra.get("verify_ssl", True))
    return Endpoint(url.hostname, conn.port or url.port or (443 if tls else 80), tls and not extra.get("cert"), verify)


def task(conn_id: str, params: Params, run: Run) -> Any:
    """Airflow's HTTP operator. Whatever the connection's extra says, we judge the status; of the body, no more is read
    than must be.
    """
    from airflow.providers.http.operators.http import HttpOperator

    return HttpOperator(
        http_conn_id=conn_id,
        endpoint=params.path,
        method=params.method,
        extra_options={"check_response": False, "stream": True},
        response_check=_judge(params),
        response_filter=_close,
        **run.arguments,
    )


def _judge(params: Params) -> Any:
    def check(response: Any) -> bool:
        _require_status(response, params.status)
        if not params.redirects and params.status != response.status_code:
            _require_same_address(response)
        if params.contains is not None and not _has(response, params.contains):
            raise RuntimeError(f"the answer has no {params.contains!r} in it{_why_not(response)}")
        return True

    return check


def _close(response: Any) -> int:
    """What the task returns: the status instead of a body of any size."""
    response.close()
    return int(response.status_code)


class StatusError(RuntimeError):
    """The answer's status isn't the one that it should be."""

    def __init__(self, response: Any, wanted: int | None) -> None:
        instead = f" instead of {wanted}" if wanted else ""
        path = urlsplit(response.url).path or "/"
        super().__init__(f"{response.status_code} {response.reason or ''}".rstrip() + f"{instead} for {path}")
        self.status: int = response.status_code


class RedirectedError(RuntimeError):
    """The answer comes from another address, or sends there."""


def _require_status(response: Any, wanted: int | None) -> None:
    if response.status_code != wanted if wanted else response.status_code >= 400:  # noqa: PLR2004
        raise StatusError(response, wanted)


def _require_same_address(response: Any) -> None:
    """A change from http to https, or a slash at the end, is the same address."""
    first = response.history[0] if response.history else response
    last = urljoin(response.url, response.headers["Location"]) if response.is_redirect else response.url
    if _address(first.url) != _address(last):
        raise RedirectedError(f"{urlsplit(first.url).path or '/'} redirects to {_shown(last)}")


def _address(url: str) -> tuple[str | None, str]:
    parts = urlsplit(url)
    return parts.hostname, parts.path.rstrip("/")


def _shown(url: str) -> str:
    """Without what a query or a login in it may tell."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path}"


def _has(response: Any, wanted: str) -> bool:
    """Whether the body has the text in it, in the encoding that the server names, or in UTF-8."""
    words = {wanted.encode(encoding, errors="replace") for encoding in ("utf-8", _encoding(response))}
    return _found(response.iter_content(_CHUNK), words)


def _encoding(response: Any) -> str:
    import codecs

    try:
        return codecs.lookup(response.encoding or "utf-8").name
    except LookupError:
        return "utf-8"


def _found(chunks: Iterable[bytes], words: set[bytes]) -> bool:
    """Whether any of the words is in the first _LIMIT bytes; what two chunks share is looked at together."""
    overlap, kept, seen = max(map(len, words)) - 1, b"", 0
    for chunk in chunks:
        window = kept + chunk
        if any(word in window for word in words):
            return True
        seen += len(chunk)
        if seen >= _LIMIT:
            return False
        kept = window[-overlap:] if overlap else b""
    return b"" in words


def _why_not(response: Any) -> str:
    return ": HEAD has no body" if response.request.method == "HEAD" else ""


def cause(error: BaseException) -> Cause | None:
    """What an answer's status means, and a proxy's."""
    if isinstance(error, StatusError):
        hint = _HINTS.get(error.status, _BROKEN if error.status >= 500 else "")  # noqa: PLR2004
        return Cause(_BY_STATUS.get(error.status, "check_error"), hint=hint)
    if isinstance(error, RedirectedError):
        if _LOGIN_PAGE.search(str(error)):
            return Cause("auth", hint=f"correct the login; if this is the right page, {_REDIRECT}")
        return Cause("check_error", hint=_REDIRECT)
    return _of_connection(error, str(error))


def _of_connection(error: BaseException, text: str) -> Cause | None:
    """What is wrong with the connection before an answer comes."""
    if isinstance(error, UnicodeEncodeError):  # its text shows a part of the password
        return Cause("secret_malformed", "basic authentication can't send this login or password: it isn't Latin-1")
    if "407 Proxy Authentication Required" in text:
        return Cause("auth", "the proxy says 407 Proxy Authentication Required", _HINTS[407])
    if "invalid path" in text and "CA certificate" in text:
        return Cause("secret_malformed", text, "correct `verify` in the connection's extra")
    return None
