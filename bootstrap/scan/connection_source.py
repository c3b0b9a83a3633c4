"""Which arguments of a class are connection ids, their defaults, and the conn_type of the hook that takes them."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bootstrap.providers.python_source import Import, dotted_text
from bootstrap.scan.class_source import UNKNOWN, Classes, ClassSource, Line
from bootstrap.scan.init_source import CONN_NAME, Taken, taken

# `gcp_conn_id`, `conn_id`, `jenkins_connection_id`, `kafka_config_id`
_CONN_ID = re.compile(r"(.*_)?(conn|connection)_id|kafka_config_id|email_conn_id")
# Ids of the other system's own: Airbyte's connections, Yandex's, …
_NOT_AIRFLOW = {"yc_connection_id"}
_SYSTEMS_OWN = {"airbyte": {"connection_id"}, "fivetran": {"connector_id"}}
_DEEPEST = 4

Argument = tuple[str, str | None, str | None]  # name, default id, conn_type
Hooks = Callable[[str], "Hook | None"]


@dataclass(frozen=True)
class Hook:
    """A hook's class: what it says of its connections. `defaults` are the default ids and conn_types of it and its bases."""

    name: str
    conn_type: str | None = None
    conn_name: str | None = None
    default: str | None = None
    defaults: tuple[tuple[str, str | None], ...] = ()
    depth: int = 0

    def type_for(self, conn_id: str | None) -> str | None:
        """Of its bases and itself, the conn_type of the one whose default that id is: BigQueryHook takes `google_cloud_default`."""
        return next(
            (conn_type for default, conn_type in self.defaults if default == conn_id and conn_type), self.conn_type
        )


def is_conn_id(name: str, home: str = "") -> bool:
    """Whether an argument of that name is a connection id of Airflow's; `home` is the class's dotted name."""
    if name in _NOT_AIRFLOW or any(f".{part}." in home and name in own for part, own in _SYSTEMS_OWN.items()):
        return False
    return _CONN_ID.fullmatch(name) is not None


def hook(line: Line, classes: Classes) -> Hook:
    """What a hook's class attributes say."""

    def text(name: str) -> str | None:
        found = line.attribute(name)
        value = classes.value(found[0].module, found[1], line) if found else UNKNOWN
        return value if isinstance(value, str) and value else None

    defaults = []
    for member in line.read:
        if "default_conn_name" in member.attributes:
            bases = classes.line(member)
            pair = (bases.attribute("default_conn_name"), bases.attribute("conn_type"))
            values = [classes.value(it[0].module, it[1], bases) if it else None for it in pair]
            if isinstance(values[0], str):
                defaults.append((values[0], values[1] if isinstance(values[1], str) else None))
    return Hook(
        line.own.name, text("conn_type"), text(CONN_NAME), text("default_conn_name"), tuple(defaults), len(line.members)
    )


class Connections:
    """Finds the connection arguments of classes; `known` says of a dotted name what hook that is, also one without source here."""

    def __init__(self, classes: Classes, known: Hooks) -> None:
        self.classes = classes
        self.known = known

    def of(self, line: Line, takes: Taken) -> list[Argument]:
        """Those of a class, as a user sees them. A base's argument that the class fills in with a literal is one, too."""
        names = [name for name in takes.names if is_conn_id(name, line.own.name)]
        conn_name = self.known(line.own.name)
        if conn_name is not None and conn_name.conn_name in takes.names and conn_name.conn_name not in names:
            names.append(conn_name.conn_name)
        found = []
        for name in names:
            default = self._default(name, takes)
            found.append((name, default, self.conn_type(name, default, line)))
        for name, (member, node) in takes.fixed.items():
            value = self.classes.value(member.module, node, line) if is_conn_id(name, line.own.name) else UNKNOWN
            if isinstance(value, str) and value:
                found.append((name, value, self.conn_type(name, value, line)))
        return found

    def conn_type(self, name: str, default: str | None, line: Line, steps: int = _DEEPEST) -> str | None:
        """Of the hook that the class hands the argument to; None where the code doesn't say."""
        own = self.known(line.own.name)
        if own is not None and own.conn_name == name:
            return own.type_for(default)
        handed = {name}
        for member in line.read:
            init = member.functions.get("__init__")
            if init is not None:
                handed |= _renamed(init, handed)
            for target, arguments in self._calls(member, handed):
                found = self._of_target(target, arguments, default, steps)
                if found:
                    return found
        return self._declared(name, default, line)

    def _of_target(self, target: str, arguments: frozenset[str], default: str | None, steps: int) -> str | None:
        """The conn_type that a call of a hook or of a helper takes these of its arguments for."""
        found = self.known(target)
        if found is not None:
            return found.type_for(default)
        of = self.classes.get(target) if steps else None
        if of is None:
            return None
        line = self.classes.line(of)
        takes = taken(line, self.classes)
        for name in sorted(arguments):
            if name in takes.names and is_conn_id(name):
                return self.conn_type(name, default, line, steps - 1)
        return None

    def _declared(self, name: str, default: str | None, line: Line) -> str | None:
        """What a class attribute names as its hook: AWS's `aws_hook_class = S3Hook`."""
        for attribute in ("aws_hook_class", "hook_class", "_hook_class"):
            found = line.attribute(attribute)
            if found is not None and name.removesuffix("_conn_id") in {"aws", "conn_id"}:
                known = self.known(self.classes.meant(found[0].module, dotted_text(found[1])))
                if known is not None:
                    return known.type_for(default)
        return None

    def _calls(self, member: ClassSource, handed: set[str]) -> Iterator[tuple[str, frozenset[str]]]:
        """Calls of classes that get one of these names, `x` or `self.x`; with the keywords that they get them as."""
        for function in sorted(
            member.functions.values(), key=lambda item: item.name not in {"hook", "get_hook", "_hook"}
        ):
            local = member.module.imports(function)
            for node in ast.walk(function):
                if isinstance(node, ast.Call):
                    keywords = frozenset(
                        item.arg for item in node.keywords if item.arg and _mentions(item.value, handed)
                    )
                    if keywords or any(_mentions(argument, handed) for argument in node.args):
                        yield from self._target(member, node, local, keywords)

    def _target(
        self, member: ClassSource, node: ast.Call, local: dict[str, Import], keywords: frozenset[str]
    ) -> Iterator[tuple[str, frozenset[str]]]:
        dotted = dotted_text(node.func)
        if dotted and not dotted.startswith(("self.", "super", "cls.")):
            yield self.classes.meant(member.module, dotted, local), keywords

    def _default(self, name: str, takes: Taken) -> str | None:
        """The id that is used where none is given."""
        if name not in takes.expressions:
            return None
        member, node = takes.expressions[name]
        value = self.classes.value(member.module, node, self.classes.line(member))
        if isinstance(value, str):
            return value or None
        function = member.functions.get("__init__")
        return self._fallback(name, member, function) if function is not None else None

    def _fallback(self, name: str, member: ClassSource, function: ast.AST) -> str | None:
        """`self.conn_id = conn_id or "http_default"`, and `if conn_id is None: conn_id = …`."""
        for node in ast.walk(function):
            given: ast.expr | None = None
            match node:
                case ast.BoolOp(op=ast.Or(), values=[ast.Name(id=left), other]) if left == name:
                    given = other
                case ast.If(
                    test=ast.Compare(left=ast.Name(id=left), ops=[ast.Is()], comparators=[ast.Constant(value=None)])
                    | ast.UnaryOp(op=ast.Not(), operand=ast.Name(id=left)),
                    body=[ast.Assign(targets=[ast.Name(id=target) | ast.Attribute(attr=target)], value=other)],
                ) if left == name == target:
                    given = other
            value = self.classes.value(member.module, given, self.classes.line(member)) if given is not None else None
            if isinstance(value, str) and value:
                return value
        return None


def replaced(line: Line, names: list[str]) -> dict[str, str]:
    """Old names of connection arguments with the newer one that each is put into: `gcp_conn_id = google_cloud_storage_conn_id`."""
    found = {}
    for member in line.read:
        init = member.functions.get("__init__")
        for node in ast.walk(init) if init is not None else ():
            match node:
                case ast.Assign(targets=[ast.Name(id=new) | ast.Attribute(attr=new)], value=ast.Name(id=old)):
                    if old != new and old in names and new in names:
                        found[old] = new
    return found


def _mentions(node: ast.expr, names: set[str]) -> bool:
    """`x`, `self.x`, and either in a conditional expression; not where it is an argument of another call."""
    match node:
        case ast.Name(id=name) | ast.Attribute(value=ast.Name(id="self"), attr=name):
            return name in names or name.lstrip("_") in names
        case ast.BoolOp(values=values):
            return any(_mentions(value, names) for value in values)
        case ast.IfExp(body=body, orelse=other):
            return _mentions(body, names) or _mentions(other, names)
    return False


def _renamed(function: ast.AST, names: set[str]) -> set[str]:
    """What a base gets them as: `super().__init__(conn_id=postgres_conn_id)`, and attributes that are set to them."""
    found = set()
    for node in ast.walk(function):
        match node:
            case ast.Call(func=ast.Attribute(attr="__init__"), keywords=keywords):
                found |= {item.arg for item in keywords if item.arg and _mentions(item.value, names)}
            case ast.Assign(targets=[ast.Attribute(value=ast.Name(id="self"), attr=attribute)], value=value):
                if _mentions(value, names):
                    found.add(attribute)
    return found
