"""Suggests the known name nearest to a misspelt one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_CLOSE = 0.85  # a letter or two of ten; "ssl_key" and "ssl_keyfile" are not close


def nearest(name: str, known: Iterable[str], cutoff: float = _CLOSE) -> str | None:
    """The name of which `name` is a misspelling, or None where it is like no other."""
    every = sorted(known)
    alike = (other for other in every if plain(other) == plain(name))
    return next(alike, None) or next(iter(difflib.get_close_matches(name, every, n=1, cutoff=cutoff)), None)


def plain(name: str) -> str:
    """Without what people mix up most: capitals, hyphens and underscores."""
    return name.lower().replace("-", "").replace("_", "")
