"""The form in which a table of operators is kept: plain JSON data, classes by their module."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bootstrap.scan.operators.init_source import CORE
from bootstrap.scan.operators.provider_source import Found


def as_table(found: Found) -> dict[str, Any]:
    """What was read, as `Operators` takes it."""
    return {
        "versions": found.versions,
        "homes": found.homes,
        "core": {title: name for title in CORE for name in found.classes if name.endswith(f".{title}")},
        "hooks": found.hooks,
        "decorators": found.decorators,
        "classes": by_module(found.classes),
        "aliases": found.aliases,
        "earlier": {},
    }


def by_module(classes: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Dotted names' rows, nested."""
    nested: dict[str, dict[str, Any]] = {}
    for name in sorted(classes):
        module, _, title = name.rpartition(".")
        nested.setdefault(module, {})[title] = classes[name]
    return nested


def flat(nested: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The reverse."""
    return {f"{module}.{title}": row for module, rows in nested.items() for title, row in rows.items()}
