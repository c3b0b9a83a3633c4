"""Taking a URL apart in the same way on every Python, and what a URL gives away: this machine's address, or a password.

Patch releases differ in brackets (gh-103848 in 3.11.4, gh-105704 in 3.12.9 and 3.13.2) and in leading spaces (gh-102153 in
3.10.12 and 3.11.4): a password `p[1]` is read by some and refused by others; a host `db[::1]` reads as `::1` or is refused.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import SplitResult, urljoin, urlsplit

_LEADING = "".join(map(chr, range(33)))  # what the URL standard strips: control characters and the space
_AUTHORITY = re.compile(r"((?:([^:/?#]*):)?//)([^/?#]*)(.*)", re.DOTALL)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
_BRACKETED = re.compile(r"\[([^\[\]]*)\](?::[0-9]*)?")
_FUTURE = re.compile(r"v[0-9A-Fa-f]+\..+")  # RFC 3986: IPvFuture
_QUOTED = str.maketrans({"[": "%5B", "]": "%5D"})
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_LOGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s/@]*?:([^\s/@]+)@")
_PLACEHOLDER = re.compile(r"\$\{?\w+\}?|\{\{.*\}\}|\$\(.*\)|<.*>|\*+")  # what a shell or a person fills in


class BadUrl(ValueError):
    """A text that can't be a URL. Quotes nothing of the text, which may hold a password."""


def split(text: str) -> SplitResult:
    """`urllib.parse.urlsplit`, with a port that is known to be one. Raises BadUrl.

    Brackets before the @ come percent-encoded, as they belong into a URL: unquote `username` and `password`.
    """
    try:
        parts = urlsplit(_with_quoted_login(text.lstrip(_LEADING)))
        _ = parts.port  # read only now by urlsplit
    except BadUrl:
        raise
    except ValueError as err:
        raise BadUrl("the host or the port in the URL is not valid") from err
    return parts


def host_of(text: str) -> str | None:
    """The host of a URL, in small letters; None if it has none, or is no URL."""
    try:
        return split(text).hostname
    except BadUrl:
        return None


def join(base: str, text: str) -> str:
    """`urllib.parse.urljoin`; what can't be a URL comes as it is."""
    try:
        split(text)
        return urljoin(base, _with_quoted_login(text))
    except ValueError:
        return text


def checked(text: str) -> str:
    """The same URL, for a pydantic AfterValidator. Raises BadUrl."""
    if not split(text).hostname:
        raise BadUrl("the URL has no host")
    return text


def _with_quoted_login(text: str) -> str:
    found = _AUTHORITY.fullmatch(text)
    if found is None:
        return text
    before, scheme, authority, after = found.groups()
    if scheme is not None and not _SCHEME.fullmatch(scheme):
        raise BadUrl("the URL's scheme is not valid")
    login, at, place = authority.rpartition("@")
    if "[" in place or "]" in place:  # for an IPv6 address alone, with only a port behind it (RFC 3986, 3.2.2)
        bracketed = _BRACKETED.fullmatch(place)
        try:
            if bracketed is None or not _FUTURE.fullmatch(bracketed[1]):
                ipaddress.IPv6Address(bracketed[1] if bracketed else "")
        except ValueError as err:
            raise BadUrl("brackets in the URL's host hold no IPv6 address") from err
    return f"{before}{login.translate(_QUOTED)}{at}{place}{after}"


def is_here(url: str) -> bool:
    """True if it leads to this machine. What is no URL leads nowhere."""
    return host_of(url) in _LOOPBACK


def proxies(url: str, proxy: str | None = None) -> dict[str, str]:
    """`proxy`, or what the environment says, as requests takes it."""
    from requests.utils import get_environ_proxies

    if is_here(url):
        return {}
    return {"http": proxy, "https": proxy} if proxy else get_environ_proxies(url)


def has_login(text: str) -> bool:
    """True if the text has an address with a password in it: http://user:password@host, which is plain text whatever the field is called."""
    return any(_PLACEHOLDER.fullmatch(found[1]) is None for found in _LOGIN.finditer(text))


def login_places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where in plain data such addresses stand."""
    if isinstance(node, Mapping):
        for key, item in node.items():
            yield from login_places(item, (*path, key))
    elif isinstance(node, list | tuple):
        for index, item in enumerate(node):
            yield from login_places(item, (*path, index))
    elif isinstance(node, str) and has_login(node):
        yield path
