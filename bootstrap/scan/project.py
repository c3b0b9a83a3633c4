"""The modules of the scanned code: which name is imported from where."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Protocol

from bootstrap.scan.values import Scope


@dataclass(eq=False)
class Module:
    """One file of the scanned code. `path` is relative to the scanned folder; `state` says how far it is interpreted."""

    path: str
    name: str
    tree: ast.Module
    scope: Scope
    state: str = "new"  # running, done
    stars: list[str] = field(default_factory=list)  # modules that aren't the project's, of which all names are imported

    @property
    def package(self) -> str:
        """The dotted name that a relative import begins at."""
        return self.name if PurePosixPath(self.path).name == "__init__.py" else self.name.rpartition(".")[0]

    def absolute(self, module: str | None, level: int) -> str:
        """The dotted name of `from ..module import x`."""
        if not level:
            return module or ""
        parts = self.package.split(".") if self.package else []
        parts = parts[: len(parts) - (level - 1)]
        return ".".join([*parts, *([module] if module else [])])


class Modules(Protocol):
    """Finds the scanned code's modules."""

    def find(self, dotted: str) -> Module | None:
        """The module of that name; None where it isn't the project's."""
