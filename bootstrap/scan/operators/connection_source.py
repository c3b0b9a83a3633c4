"""Which arguments of a class are connection ids, their defaults, and the conn_type of the hook that takes them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Protocol

from bootstrap.providers.python_source import dotted_text
from bootstrap.scan.operators.call_source import Calls
from bootstrap.scan.operators.class_source import UNKNOWN, Classes, ClassSource, Line
from bootstrap.scan.operators.hook_class import Hook
from bootstrap.scan.operators.init_source import Taken

# `gcp_conn_id`, `conn_id`, `jenkins_connection_id`, `kafka_config_id`
_CONN_ID = re.compile(r"(.*_)?(conn|connection)_id|kafka_config_id")
# Ids of the other system's own: Airbyte's connections, Huawei's of a data lake, Yandex's of a query
_SYSTEMS_OWN = {"airbyte": {"connection_id"}, "dli": {"connection_id"}, "yandex": {"yc_connection_id"}}
_DEEPEST = 4

Argument = tuple[str, str | None, str | None]  # name, default id, conn_type


class Hooks(Protocol):
    """What there is to know of hooks."""

    def known(self, name: str) -> Hook | None:
        """The hook of that dotted name, also one whose source isn't here."""

    def by_default(self, conn_id: str, home: str, argument: str = "") -> str | None:
        """The conn_type of the hook whose default that id is; `home` is the module that asks. With `argument`: that calls it so, too."""

    def by_name(self, argument: str, home: str) -> str | None:
        """The conn_type of the hook that calls its connection id so."""

    def only(self, home: str) -> str | None:
        """The one conn_type of that module's provider."""


def is_conn_id(name: str, home: str = "") -> bool:
    """Whether an argument of that name is a connection id of Airflow's; `home` is the dotted name of what takes it."""
    if any(f".{part}." in f".{home}." and name in own for part, own in _SYSTEMS_OWN.items()):
        return False
    return _CONN_ID.fullmatch(name) is not None


class Connections:
    """Finds the connection arguments of classes."""

    def __init__(self, classes: Classes, hooks: Hooks) -> None:
        self.classes = classes
        self.hooks = hooks
        self.calls = Calls(classes)

    def of(self, line: Line, takes: Taken) -> list[Argument]:
        """Those of a class, as a user sees them. A base's argument that the class fills in with a literal is one, too."""
        home = line.own.name
        own = self.hooks.known(home)
        names = [name for name in takes.names if is_conn_id(name, home)]
        if own is not None and own.conn_name in takes.names and own.conn_name not in names:
            names.append(own.conn_name)
        found = []
        for name in names:
            default = self._default(name, line, takes)
            found.append((name, default, self.conn_type(name, default, line)))
        for name, (member, node) in takes.fixed.items():
            value = self.classes.value(member.module, node, line) if is_conn_id(name, home) else UNKNOWN
            if isinstance(value, str) and value:
                found.append((name, value, self.conn_type(name, value, line)))
        return found

    def conn_type(self, name: str, default: str | None, line: Line, steps: int = _DEEPEST) -> str | None:
        """Of the hook that the class hands the argument to: above all, of one whose default is the argument's, as BigQuery's hook takes
        `google_cloud_default`, too. Else of the hook that has this default or calls its argument so.
        """
        home = line.own.name
        own = self.hooks.known(home)
        if own is not None and own.conn_name == name:
            near = (
                own.type_of(default)
                or (self.hooks.by_default(default, home, name) if default else None)
                or own.conn_type
            )
        else:
            near = self._of_handed(name, default, line, steps)
        by_default = self.hooks.by_default(default, home) if default and not near else None
        found = near or by_default or self.hooks.by_name(name, home) or (self.hooks.only(home) if default else None)
        return found or (own.conn_type if own is not None else None)

    def _of_handed(self, name: str, default: str | None, line: Line, steps: int) -> str | None:
        """That of a hook whose default is the argument's, else of the first."""
        first = None
        for handed in self.calls.with_argument(name, line):
            hook = self.hooks.known(handed.target)
            key = handed.key(hook.conn_name if hook else None)
            if hook is not None and key == hook.conn_name and (exact := hook.type_of(default)):
                return exact
            if hook is not None or (key is not None and is_conn_id(key)):
                first = first or self._of_one(handed.target, key, default, hook, steps)
        return first

    def _of_one(self, target: str, key: str | None, default: str | None, hook: Hook | None, steps: int) -> str | None:
        """What a hook, or a helper that hands it on, takes the argument for."""
        of = self.classes.get(target) if steps and key else None
        found = self.conn_type(key or "", default, self.classes.line(of), steps - 1) if of is not None else None
        return found or (hook.conn_type if hook is not None else None)

    def _default(self, name: str, line: Line, takes: Taken) -> str | None:
        """The id that is used where none is given: the signature's, else what the body or the hook takes for None."""
        if name not in takes.expressions:
            return None
        member, node = takes.expressions[name]
        value = self.classes.value(member.module, node, self.classes.line(member))
        if isinstance(value, str):
            return value if value and not _unused(name, line) else None
        if dotted_text(node).endswith("NOTSET"):
            return self._where_not_set(name, member)
        if value is not None:
            return None
        bodies = (self._for_none(name, each, line) for each in line.read)
        return next(filter(None, bodies), None) or next(self._hooks_for_none(name, line), None)

    def _where_not_set(self, name: str, member: ClassSource) -> str | None:
        """`aws_conn_id = "aws_default"` or `self._aws_conn_id = …`, in a method."""
        for function in member.functions.values():
            for node in ast.walk(function):
                match node:
                    case ast.Assign(targets=[ast.Name(id=target) | ast.Attribute(attr=target)], value=value) if (
                        target.lstrip("_") == name
                    ):
                        found = self.classes.value(member.module, value, self.classes.line(member))
                        if isinstance(found, str):
                            return found
        return None

    def _hooks_for_none(self, name: str, line: Line) -> Iterator[str]:
        for handed in self.calls.with_argument(name, line):
            hook = self.hooks.known(handed.target)
            key = handed.key(hook.conn_name if hook else None)
            of = self.classes.get(handed.target) if hook is not None and key is not None else None
            if of is not None:
                bases = self.classes.line(of)
                yield from filter(None, (self._for_none(key or "", member, bases) for member in bases.read))

    def _for_none(self, name: str, member: ClassSource, line: Line) -> str | None:
        """`self.conn_id = conn_id or "http_default"`, and `if conn_id is None: conn_id = …`. `line` is the class that `self` is of."""
        function = member.functions.get("__init__")
        for node in ast.walk(function) if function is not None else ():
            given: ast.expr | None = None
            match node:
                case ast.BoolOp(op=ast.Or(), values=[ast.Name(id=left), other]) if left == name:
                    given = other
                case ast.IfExp(test=ast.Name(id=left), orelse=other) if left == name:
                    given = other
                case ast.IfExp(
                    test=ast.Compare(left=ast.Name(id=left), ops=[ast.Is() | ast.IsNot() as test]),
                    body=body,
                    orelse=other,
                ) if left == name:
                    given = body if isinstance(test, ast.Is) else other
                case ast.If(
                    test=ast.Compare(left=ast.Name(id=left), ops=[ast.Is()], comparators=[ast.Constant(value=None)])
                    | ast.UnaryOp(op=ast.Not(), operand=ast.Name(id=left)),
                    body=[ast.Assign(targets=[ast.Name(id=target) | ast.Attribute(attr=target)], value=other)],
                ) if left == name == target:
                    given = other
            value = self.classes.value(member.module, given, line) if given is not None else None
            if isinstance(value, str) and value:
                return value
        return None


def _unused(name: str, line: Line) -> bool:
    """True if another class's `hook` takes the place of the one that uses the argument: Google's operators for Kubernetes don't need
    the default of their base.
    """
    hooks = [member.functions["hook"] for member in line.read if "hook" in member.functions]
    uses = [any(isinstance(node, ast.Attribute) and node.attr == name for node in ast.walk(hook)) for hook in hooks]
    return any(uses) and not uses[0]


def replaced(line: Line, names: list[str]) -> dict[str, str]:
    """Old names of connection arguments with the newer one that each is put into:
    `if google_cloud_storage_conn_id: gcp_conn_id = google_cloud_storage_conn_id`.
    """
    found = {}
    for member in line.read:
        init = member.functions.get("__init__")
        for condition in ast.walk(init) if init is not None else ():
            for node in ast.walk(condition) if isinstance(condition, ast.If) else ():
                match node:
                    case ast.Assign(targets=[ast.Name(id=new) | ast.Attribute(attr=new)], value=ast.Name(id=old)):
                        if old != new and old in names and new in names:
                            found[old] = new
    return found
