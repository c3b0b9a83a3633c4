"""The modules of the scanned code: which name is imported from where."""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Protocol

from bootstrap.scan.code.values import Scope
from bootstrap.scan.sources.files import Collected, SourceFile
from bootstrap.scan.sources.roots import find_module, project_roots
from bootstrap.scan.sources.syntax import Parsed, parse

_NOBODYS = frozenset((*sys.stdlib_module_names, "airflow"))  # no module of a project is looked for under these


@dataclass(eq=False)
class Module:
    """One file of the scanned code. `path` is relative to the scanned folder; `state` says how far it is interpreted."""

    path: str
    name: str
    parsed: Parsed
    scope: Scope
    state: str = "new"  # running, done
    stars: list[str] = field(default_factory=list)  # modules that aren't the project's, of which all names are imported

    @property
    def tree(self) -> ast.Module:
        """The module's syntax."""
        return self.parsed.tree

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

    def find(self, dotted: str, importer: Module) -> Module | None:
        """The module that `importer` gets under that name; None where it isn't the project's."""


class Project:
    """The files of a folder as modules, and those that they import from around it."""

    def __init__(self, collected: Collected) -> None:
        self._folder = collected.folder
        self._modules: dict[Path, Module] = {}
        self._found: dict[tuple[str, Path], Module | None] = {}
        self._roots: dict[str, list[Path]] = {}

    def module(self, file: SourceFile) -> Module:
        """A file as a module, parsed once."""
        key = file.location if file.location.suffix != ".zip" else file.location / file.path
        key = Path(key).resolve()
        if key not in self._modules:
            self._modules[key] = Module(file.path, _dotted(file.path), parse(file.read()), Scope(file.path))
        return self._modules[key]

    def find(self, dotted: str, importer: Module) -> Module | None:
        """The module of that name in one of the folders that imports are looked for in."""
        if not dotted or dotted.partition(".")[0] in _NOBODYS:
            return None
        folder = PurePosixPath(importer.path).parent
        key = dotted, Path(folder)
        if key not in self._found:
            self._found[key] = None
            file = find_module(dotted, self._roots_of(importer.path, str(folder)), self._folder)
            self._found[key] = self.module(file) if file is not None and file.kind == "python" else None
        return self._found[key]

    def _roots_of(self, path: str, folder: str) -> list[Path]:
        if folder not in self._roots:
            self._roots[folder] = project_roots(self._folder, path)
        return self._roots[folder]


def _dotted(path: str) -> str:
    parts = list(PurePosixPath(path).with_suffix("").parts)
    if parts and parts[-1] == "__init__":
        parts.pop()
    return ".".join(part for part in parts if part != "..")
