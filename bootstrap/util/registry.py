"""Finding the module of a kind: a literal dict of our own, then entry points of other packages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any


@dataclass(frozen=True)
class Registry:
    """Modules by kind.

    `group` is the entry-point group through which other packages add theirs; `builtin` maps a kind to a module's name.
    """

    group: str
    builtin: Mapping[str, str]

    def names(self) -> list[str]:
        """Every kind there is, sorted."""
        return sorted({*self.builtin, *(entry.name for entry in self._entries())})

    @property
    def extended(self) -> bool:
        """True if another package adds a kind."""
        return bool(self._entries())

    def has(self, name: object) -> bool:
        """True if there is such a kind; imports nothing of ours to find out."""
        return name in self.builtin or any(entry.name == name for entry in self._entries())

    def find(self, name: str) -> Any | None:
        """The module (or object) that implements `name`, or None; entry points are looked at only for unknown names."""
        if name in self.builtin:
            return import_module(self.builtin[name])
        for entry in self._entries():
            if entry.name == name:
                return entry.load()
        return None

    def _entries(self) -> Any:
        from importlib.metadata import entry_points

        return entry_points(group=self.group)
