"""Secrets that stand in a manifest in plain text, where each of them should be a reference to a store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bootstrap.document import Path_
from bootstrap.sensitive import is_secret_name, named_items, tells, unfilled, why_secret


def plain_secrets(node: Any, path: Path_, conn_type: str | None = None) -> Iterator[tuple[Path_, str]]:
    """The place of each, and what is said of it: "is a secret in plain text". `path`: of `node`; its last step is a name."""
    yield from _found(node, path, str(path[-1]), conn_type, inside=False)


def _found(node: Any, path: Path_, key: str, conn_type: str | None, *, inside: bool) -> Iterator[tuple[Path_, str]]:
    if isinstance(node, Mapping):
        for step, (name, item) in zip(node, named_items(node), strict=True):
            below = inside or is_secret_name(name, conn_type)
            yield from _found(item, (*path, step), name, conn_type, inside=below)
    elif isinstance(node, list | tuple):
        for index, item in enumerate(node):
            yield from _found(item, (*path, index), key, conn_type, inside=inside)
    elif isinstance(node, str) and node and (said := _said(node, key, conn_type, inside=inside)):
        yield path, said


def _said(text: str, key: str, conn_type: str | None, *, inside: bool) -> str:
    if (inside or is_secret_name(key, conn_type)) and unfilled(text):
        return "is a gap of a template that nobody filled in"
    why = why_secret(key, text, conn_type) or ("is a secret" if inside and tells(text) else "")
    return f"{why} in plain text" if why else ""
