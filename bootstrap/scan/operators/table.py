"""What Airflow's operators, sensors, hooks, triggers and notifiers take: above all, which of their arguments are connection ids.

The table ships with the tool (`templates/operators.json`, made by `make schema` of all of Airflow's own providers). Of an installed
distribution whose version is another than the table's, or that the table lacks, the source is read instead, once.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bootstrap.util import distributions
from bootstrap.util.templates import folder_of

if TYPE_CHECKING:
    from bootstrap.scan.operators.hook_class import Hook

NAME = "operators.json"
AIRFLOW = "apache-airflow"
Kind = Literal["operator", "sensor", "hook", "trigger", "notifier", "other"]
Scalar = str | int | float | bool | None


@dataclass(frozen=True)
class ConnArgument:
    """An argument that is a connection id. `default` is what is used without it; None where none is needed then.

    `conn_type` is that of the hook that it is for. `replaced_by` is the newer argument that an old name is put into.
    """

    name: str
    default: str | None
    conn_type: str | None
    replaced_by: str | None = None


@dataclass(frozen=True)
class Operator:
    """A class that takes a connection, or is an operator, sensor, hook, trigger or notifier; or a function that takes a connection.

    `name` is dotted, where it is defined. `positional` are the parameters that may be given without a name, `parameters` all
    that it takes, with those of its bases; `defaults` has those that are numbers, true or false, and `mode`.
    """

    name: str
    kind: Kind
    package: str
    connections: tuple[ConnArgument, ...]
    positional: tuple[str, ...]
    parameters: frozenset[str]
    defaults: Mapping[str, Scalar]
    installed: bool


class Operators:
    """The tables, the one that counts first."""

    def __init__(self, *tables: Mapping[str, Any]) -> None:
        self._tables = tables
        self._made: dict[str, Operator | None] = {}

    def find(self, dotted: str) -> Operator | None:
        """The class or function that a dotted name means: as it is defined, re-exported, moved or renamed."""
        if dotted not in self._made:
            self._made[dotted] = self._find(dotted)
        return self._made[dotted]

    def decorator(self, name: str) -> Operator | None:
        """The operator behind `@task.NAME`."""
        return self._listed("decorators", name)

    def hook_of(self, conn_type: str) -> Operator | None:
        """The hook that takes connections of this type."""
        return self._listed("hooks", conn_type)

    def package_of(self, conn_type: str) -> str | None:
        """The distribution that brings the type, installed or not."""
        from bootstrap.providers.installed import package_for

        return package_for(conn_type)

    def all(self) -> Iterator[Operator]:
        """Every one of them."""
        for name in dict.fromkeys(name for table in self._tables for name in _names(table)):
            found = self.find(name)
            if found is not None:
                yield found

    def _find(self, dotted: str) -> Operator | None:
        seen = {dotted}
        while True:
            for table in self._tables:
                row = _row(table, dotted)
                if row is not None:
                    return self._operator(dotted, row, table["homes"])
            target = next((table["aliases"][dotted] for table in self._tables if dotted in table["aliases"]), None)
            if target is None:
                target = self._titles.get(dotted.rpartition(".")[2]) if dotted.startswith("airflow.") else None
            if target is None or target in seen:
                return None
            dotted = target
            seen.add(dotted)

    @cached_property
    def _titles(self) -> Mapping[str, str]:
        """What each last part leads to that just one class has, or just one had; in the first table that knows it."""
        found: dict[str, str | None] = {}
        for table in reversed(self._tables):
            found |= _unique(table["aliases"].items())
        for table in reversed(self._tables):
            found |= _unique((name, name) for name in _names(table))
        return {title: name for title, name in found.items() if name is not None}

    def _listed(self, of: str, name: str) -> Operator | None:
        target = next((table[of][name] for table in self._tables if name in table[of]), None)
        return self.find(target) if target is not None else None

    def _operator(self, name: str, row: list[Any], homes: Mapping[str, str]) -> Operator:
        kind, core, positional, parameters, connections = row
        pairs = [parameter.partition("=") for parameter in parameters.split()]
        names = tuple(pair[0] for pair in pairs)
        above = self._listed("core", core) if core else None
        defaults = dict(above.defaults) if above else {}
        for parameter, equals, value in pairs:
            if value:
                defaults[parameter] = json.loads(value)
            elif equals:  # the base's doesn't hold, and this one is none that is kept
                defaults.pop(parameter, None)
        package = package_of_name(name, homes)
        older: list[Any] = next((each["earlier"][name] for each in self._tables if name in each.get("earlier", {})), [])
        return Operator(
            name,
            kind,
            package,
            tuple(ConnArgument(*argument) for argument in (*connections, *older)),
            names[:positional],
            frozenset(names) | (above.parameters if above else frozenset()),
            defaults,
            _installed(package),
        )


def operators(cache_folder: Path | None = None) -> Operators:
    """What there is here: installed distributions as they are, the rest as shipped. `cache_folder` keeps what was read of them."""
    from bootstrap.scan.operators.installed import table

    read = table(shipped(), shipped_hook, cache_folder)
    return Operators(read, shipped()) if read is not None else Operators(shipped())


@cache
def shipped() -> Mapping[str, Any]:
    """The table that ships with the tool."""
    loaded: dict[str, Any] = json.loads((folder_of(NAME) / NAME).read_bytes())
    return loaded


def shipped_hook(name: str) -> Hook | None:
    """What the shipped table says of a hook whose source isn't here."""
    from bootstrap.scan.operators.hook_class import Hook

    found = Operators(shipped()).find(name)
    if found is None or found.kind != "hook" or not found.connections:
        return None
    first = found.connections[0]
    conn_type = next((key for key, hook in shipped()["hooks"].items() if hook == found.name), first.conn_type)
    return Hook(found.name, conn_type, first.name, first.default, ((first.default or "", first.conn_type),))


def _row(table: Mapping[str, Any], dotted: str) -> list[Any] | None:
    module, _, title = dotted.rpartition(".")
    row: list[Any] | None = table["classes"].get(module, {}).get(title)
    return row


def _names(table: Mapping[str, Any]) -> Iterator[str]:
    return (f"{module}.{title}" for module, rows in table["classes"].items() for title in rows)


def _unique(names: Iterable[tuple[str, str]]) -> dict[str, str | None]:
    """What each last part of these names leads to; None where that isn't one thing."""
    found: dict[str, str | None] = {}
    for name, target in names:
        title = name.rpartition(".")[2]
        found[title] = target if found.get(title, target) == target else None
    return found


def package_of_name(name: str, homes: Mapping[str, str]) -> str:
    """The distribution whose Python package is the longest that the name begins with."""
    parts = name.split(".")
    candidates = (".".join(parts[:end]) for end in range(len(parts) - 1, 0, -1))
    return next((homes[candidate] for candidate in candidates if candidate in homes), AIRFLOW)


@cache
def _installed(package: str) -> bool:
    names = (package, "apache-airflow-core") if package == AIRFLOW else (package,)
    return any(distributions.version(name) is not None for name in names)
