"""The form in which a table of operators is kept: plain JSON data, classes by their module."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bootstrap.scan.connection_source import Hook
from bootstrap.scan.init_source import CORE
from bootstrap.scan.operators import Operators, shipped
from bootstrap.scan.provider_source import Found


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


def shipped_hook(name: str) -> Hook | None:
    """What the shipped table says of a hook whose source isn't here."""
    table = shipped()
    found = Operators(table).find(name)
    if found is None or found.kind != "hook" or not found.connections:
        return None
    first = found.connections[0]
    conn_type = next((key for key, hook in table["hooks"].items() if hook == found.name), first.conn_type)
    return Hook(found.name, conn_type, first.name, first.default, ((first.default or "", first.conn_type),))
