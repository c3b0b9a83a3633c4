"""Finds plain-text secrets in a manifest, where a reference to a store belongs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bootstrap.domain.secret_shapes import is_gap
from bootstrap.domain.sensitive import is_secret_name, named_items, tells, why_secret
from bootstrap.util.yaml_document import Path_

_FIELDS = ("description", "host", "login", "password", "schema", "extra", "checks")


def parts(data: Any, profile: str | None) -> Iterator[tuple[Path_, Any, str | None]]:
    """What of a manifest, as it is written, may hold secrets: its place, the data, and the conn_type it is about.

    Also of each profile but the one that is laid over the rest: whichever is asked for, it stands in the file.
    """
    yield from _parts(data, data, ())
    for name, part in _mapping(_mapping(data).get("profiles")).items():
        if name != profile:
            yield from _parts(part, data, ("profiles", name))


def _parts(data: Any, base: Any, path: Path_) -> Iterator[tuple[Path_, Any, str | None]]:
    types = _mapping(_mapping(base).get("connections"))
    for conn_id, fields in _mapping(_mapping(data).get("connections")).items():
        known = {key: value for key, value in _mapping(fields).items() if key in _FIELDS}
        said = _mapping(fields).get("conn_type") or _mapping(types.get(conn_id)).get("conn_type")
        yield (*path, "connections", conn_id), known, str(said) if said else None
    yield (*path, "variables"), _mapping(_mapping(data).get("variables")), None
    yield (*path, "airflow", "env"), _mapping(_mapping(_mapping(data).get("airflow")).get("env")), None


def _mapping(data: Any) -> Mapping[str, Any]:
    return data if isinstance(data, Mapping) else {}


def plain_secrets(node: Any, path: Path_, conn_type: str | None = None) -> Iterator[tuple[Path_, str]]:
    """The place of each, and what is said of it: "is a secret in plain text". `path`: of `node`; its last step is a name."""
    yield from _found(node, path, str(path[-1]), conn_type, inside=False)


def _found(node: Any, path: Path_, key: str, conn_type: str | None, *, inside: bool) -> Iterator[tuple[Path_, str]]:
    if isinstance(node, Mapping) and set(node) != {"secret"}:  # which is a reference
        for step, (name, item) in zip(node, named_items(node), strict=True):
            below = inside or is_secret_name(name, conn_type)
            yield from _found(item, (*path, step), name, conn_type, inside=below)
    elif isinstance(node, list | tuple):
        for index, item in enumerate(node):
            yield from _found(item, (*path, index), key, conn_type, inside=inside)
    elif isinstance(node, str) and (inside or is_secret_name(key, conn_type)) and is_gap(node):
        yield path, "is a gap of a template that nobody filled in"
    elif isinstance(node, str):
        why = why_secret(key, node, conn_type) or ("is a secret" if inside and tells(node) else "")
        if why:
            yield path, f"{why} in plain text"
