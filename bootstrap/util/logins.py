"""Addresses with a password in them: http://user:password@host. A password stands there in plain text, whatever the field is called."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

_LOGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s/@]*?:([^\s/@]+)@")
_PLACEHOLDER = re.compile(r"\$\{?\w+\}?|\{\{.*\}\}|\$\(.*\)|<.*>|\*+")  # what a shell or a person fills in


def has_login(text: str) -> bool:
    """True if there is such an address anywhere in the text."""
    return any(_PLACEHOLDER.fullmatch(found[1]) is None for found in _LOGIN.finditer(text))


def places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where in plain data they stand."""
    if isinstance(node, Mapping):
        for key, item in node.items():
            yield from places(item, (*path, key))
    elif isinstance(node, list | tuple):
        for index, item in enumerate(node):
            yield from places(item, (*path, index))
    elif isinstance(node, str) and has_login(node):
        yield path
