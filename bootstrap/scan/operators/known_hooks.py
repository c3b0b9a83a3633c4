"""The hooks that were read, and what kind of class a class is."""

from __future__ import annotations

from collections.abc import Callable

from bootstrap.scan.operators.class_source import Classes, ClassSource, Line
from bootstrap.scan.operators.hook_class import Hook, hook
from bootstrap.scan.operators.provider_homes import Home

KINDS = {  # the base of Airflow's own that says it; DbApiHook's own base has another name in some versions
    "BaseSensorOperator": "sensor",
    "BaseOperator": "operator",
    "BaseHook": "hook",
    "DbApiHook": "hook",
    "BaseTrigger": "trigger",
    "BaseNotifier": "notifier",
}
_BY_NAME = {"Sensor": "sensor", "Operator": "operator", "Hook": "hook", "Trigger": "trigger", "Notifier": "notifier"}
DECORATED = {"DecoratedOperator", "TaskDecorator"}

Shipped = Callable[[str], Hook | None]


def kind_of(line: Line) -> str:
    """By the base of Airflow's own."""
    if line.own.title in DECORATED:
        return "other"
    found = next((kind for base, kind in KINDS.items() if base in line.titles), None)
    return found or next(filter(None, map(_kind_by_name, line.members)), "other")


def _kind_by_name(member: ClassSource | str) -> str | None:
    """Of a class of Airflow's whose source isn't here."""
    name = member if isinstance(member, str) and member.startswith("airflow.") else ""
    return next((kind for end, kind in _BY_NAME.items() if name.endswith(end)), None)


class KnownHooks:
    """Hooks by their names, by their default ids, and by what they call their argument."""

    def __init__(self, classes: Classes, shipped: Shipped) -> None:
        self.classes = classes
        self.shipped = shipped
        self._hooks: dict[str, Hook | None] = {}
        self._by_default: dict[str, list[tuple[str, Hook]]] = {}
        self._by_name: dict[str, list[tuple[str, Hook]]] = {}

    def add(self, home: Home, line: Line) -> None:
        """A class that was read; `by_default` and `by_name` look among these."""
        found = self.known(line.own.name)
        if found is not None and found.conn_type:
            self._by_default.setdefault(found.default or "", []).append((home.module, found))
            self._by_name.setdefault(found.conn_name or "", []).append((home.module, found))

    def known(self, name: str) -> Hook | None:
        """The hook of that dotted name, also one whose source isn't here."""
        if name not in self._hooks:
            of = self.classes.get(name)
            line = self.classes.line(of) if of is not None else None
            if line is None:
                self._hooks[name] = self.shipped(name)
            else:
                self._hooks[name] = hook(line, self.classes) if kind_of(line) == "hook" else None
        return self._hooks[name]

    def by_default(self, conn_id: str, home: str, argument: str = "") -> str | None:
        """The conn_type of the hook whose default that id is, and that calls its argument so, if that is asked for.

        `home` is the module that asks: its own provider's hooks come first.
        """
        found = [row for row in self._by_default.get(conn_id, []) if argument in {"", row[1].conn_name}]
        return _nearest(found, home, conn_id.removesuffix("_default"))

    def by_name(self, argument: str, home: str) -> str | None:
        """The conn_type of the hook that calls its connection id so."""
        found = self._by_name.get(argument, [])
        if argument == "conn_id":  # many call it so: it says something within a provider alone
            found = [(module, hook) for module, hook in found if home.startswith(f"{module}.")]
        shorter = argument.partition("_")[2]
        if not found and shorter.endswith("_conn_id"):  # dest_aws_conn_id
            return self.by_name(shorter, home)
        return _nearest(found, home, argument.removesuffix("_conn_id"))

    def only(self, home: str) -> str | None:
        """The conn_type of the provider that a module belongs to, where it has just one: Druid's ingestion hook doesn't name it."""
        rows = (row for rows in self._by_default.values() for row in rows)
        found = {hook.conn_type for module, hook in rows if home.startswith(f"{module}.")}
        return next(iter(found)) if len(found) == 1 else None


def _nearest(found: list[tuple[str, Hook]], home: str, title: str) -> str | None:
    """Of the same provider, of this very title, the one with the fewest bases; None where two types are as near."""
    ranks: dict[tuple[bool, bool, int], set[str | None]] = {}
    for module, known in found:
        rank = (not home.startswith(f"{module}."), known.conn_type != title, known.depth)
        ranks.setdefault(rank, set()).add(known.conn_type)
    nearest = ranks[min(ranks)] if ranks else set()
    return next(iter(nearest)) if len(nearest) == 1 else None
