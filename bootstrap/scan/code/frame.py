"""Where the interpreter is: the module, the names in reach, and what the code stands in."""

from __future__ import annotations

import ast
import operator
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from bootstrap.scan.code.project import Module
from bootstrap.scan.code.values import (
    Atom,
    Call,
    Class,
    Const,
    Items,
    Scope,
    Site,
    Table,
    Text,
    Unknown,
    Value,
    union,
)

NOWHERE = ast.Call(ast.Name("…", ast.Load()), [], [])  # a call that the code doesn't have: Airflow makes it
LARGEST = 64  # elements of a list or a dict whose literals remember who passed them on


@dataclass(eq=False)
class Frame:
    """A run of a module's, a class's or a function's body."""

    module: Module
    scope: Scope
    top_level: bool = True
    owner: Class | None = None
    this: Value | None = None
    contexts: tuple[Mapping[str, Value], ...] = ()  # the default_args of the DAGs and task groups around
    returns: list[Value] = field(default_factory=list)
    module_names: set[str] = field(default_factory=set)  # as `global` says

    def site(self, line: int) -> Site:
        """A line of this module."""
        return Site(self.module.path, line)

    def bind(self, name: str, value: Value) -> None:
        """Give a name its value."""
        scope = self.module.scope if name in self.module_names else self.scope
        scope.names[name] = value

    @contextmanager
    def branch(self, into: list[dict[str, Value]]) -> Iterator[None]:
        """What is bound inside may be bound or not: the names are as before afterwards, and those of the branch go into the list."""
        before = dict(self.scope.names)
        yield
        into.append(self.scope.names)
        self.scope.names = before

    def merge(self, branches: list[dict[str, Value]]) -> None:
        """Every name is what one of the branches has made of it."""
        names: dict[str, Value] = {}
        for branch in branches:
            for name, value in branch.items():
                seen = names.get(name)
                names[name] = value if seen is None or seen is value else union(seen, value)
        self.scope.names = names


def passed_on(value: Value, site: Site, *, default: bool = False, depth: int = 3) -> Value:
    """The value as an argument of the call at `site`: literals remember the first call that passed them on."""
    atoms = tuple(_passed_on(atom, site, default, depth) for atom in value.atoms)
    return value if all(map(operator.is_, atoms, value.atoms)) else Value(atoms)


def _passed_on(atom: Atom, site: Site, default: bool, depth: int) -> Atom:  # noqa: FBT001
    if isinstance(atom, Const):
        return replace(atom, site=site, default=default) if atom.site is None and isinstance(atom.value, str) else atom
    if isinstance(atom, (Text, Unknown)):
        return replace(atom, site=site) if atom.site is None else atom
    if isinstance(atom, Items) and depth and len(atom.elements) <= LARGEST:
        elements = tuple(passed_on(each, site, default=default, depth=depth - 1) for each in atom.elements)
        return atom if all(map(operator.is_, elements, atom.elements)) else replace(atom, elements=elements)
    if isinstance(atom, Table) and depth and len(atom.entries) <= LARGEST:
        values = [passed_on(each, site, default=default, depth=depth - 1) for _, each in atom.entries]
        if not all(map(operator.is_, values, (each for _, each in atom.entries))):
            return replace(atom, entries=tuple(zip((key for key, _ in atom.entries), values, strict=True)))
    return atom


@dataclass(frozen=True)
class Arguments:
    """What a call gives. `site` is None for a call that the code doesn't have. `open`: there may be more."""

    node: ast.Call = NOWHERE
    site: Site | None = None
    positional: tuple[Value, ...] = ()
    keywords: Mapping[str, Value] = field(default_factory=dict)
    open: bool = False

    def after(self, positional: tuple[Value, ...], keywords: Mapping[str, Value]) -> Arguments:
        """These, behind those of a partial call."""
        return replace(self, positional=(*positional, *self.positional), keywords={**keywords, **self.keywords})

    def passed_on(self) -> tuple[list[Value], dict[str, Value]]:
        """They, as the function gets them."""
        if self.site is None:
            return list(self.positional), dict(self.keywords)
        site = self.site
        return [passed_on(value, site) for value in self.positional], {
            name: passed_on(value, site) for name, value in self.keywords.items()
        }

    def call(self, name: str, receiver: Call | None = None) -> Call:
        """The call of something that isn't the project's."""
        site = self.site or Site("", 0)
        return Call(name, site, self.positional, self.keywords, open=self.open, receiver=receiver, node=self.node)
