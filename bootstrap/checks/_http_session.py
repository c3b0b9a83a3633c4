"""The session of the check `http`: where it carries the credential, and what the server says to somebody who has none."""

from __future__ import annotations

import contextlib
from typing import Any
from urllib.parse import SplitResult

from bootstrap.checks.base import Asked
from bootstrap.domain.sensitive import secret_texts
from bootstrap.util.urls import BadUrl, host_of, join, split

_PORTS = {"http": 80, "https": 443}
_NEUTRAL = ("User-Agent", "Accept", "Accept-Encoding", "Connection")
_TIMEOUT = 10  # seconds
_SUCCESS = range(200, 300)
_REFUSED = (*range(300, 400), 401, 403, 404)  # 404: some hide what they have from strangers


def same_origin(first: str, last: str) -> bool:
    """Whether both URLs are of one host and port; from http on its usual port to https on its own is the same."""
    try:
        one, other = split(first), split(last)
    except BadUrl:
        return False
    if one.hostname != other.hostname:
        return False
    upgraded = (one.scheme, other.scheme) == ("http", "https") and (_port(one), _port(other)) == (80, 443)
    return upgraded or (one.scheme, _port(one)) == (other.scheme, _port(other))


def _port(parts: SplitResult) -> int | None:
    return parts.port or _PORTS.get(parts.scheme)


def guarded(hook: Any, *, elsewhere: bool) -> Any:
    """The same HttpHook, whose sessions follow a redirect to another origin only if they may, and then without what the connection gave them.

    A session asks its own `get_redirect_target` and `rebuild_auth` at each hop (requests.Session.resolve_redirects).
    """
    connect = hook.get_conn

    def get_conn(*arguments: Any, **named: Any) -> Any:
        session = connect(*arguments, **named)
        target = session.get_redirect_target

        def get_redirect_target(response: Any) -> str | None:
            location: str | None = target(response)
            found = None if location is None else join(response.url, location)
            at_home = found is None or same_origin(response.url, found)
            return found if at_home or (elsewhere and host_of(found or "") and not session.cert) else None

        def rebuild_auth(request: Any, response: Any) -> None:
            if not same_origin(response.url, request.url):
                for name in set(request.headers) - {*_NEUTRAL}:
                    del request.headers[name]

        session.get_redirect_target, session.rebuild_auth = get_redirect_target, rebuild_auth
        return session

    hook.get_conn = get_conn
    return hook


def asked(hook: Any, path: str) -> Asked:
    """Whether the server refuses the same request to somebody who names no account."""
    with hook.get_conn() as session:
        if not (session.auth or session.cert or any(secret_texts(dict(session.headers)))):  # what the connection gives
            return "none"
        import requests

        # ValueError: requests looks at where a redirect leads, even to follow none
        with contextlib.suppress(requests.RequestException, OSError, ValueError), requests.Session() as stranger:
            stranger.proxies, stranger.verify, stranger.trust_env = session.proxies, session.verify, session.trust_env
            answer = stranger.request(
                hook.method,
                hook.url_from_endpoint(path),
                allow_redirects=False,
                stream=True,
                timeout=_TIMEOUT,
                verify=stranger.verify,  # as the hook does: else a CA bundle of the environment would go before it
                auth=lambda request: request,  # else requests would take a login from ~/.netrc
            )
            with answer:
                if answer.status_code in _SUCCESS:
                    return "unasked"
                return "asked" if answer.status_code in _REFUSED else "unknown"
    return "unknown"
