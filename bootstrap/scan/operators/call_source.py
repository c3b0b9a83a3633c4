"""What a class does with an argument: which hooks and helpers it hands it to."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from bootstrap.providers.python_source import Import, dotted_text
from bootstrap.scan.operators.class_source import Classes, ClassSource, Line

_FIRST = {"hook": 0, "get_hook": 0, "_hook": 0}  # what says it best
_HOOK_CLASSES = ("aws_hook_class", "hook_class", "_hook_class")  # makes `hook` of it, with `_hook_parameters`

_MAKES_HOOK = {"get_hook", "get_connection"}


@dataclass(frozen=True)
class Handed:
    """A call of a class: its dotted name, and the names that an argument got to it as; "" without a name."""

    target: str
    keys: tuple[str, ...]

    def key(self, usual: str | None) -> str | None:
        """The argument's name there: the usual one, where it is among them, or it was given without one."""
        return usual if usual in self.keys or "" in self.keys else next(iter(self.keys), None)


@dataclass(frozen=True)
class _Call:
    target: str
    given: tuple[tuple[str, frozenset[str]], ...]  # each argument's name, and the names in it


@dataclass(frozen=True)
class _Facts:
    """Of one class: the calls in its methods, and what gets another name: an attribute's, or a base's argument's."""

    calls: tuple[_Call, ...]
    renamed: tuple[tuple[str, frozenset[str]], ...]


class Calls:
    """The calls in classes' methods; each class is looked through once."""

    def __init__(self, classes: Classes) -> None:
        self.classes = classes
        self._facts: dict[str, _Facts] = {}

    def with_argument(self, name: str, line: Line) -> Iterator[Handed]:
        """What an argument is handed to, the class's own methods first."""
        names = {name}
        for member in line.read:
            facts = self._of(member)
            for _ in range(2):  # `a = x` and then `self.b = a`
                names |= {new for new, old in facts.renamed if old & names}
            for call in facts.calls:
                keys = tuple(key for key, given in call.given if given & names)
                if keys:
                    yield Handed(call.target, keys)
        yield from self._by_attribute(name, line)

    def _by_attribute(self, name: str, line: Line) -> Iterator[Handed]:
        """A hook that a class attribute names."""
        for attribute in _HOOK_CLASSES:
            found = line.attribute(attribute)
            if found is not None:
                yield Handed(self.classes.meant(found[0].module, dotted_text(found[1])), (name,))

    def _of(self, member: ClassSource) -> _Facts:
        if member.name not in self._facts:
            functions = sorted(member.functions.values(), key=lambda item: _FIRST.get(item.name, 1))
            calls: list[_Call] = []
            renamed: list[tuple[str, frozenset[str]]] = []
            for function in functions:
                nodes = list(ast.walk(function))
                calls += self._calls(member, nodes)
                renamed += _renamed(nodes)
            self._facts[member.name] = _Facts(tuple(calls), tuple(renamed))
        return self._facts[member.name]

    def _calls(self, member: ClassSource, nodes: list[ast.AST]) -> Iterator[_Call]:
        local: dict[str, Import] = {}
        for node in nodes:
            if isinstance(node, ast.Import | ast.ImportFrom):
                local.update(member.module.imports(node))
        for node in nodes:
            dotted = dotted_text(node.func) if isinstance(node, ast.Call) else ""
            if isinstance(node, ast.Call) and dotted and not dotted.startswith(("self.", "cls.")):
                given = [("", _names(argument)) for argument in node.args]
                given += [(item.arg, _names(item.value)) for item in node.keywords if item.arg]
                some = tuple((key, names) for key, names in given if names)
                if some:
                    yield _Call(self._target(member, dotted, local), some)

    def _target(self, member: ClassSource, dotted: str, local: dict[str, Import]) -> str:
        """The class that is called, or whose method: `PydanticAIHook.get_hook(self.llm_conn_id)`."""
        owner, _, method = dotted.rpartition(".")
        if owner and method in _MAKES_HOOK:
            return self.classes.meant(member.module, owner, local)
        return self.classes.meant(member.module, dotted, local)


def _renamed(nodes: list[ast.AST]) -> Iterator[tuple[str, frozenset[str]]]:
    for node in nodes:
        match node:
            case ast.Call(func=ast.Attribute(attr="__init__"), keywords=keywords):
                yield from ((item.arg, _names(item.value)) for item in keywords if item.arg)
            case ast.Assign(
                targets=[ast.Attribute(value=ast.Name(id="self"), attr=name) | ast.Name(id=name)], value=value
            ):
                if names := _names(value):
                    yield name, names
            case ast.AnnAssign(target=ast.Attribute(value=ast.Name(id="self"), attr=name), value=ast.expr() as value):
                if names := _names(value):
                    yield name, names


def _names(node: ast.expr) -> frozenset[str]:
    """`x` of `x` and of `self.x`, and of either in `or` or a conditional expression; not where it is an argument of another call."""
    match node:
        case ast.Name(id=name) | ast.Attribute(value=ast.Name(id="self"), attr=name):
            return frozenset({name})
        case ast.BoolOp(values=values):
            return frozenset().union(*map(_names, values))
        case ast.IfExp(body=body, orelse=other):
            return _names(body) | _names(other)
    return frozenset()
