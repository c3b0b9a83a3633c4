"""What a class takes when it is made, over all that it inherits from: `**kwargs` goes on to the next `__init__`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from bootstrap.scan.operators.class_source import UNKNOWN, Classes, ClassSource, Line
from bootstrap.scan.operators.hook_class import CONN_NAME

CORE = ("BaseSensorOperator", "BaseOperator")  # where a chain of operators ends; their own row has what they take


@dataclass
class Taken:
    """The parameters of a class by name; `positional` are those that may be given without it, in their order.

    `expressions` are the defaults, each with the class that it stands in. `fixed` are a base's parameters that a class fills in for its
    user, with what. `core` is the operator's base of Airflow's own at which it ends, "" for none.
    """

    positional: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    expressions: dict[str, tuple[ClassSource, ast.expr]] = field(default_factory=dict)
    fixed: dict[str, tuple[ClassSource, ast.expr]] = field(default_factory=dict)
    core: str = ""

    def add(self, name: str, default: ast.expr | None, of: ClassSource) -> None:
        """A parameter; the first class that has it counts."""
        if name in self.names or name in self.fixed or name.startswith("_"):
            return
        self.names.append(name)
        if default is not None:
            self.expressions[name] = (of, default)


def taken(line: Line, classes: Classes) -> Taken:
    """What `__init__` takes."""
    found = Taken()
    positional = True  # whether what is given without a name gets as far as this class
    for member in line.members:
        title = (member if isinstance(member, str) else member.node.name).rpartition(".")[2]
        if member is not line.members[0] and (core := _core(member, title)):
            found.core = core
            break
        if title == "DbApiHook":
            _db_api(line, classes, found, positional=positional)
        if isinstance(member, str) or "__init__" not in member.functions:
            continue
        function = member.functions["__init__"]
        positional = _own(member, function, found, positional=positional)
        if function.args.kwarg is None and not positional:
            break
        if function.args.kwarg is not None:
            _kwargs(member, function, function.args.kwarg.arg, found)
        calls = list(_super_calls(function))
        if not calls:
            break
        passed = _passed_on(member, calls, found)
        if not passed:
            break
    return found


def _core(member: ClassSource | str, title: str) -> str:
    """The base of Airflow's own; of an operator of Airflow's whose source isn't here, the one that it must have."""
    if title in CORE:
        return title
    of_airflow = isinstance(member, str) and member.startswith("airflow.")
    return next(
        (
            core
            for core in CORE
            if of_airflow and title.endswith(core.removeprefix("Base").removesuffix("Operator") or "Operator")
        ),
        "",
    )


def _own(member: ClassSource, function: ast.AST, found: Taken, *, positional: bool) -> bool:
    """The parameters that stand in a signature; true where it takes any number more without a name and hands them on."""
    assert isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)  # noqa: S101
    arguments = function.args
    plain = [*arguments.posonlyargs, *arguments.args]
    defaults = [*[None] * (len(plain) - len(arguments.defaults)), *arguments.defaults]
    for argument, default in list(zip(plain, defaults, strict=True))[1:]:
        if positional and argument.arg not in found.fixed and argument.arg not in found.positional:
            found.positional.append(argument.arg)
        found.add(argument.arg, default, member)
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        found.add(argument.arg, default, member)
    return positional and arguments.vararg is not None


def _db_api(line: Line, classes: Classes, found: Taken, *, positional: bool) -> None:
    """DbApiHook takes the connection id by the name that its class says, and as the first without a name; else the default's."""
    attribute = line.attribute(CONN_NAME)
    name = classes.value(attribute[0].module, attribute[1]) if attribute else UNKNOWN
    default = line.attribute("default_conn_name")
    if isinstance(name, str):
        if positional and name not in found.positional:
            found.positional.append(name)
        found.add(name, default[1] if default else None, default[0] if default else line.own)


def _kwargs(member: ClassSource, function: ast.AST, kwargs: str, found: Taken) -> None:
    """What the body takes out of `**kwargs` by name, or puts into it."""
    for node in ast.walk(function):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id=name), attr="pop" | "get" | "setdefault"),
                args=[ast.Constant(value=str() as key), *rest],
            ) if name == kwargs:
                found.add(key, rest[0] if rest else ast.Constant(None), member)
            case ast.Assign(targets=[ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=str() as key))]):
                if name == kwargs and key not in found.names:
                    found.fixed.setdefault(key, (member, node.value))
            case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=str() as key), ctx=ast.Load()):
                if name == kwargs:
                    found.add(key, None, member)


def _super_calls(function: ast.AST) -> Iterator[ast.Call]:
    """`super().__init__(…)` and `Base.__init__(self, …)`."""
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "__init__":
            yield node


def _passed_on(member: ClassSource, calls: list[ast.Call], found: Taken) -> bool:
    """Notes what is filled in for the next `__init__`; false where nothing that the user gives gets there."""
    passed = False
    for call in calls:
        for item in call.keywords:
            if item.arg is None:
                passed = True
            elif item.arg not in found.names:
                found.fixed.setdefault(item.arg, (member, item.value))
        passed |= any(isinstance(argument, ast.Starred) for argument in call.args)
    return passed
