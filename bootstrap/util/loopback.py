"""Recognizes addresses on this machine, which no proxy may see."""

from __future__ import annotations

from bootstrap.util.urls import host_of

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def is_here(url: str) -> bool:
    """True if it leads to this machine. What is no URL leads nowhere."""
    return host_of(url) in _LOOPBACK


def proxies(url: str, proxy: str | None = None) -> dict[str, str]:
    """`proxy`, or what the environment says, as requests takes it."""
    from requests.utils import get_environ_proxies

    if is_here(url):
        return {}
    return {"http": proxy, "https": proxy} if proxy else get_environ_proxies(url)
