"""What instantiated operators and what they hold need: hooks, notifiers and triggers among it. The table says which arguments are ids."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from bootstrap.scan import strings
from bootstrap.scan.model import ConnectionUse
from bootstrap.scan.operators.table import ConnArgument, Operator, Operators
from bootstrap.scan.run.job import Need

_ID = re.compile(r"conn(?:ection)?_id$")
_DEPTH = 3  # of lists and dicts in an attribute
_MOST = 2_000  # elements of one attribute
_CALLBACKS = re.compile(r"^(?:on_\w+_callback|sla_miss_callback)$")
Frames = tuple[tuple[str, int], ...]


class Held:
    """Reads objects, with the table of operators."""

    def __init__(self, operators: Operators) -> None:
        self._operators = operators

    def of_task(self, task: Any, frames: Frames) -> Iterator[Need]:
        """What a task needs, mapped or not; `frames` are the lines that made it."""
        if hasattr(task, "partial_kwargs"):
            yield from self._of_mapped(task, frames)
            return
        yield from self._of_object(task, frames)
        for name, value in _attributes(task):
            for item in _leaves(value):
                if not isinstance(item, str):
                    yield from self._of_held(item, frames)
            for key, item in _entries(value):
                if _ID.search(key) and isinstance(item, str):
                    yield Need("connection", item, f"{type(task).__name__}.{name}", frames)
        for name in getattr(task, "template_fields", ()):
            yield from _templates(_get(task, name), frames, f"{type(task).__name__}.{name}")

    def of_dag(self, dag: Any, frames: Frames) -> Iterator[Need]:
        """What its callbacks hold."""
        for name, value in _attributes(dag):
            if _CALLBACKS.match(name):
                for item in _leaves(value):
                    yield from self._of_held(item, frames)

    def _of_held(self, item: Any, frames: Frames) -> Iterator[Need]:
        """A hook, a notifier, a trigger: what the table knows; another operator speaks for itself."""
        known = self._known(type(item))
        if known is not None and known.kind in ("hook", "notifier", "trigger"):
            yield from self._of_object(item, frames)

    def _of_object(self, thing: Any, frames: Frames) -> Iterator[Need]:
        known = self._known(type(thing))
        own = known is None or known.name != _dotted(type(thing))  # the project's, or of a package that the table lacks
        for argument in known.connections if known is not None else ():
            value = _get(thing, argument.name) or _get(thing, f"_{argument.name}")
            if isinstance(value, str) and known is not None:
                yield self._need(value, known, argument, frames)
        if known is not None and known.kind == "hook" and known.connections:
            value = _get(thing, str(_get(thing, "conn_name_attr")))
            if isinstance(value, str):
                yield self._need(value, known, known.connections[0], frames)
        for name, value in _attributes(thing):
            if own and _ID.search(name) and isinstance(value, str) and not (known and name in known.parameters):
                yield Need("connection", value, f"{type(thing).__name__}.{name.lstrip('_')}", frames)

    def _of_mapped(self, task: Any, frames: Frames) -> Iterator[Need]:
        """`partial()` and `expand()` of an operator: there is no object of it yet."""
        kind = task.operator_class
        given: dict[str, list[Any]] = {name: [value] for name, value in task.partial_kwargs.items()}
        expanded = getattr(getattr(task, "expand_input", None), "value", None)
        for entries in expanded if isinstance(expanded, (list, tuple)) else [expanded]:
            for name, value in entries.items() if isinstance(entries, Mapping) else ():
                several = not isinstance(expanded, (list, tuple)) and isinstance(value, (list, tuple))
                given.setdefault(name, []).extend(value if several else [value])
        known = self._known(kind) if isinstance(kind, type) else None
        arguments = {argument.name: argument for argument in known.connections} if known is not None else {}
        title = kind.__name__ if isinstance(kind, type) else str(kind)
        for name, values in given.items():
            for value in values:
                yield from _templates(value, frames, f"{title}.{name}")
                if isinstance(value, str) and name in arguments and known is not None:
                    yield self._need(value, known, arguments[name], frames)
                elif isinstance(value, str) and _ID.search(name):
                    yield Need("connection", value, f"{title}.{name}", frames)

    def _known(self, kind: type) -> Operator | None:
        """The nearest class that the table has."""
        found = (self._operators.find(_dotted(each)) for each in kind.__mro__)
        return next((each for each in found if each is not None and (each.connections or each.kind == "hook")), None)

    def _need(self, conn_id: str, known: Operator, argument: ConnArgument, frames: Frames) -> Need:
        conn_type = argument.conn_type
        package = (self._operators.package_of(conn_type) if conn_type is not None else None) or known.package
        return Need(
            "connection", conn_id, f"{known.name.rpartition('.')[2]}.{argument.name}", frames, conn_type, package
        )


def _dotted(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _get(thing: Any, name: str) -> Any:
    """An attribute; a property of theirs may fail in any way."""
    with contextlib.suppress(Exception):
        return getattr(thing, name, None)
    return None


def _attributes(thing: Any) -> list[tuple[str, Any]]:
    """What the object has; without Airflow's copy of what it was made with."""
    found = getattr(thing, "__dict__", {})
    return [(name, value) for name, value in found.items() if not name.startswith("_BaseOperator__")]


def _leaves(value: Any, depth: int = _DEPTH) -> Iterator[Any]:
    """What a value holds, through lists and dicts."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (list, tuple, set, frozenset)):
        for item in list(value)[:_MOST] if depth else ():
            yield from _leaves(item, depth - 1)
    else:
        yield value


def _entries(value: Any, depth: int = _DEPTH) -> Iterator[tuple[str, Any]]:
    """The keys and values of the dicts in it, `op_kwargs` for one."""
    below: Iterable[Any] = value if isinstance(value, (list, tuple)) else ()
    if isinstance(value, Mapping):
        yield from ((key, item) for key, item in value.items() if isinstance(key, str))
        below = value.values()
    for item in list(below)[:_MOST] if depth else ():
        yield from _entries(item, depth - 1)


def _templates(value: Any, frames: Frames, by: str) -> Iterator[Need]:
    for text in _leaves(value):
        if isinstance(text, str) and "{" in text:
            for found in strings.in_text(text, "", environment=False):
                if isinstance(found, ConnectionUse):
                    yield Need("template", found.conn_id, by, frames)
                else:
                    yield Need("variable", found.key, by, frames)
