"""The operators, sensors, hooks, triggers and notifiers of Airflow and its providers, read from their source.

A provider is read by `ast` and never imported (Google's alone would take seconds, and needs Airflow).
"""

from __future__ import annotations

import ast
import gc
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bootstrap.providers.metadata import literal
from bootstrap.providers.python_source import Import, Module, Sources, UnreadableModule, dotted_text
from bootstrap.scan.operators.class_source import UNKNOWN, Classes, ClassSource, Line
from bootstrap.scan.operators.connection_source import Argument, Connections, is_conn_id, replaced
from bootstrap.scan.operators.init_source import Taken, taken
from bootstrap.scan.operators.known_hooks import DECORATED, KINDS, KnownHooks, Shipped, kind_of
from bootstrap.scan.operators.provider_homes import AIRFLOW, Home

OFTEN_CHANGED = {"poke_interval", "mode", "retries", "do_xcom_push"}
# Where Airflow itself keeps such classes; the rest of it is no DAG author's business.
_CORE = ("sdk/bases", "sdk/io", "hooks", "operators", "sensors", "notifications", "models", "io", "triggers", "contrib")
_CORE_MODELS = {"baseoperator", "__init__"}
_NO_CODE = {"example_dags", "tests", "migrations", "node_modules", "__pycache__"}


@dataclass
class Found:
    """All that was read, as JSON data.

    A row of `classes` is [kind, base of Airflow's own, number of positional parameters, "name name=default …",
    [[argument, default id, conn_type, the newer argument], …]].
    """

    versions: dict[str, str] = field(default_factory=dict)
    homes: dict[str, str] = field(default_factory=dict)
    classes: dict[str, list[Any]] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    decorators: dict[str, str] = field(default_factory=dict)
    hooks: dict[str, str] = field(default_factory=dict)
    # classes that inherit from a provider's that is in none of the folders
    incomplete: set[str] = field(default_factory=set)


def read(homes: Sequence[Home], around: Sequence[Path], shipped: Shipped = lambda _: None) -> Found:
    """What these distributions have. `around` are further folders with what they inherit from; `shipped` says what hook a name is
    whose source is in none of the folders.
    """
    folders = list(dict.fromkeys([*(home.folder for home in homes), *around]))
    enabled = gc.isenabled()
    gc.disable()  # syntax trees are many small objects that all stay: looking through them again and again doubles the time
    try:
        tops = frozenset({"airflow", *(home.module.partition(".")[0] for home in homes)})
        return _Reader(Classes(Sources(folders), tops), shipped).read(homes)
    finally:
        if enabled:
            gc.enable()


class _Reader:
    def __init__(self, classes: Classes, shipped: Shipped) -> None:
        self.classes = classes
        self.found = Found()
        self.hooks = KnownHooks(classes, shipped)
        self.connections = Connections(classes, self.hooks)

    def read(self, homes: Sequence[Home]) -> Found:
        found = self.found
        modules = [(home, module) for home in homes for module in self._modules(home)]
        for home in homes:
            found.versions[home.package] = home.version
            found.homes[home.module] = home.package
        lines = [(home, line) for home, module in modules for line in self._lines(module)]
        for home, line in lines:
            self.hooks.add(home, line)
        for _, line in lines:
            self._add(line)
        for _, module in modules:
            found.classes |= dict(self._functions(module))
            self._provider_info(module)
        for _, module in modules:
            found.aliases |= dict(self._aliases(module))
        return found

    def _modules(self, home: Home) -> Iterator[Module]:
        for file in _files(home):
            parts = file.relative_to(home.folder).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            try:
                module = self.classes.sources.module(name)
            except UnreadableModule:
                continue
            if module is not None and module.file == file:
                yield module

    def _lines(self, module: Module) -> Iterator[Line]:
        for name in module.classes:
            of = self.classes.get(f"{module.name}.{name}")
            if of is not None and not name.startswith("_"):
                yield self.classes.line(of)

    def _add(self, line: Line) -> None:
        kind, takes = kind_of(line), taken(line, self.classes)
        arguments = self.connections.of(line, takes)
        if kind == "other" and not arguments:
            return
        connections = _with_newer(arguments, replaced(line, [name for name, _, _ in arguments]))
        names = [*takes.positional, *(name for name in takes.names if name not in takes.positional)]
        parameters = " ".join(name + self._default(name, takes) for name in names)
        if any(isinstance(member, str) and member.startswith("airflow.providers.") for member in line.members):
            self.found.incomplete.add(line.own.name)
        self.found.classes[line.own.name] = [kind, takes.core, len(takes.positional), parameters, connections]

    def _default(self, name: str, takes: Taken) -> str:
        """`=true`, `=5` and the like; "" where the default isn't of these kinds, and `=` where it only hides that of Airflow's base."""
        if name not in takes.expressions:
            return ""
        of, node = takes.expressions[name]
        value = self.classes.value(of.module, node, self.classes.line(of))
        if isinstance(value, bool | int | float) or (name == "mode" and isinstance(value, str)):
            return "=" + json.dumps(value)
        return "=" if takes.core and name in OFTEN_CHANGED else ""

    def _functions(self, module: Module) -> Iterator[tuple[str, list[Any]]]:
        """Functions that take a connection id."""
        for name, node in module.names.items():
            if not isinstance(node, ast.FunctionDef) or name.startswith("_"):
                continue
            plain = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args)]
            names = [*plain, *(argument.arg for argument in node.args.kwonlyargs)]
            conn_ids = [argument for argument in names if is_conn_id(argument, module.name)]
            if conn_ids:
                defaults = _defaults(node.args)
                ids = ((argument, self._text(module, defaults.get(argument))) for argument in conn_ids)
                rows = [[argument, default, self._of_hook(argument, default, module.name)] for argument, default in ids]
                yield f"{module.name}.{name}", ["other", "", len(plain), " ".join(names), rows]

    def _of_hook(self, argument: str, default: str | None, home: str) -> str | None:
        return (self.hooks.by_default(default, home) if default else None) or self.hooks.by_name(argument, home)

    def _text(self, module: Module, node: ast.expr | None) -> str | None:
        value = self.classes.value(module, node) if node is not None else UNKNOWN
        return value if isinstance(value, str) and value else None

    def _provider_info(self, module: Module) -> None:
        if not module.name.endswith(".get_provider_info"):
            return
        for row in _rows(module, "task-decorators"):
            operator = self._decorated(str(row.get("class-name")))
            if operator:
                self.found.decorators[str(row.get("name"))] = operator
        for row in _rows(module, "connection-types"):
            self.found.hooks[str(row.get("connection-type"))] = str(row.get("hook-class-name"))

    def _decorated(self, function: str) -> str | None:
        """The operator of a task decorator: the public base of its `decorated_operator_class`, which itself is private; else itself."""
        place, _, name = function.rpartition(".")
        module = self.classes.module(place)
        node = module.names.get(name) if module else None
        for call in ast.walk(node) if isinstance(node, ast.FunctionDef) else ():
            for item in call.keywords if isinstance(call, ast.Call) else ():
                if module and item.arg == "decorated_operator_class":
                    of = self.classes.get(self.classes.meant(module, dotted_text(item.value)))
                    return self._operator_of(of) if of is not None else None
        return None

    def _operator_of(self, of: ClassSource) -> str:
        line = self.classes.line(of)
        title, name = next((member.title, member.name) for member in _public(line))
        if title not in KINDS:
            return name
        self._add(line)
        return of.name

    def _aliases(self, module: Module) -> Iterator[tuple[str, str]]:
        """Other names of the classes: what a module imports, sets equal, or lists as moved."""
        for name, bound in module.names.items():
            if isinstance(bound, Import) or (isinstance(bound, ast.expr) and dotted_text(bound)):
                meant = self.classes.meant(module, name)
                if meant in self.found.classes:
                    yield f"{module.name}.{name}", meant
        moved = module.names.get("__deprecated_classes")
        if isinstance(moved, ast.Dict):
            for below, names in ast.literal_eval(moved).items():
                for name, target in names.items():
                    yield f"{module.name}.{below}.{name}", target


def _with_newer(arguments: Sequence[Argument], newer: Mapping[str, str]) -> list[list[str | None]]:
    """With the newer argument that an old one is put into; it is for the same hook."""
    types = {name: conn_type for name, _, conn_type in arguments}
    return [
        [name, default, types[newer[name]] or conn_type, newer[name]] if name in newer else [name, default, conn_type]
        for name, default, conn_type in arguments
    ]


def _public(line: Line) -> Iterator[ClassSource]:
    for member in line.read:
        if not member.title.startswith("_") and member.title not in DECORATED:
            yield member


def _files(home: Home) -> Iterator[Path]:
    top = home.folder.joinpath(*home.module.split("."))
    folders = [top.joinpath(part) for part in _CORE] if home.package == AIRFLOW else [top]
    for folder in folders:
        for file in sorted(folder.rglob("*.py")) if folder.is_dir() else ():
            if folder.name == "models" and home.package == AIRFLOW and file.stem not in _CORE_MODELS:
                continue
            if not _NO_CODE & set(file.relative_to(home.folder).parts):
                yield file


def _rows(module: Module, name: str) -> list[Mapping[str, Any]]:
    try:
        rows = literal(module.tree, name)
    except ValueError:
        return []
    return [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []


def _defaults(arguments: ast.arguments) -> dict[str, ast.expr]:
    plain = [*arguments.posonlyargs, *arguments.args]
    pairs = zip(plain[len(plain) - len(arguments.defaults) :], arguments.defaults, strict=True)
    named = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    return {argument.arg: default for argument, default in (*pairs, *named) if default is not None}
