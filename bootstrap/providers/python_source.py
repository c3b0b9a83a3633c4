"""Resolves names in Python modules by parsing their files; nothing is imported.

Importing Airflow costs seconds, and importing a module runs it; parsing its file costs milliseconds and runs nothing.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

Node: TypeAlias = ast.ClassDef | ast.FunctionDef
_DEEPEST = 20  # steps from a name to what it stands for; only names that lead in a circle need more


class UnreadableModule(Exception):
    """A module's file is there, and can't be read or parsed."""


@dataclass(frozen=True)
class Import:
    """`import MODULE` (no name) or `from MODULE import NAME`."""

    module: str
    name: str | None = None


@dataclass(frozen=True)
class Module:
    """A module's file, parsed. `folder` is the one of the search path that it was found in."""

    name: str
    file: Path
    folder: Path
    tree: ast.Module

    @cached_property
    def names(self) -> dict[str, Node | Import | ast.expr]:
        """What each name at the top of the module is bound to; the first binding counts, as with `try: import`."""
        found: dict[str, Node | Import | ast.expr] = {}
        for statement in _at_top(self.tree.body):
            for name, bound in self._bound(statement):
                found.setdefault(name, bound)
        return found

    @property
    def closed(self) -> bool:
        """True if `names` are all there are: none comes from `import *` or a module's `__getattr__`."""
        return not {"*", "__getattr__"} & set(self.names)

    @property
    def classes(self) -> list[str]:
        """The names of the classes in it."""
        return [name for name, bound in self.names.items() if isinstance(bound, ast.ClassDef)]

    def mentions(self, text: str) -> bool:
        """True if a text stands in it, as Airflow's old names of modules do in a package's `__init__`."""
        return any(isinstance(node, ast.Constant) and node.value == text for node in ast.walk(self.tree))

    def imports(self, function: ast.AST) -> dict[str, Import]:
        """What a function imports for itself."""
        found: dict[str, Import] = {}
        for node in ast.walk(function):
            if isinstance(node, ast.Import | ast.ImportFrom):
                found |= {name: bound for name, bound in self._bound(node) if isinstance(bound, Import)}
        return found

    def _bound(self, node: ast.stmt) -> Iterator[tuple[str, Node | Import | ast.expr]]:
        match node:
            case ast.ClassDef() | ast.FunctionDef():
                yield node.name, node
            case ast.Import():
                for alias in node.names:
                    package = alias.name.partition(".")[0]
                    yield alias.asname or package, Import(alias.name if alias.asname else package)
            case ast.ImportFrom():
                for alias in node.names:
                    yield alias.asname or alias.name, Import(self._absolute(node), alias.name)
            case ast.Assign(value=value):
                for target in node.targets:
                    if isinstance(target, ast.Name):
                        yield target.id, value
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                yield name, value

    def _absolute(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        parts = self.name.split(".")
        own = len(parts) - node.level + (self.file.name == "__init__.py")
        return ".".join([*parts[:own], *((node.module,) if node.module else ())])


@dataclass(frozen=True)
class Definition:
    """A class or a function, and the module that it stands in; `owner` is the class of a method."""

    module: Module
    node: Node
    owner: ast.ClassDef | None = None

    @property
    def name(self) -> str:
        """Its dotted name."""
        return f"{self.module.name}.{self.node.name}"


class Sources:
    """The modules below some folders; by default those that this Python imports from. Each file is parsed once."""

    def __init__(self, folders: Sequence[str | Path] | None = None) -> None:
        self.folders = tuple(Path(folder) for folder in (sys.path if folders is None else folders))
        self._modules: dict[str, Module | None] = {}

    def module(self, name: str) -> Module | None:
        """The module of this dotted name, or None where there is no such file. Raises UnreadableModule."""
        if name not in self._modules:
            self._modules[name] = self._read(name)
        return self._modules[name]

    @property
    def files(self) -> list[Path]:
        """Those that were read."""
        return [module.file for module in self._modules.values() if module is not None]

    def submodules(self, package: str) -> list[str]:
        """The names of what lies in a package's folder; none where there is no such package."""
        found = (folder.joinpath(*package.split(".")).glob("*") for folder in self.folders)
        return sorted({path.name.partition(".")[0] for paths in found for path in paths} - {"__init__", "__pycache__"})

    def find(self, module: Module, dotted: str, local: dict[str, Import] | None = None) -> Definition | None:
        """The class, function or method that an expression such as `a.b.C` in `module` means; None if we can't tell.

        `local` are the imports of the function that it stands in. Raises UnreadableModule.
        """
        return self._find(module, dotted.split("."), local or {}, _DEEPEST)

    def _find(self, module: Module, parts: list[str], local: dict[str, Import], steps: int) -> Definition | None:
        bound = local.get(parts[0]) or module.names.get(parts[0])
        if bound is None or not steps:
            return None
        match bound:
            case ast.ClassDef() | ast.FunctionDef():
                return _member(module, bound, parts[1:])
            case Import():
                return self._imported(bound, parts, steps - 1)
            case _:
                alias = dotted_text(bound)
                return self._find(module, [*alias.split("."), *parts[1:]], {}, steps - 1) if alias else None

    def _imported(self, bound: Import, parts: list[str], steps: int) -> Definition | None:
        name, rest = bound.module, parts[1:]
        if bound.name is not None:
            rest = [bound.name, *rest]
        while rest:
            module = self.module(name)
            if module is not None and rest[0] in module.names:
                return self._find(module, rest, {}, steps)
            name, rest = f"{name}.{rest[0]}", rest[1:]
        return None

    def _read(self, name: str) -> Module | None:
        path = Path(*name.split("."))
        for folder in self.folders:
            for file in (folder / path / "__init__.py", (folder / path).with_suffix(".py")):
                if file.is_file():
                    return Module(name, file, folder, _parse(file))
        return None


def dotted_text(node: ast.AST | None) -> str:
    """`a.b.c` for such an expression; "" for every other."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attr):
            before = dotted_text(value)
            return f"{before}.{attr}" if before else ""
        case _:
            return ""


def _parse(file: Path) -> ast.Module:
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a foreign file's invalid escape is not our user's business
            return ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError) as err:
        line = f" in line {err.lineno}" if isinstance(err, SyntaxError) else ""
        raise UnreadableModule(f"{file} can't be read: {type(err).__name__}{line}") from err


def _at_top(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a module, also those inside of `if` and `try`."""
    for statement in body:
        yield statement
        match statement:
            case ast.If(body=inner, orelse=other):
                yield from _at_top([*inner, *other])
            case ast.Try():
                handlers = (line for handler in statement.handlers for line in handler.body)
                yield from _at_top([*statement.body, *handlers, *statement.orelse, *statement.finalbody])
            case ast.With(body=inner):
                yield from _at_top(inner)


def _member(module: Module, node: Node, rest: Sequence[str]) -> Definition | None:
    if not rest:
        return Definition(module, node)
    if len(rest) > 1 or not isinstance(node, ast.ClassDef):
        return None
    found = (item for item in node.body if isinstance(item, ast.FunctionDef) and item.name == rest[0])
    return next((Definition(module, item, node) for item in found), None)
