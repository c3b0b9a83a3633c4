"""Follows the scanned code as Python would, without running it: yields every call of what isn't the project's own.

Every branch is taken, a loop over a list that is known runs for each element, and a function of the project's is followed into
with what it is called with. What nobody calls is followed on its own afterwards: Airflow calls tasks and operators' methods.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bootstrap.scan.code import known_calls
from bootstrap.scan.code.expressions import class_member, is_whole, source
from bootstrap.scan.code.frame import NOWHERE, Arguments, Frame
from bootstrap.scan.code.objects import Objects
from bootstrap.scan.code.project import Modules
from bootstrap.scan.code.statements import default_args, is_task
from bootstrap.scan.code.values import (
    Attribute,
    Call,
    Class,
    Instance,
    Made,
    Method,
    Name,
    Partial,
    ProjectClass,
    ProjectFunction,
    Scope,
    Value,
    known,
    union,
    unknown,
)

RECURSION = 5_000  # Python's own frames: what is nested deeper is left out


class Interpreter(Objects):
    """Interprets modules; `calls` grows."""

    def __init__(self, modules: Modules) -> None:
        super().__init__(modules)
        # a chain of calls in the code is a chain of calls here, each of some twenty frames
        sys.setrecursionlimit(max(sys.getrecursionlimit(), RECURSION))

    def call(self, node: ast.Call, frame: Frame) -> Value:
        """What is called, with what."""
        if isinstance(node.func, ast.Attribute) and _is_super(node.func.value):
            return self.super_call(node, node.func.attr, frame)
        if not isinstance(node.func, ast.Attribute):
            func = self.evaluate(node.func, frame)
            given = self.arguments(node, frame)
        else:
            receiver = self.evaluate(node.func.value, frame)
            given = self.arguments(node, frame)
            result = known_calls.method(receiver, node.func.attr, given.positional, given.keywords)
            result = result or self._mapped(receiver, node.func.attr, given, frame)
            if result is not None:
                return result
            func = self.attribute_of(receiver, node.func, frame)
        return union(*(self._invoke(atom, given, frame) for atom in func.atoms))

    def arguments(self, node: ast.Call, frame: Frame) -> Arguments:
        """What a call gives, by place and by name."""
        arguments: list[Value] = []
        keywords: dict[str, Value] = {}
        is_open = False
        for each in node.args:
            if isinstance(each, ast.Starred):
                inner = self.evaluate(each.value, frame)
                arguments += inner.elements()
                is_open = is_open or not is_whole(inner)
            else:
                arguments.append(self.evaluate(each, frame))
        for word in node.keywords:
            value = self.evaluate(word.value, frame)
            if word.arg is not None:
                keywords[word.arg] = value
                continue
            tables = value.tables()
            is_open = is_open or not tables or any(table.open for table in tables)
            for name in dict.fromkeys(str(name) for table in tables for name, _ in table.entries):
                keywords[name] = union(*(found for table in tables if (found := table.get(name)) is not None))
        return Arguments(node, frame.site(node.lineno), tuple(arguments), keywords, is_open)

    def _invoke(self, atom: Any, given: Arguments, frame: Frame) -> Value:  # noqa: PLR0911  one for each kind of what can be called
        if isinstance(atom, ProjectFunction):
            return self.apply(atom.function, given, frame)
        if isinstance(atom, Method):
            return self.apply(atom.function, given, frame, this=atom.of)
        if isinstance(atom, ProjectClass):
            return self.construct(atom.of, given, frame)
        if isinstance(atom, Partial):
            return self._invoke(atom.of, given.after(atom.arguments, dict(atom.keywords)), frame)
        if isinstance(atom, Instance) and isinstance(method := class_member(atom.of, "__call__"), Value):
            functions = [each.function for each in method.atoms if isinstance(each, ProjectFunction)]
            return union(*(self.apply(each, given, frame, this=Value((atom,))) for each in functions))
        if isinstance(atom, Name):
            return self.outside(atom.dotted, given, frame)
        if isinstance(atom, Attribute):
            return self._attribute_called(atom, given, frame)
        if isinstance(atom, Made) and atom.call.name in ("collections.namedtuple", "typing.NamedTuple"):
            return _named_tuple(atom.call, given)
        self.emit(given.call(source(given.node.func)), frame)
        return unknown(source(given.node))

    def _attribute_called(self, atom: Attribute, given: Arguments, frame: Frame) -> Value:
        call = atom.of.call
        if atom.name == "partial" and is_task(call.name):
            return Value((atom.of,))
        return self.emit(given.call(f"{call.name}.{atom.name}", receiver=call), frame)

    def outside(self, name: str, given: Arguments, frame: Frame) -> Value:
        """A call of something that isn't the project's."""
        if name == "functools.partial" and given.positional:
            held = [
                a for a in given.positional[0].atoms if isinstance(a, (Name, ProjectFunction, ProjectClass, Method))
            ]
            return Value(tuple(Partial(atom, given.positional[1:], tuple(given.keywords.items())) for atom in held))
        result = known_calls.function(name, given.positional, given.keywords)
        if result is not None:
            return result
        returned = self.emit(given.call(name), frame)
        default = _default_of(name, given)
        return returned if default is None else union(default, returned)

    def _mapped(self, receiver: Value, name: str, given: Arguments, frame: Frame) -> Value | None:
        """`task.partial(…)`, `….expand(…)`, `task.override(…)`; None for anything else."""
        if name not in ("partial", "override", "expand", "expand_kwargs"):
            return None
        held = [
            atom
            for atom in receiver.atoms
            if isinstance(atom, (Partial, ProjectFunction, ProjectClass, Name)) and _can_be_mapped(atom)
        ]
        if not held or name == "override":
            return receiver if held else None
        if name == "partial":
            words = tuple(given.keywords.items())
            return Value(
                tuple(Partial(atom, given.positional, words) for atom in held if not isinstance(atom, Partial))
            )
        return union(*(self._expanded(atom, given, frame) for atom in held))

    def _expanded(self, atom: Any, given: Arguments, frame: Frame) -> Value:
        """`X.partial(…).expand(a=[1, 2])`: a call with an `a` that is each of these."""
        words: dict[str, Value] = {}
        is_open = False
        for name, value in given.keywords.items():
            words[name] = union(*value.elements()) if value.elements() else unknown(source(given.node))
        for rows in given.positional:  # expand_kwargs
            tables = [table for row in rows.elements() for table in row.tables()]
            is_open = is_open or not tables
            for table in tables:
                for key, value in table.entries:
                    words[str(key)] = union(words[str(key)], value) if str(key) in words else value
        return self._invoke(atom, Arguments(given.node, given.site, (), words, is_open), frame)

    def emit(self, call: Call, frame: Frame) -> Value:
        """Note a call, with the default_args around it."""
        contexts = [*frame.contexts]
        if (dag := call.keywords.get("dag")) is not None:
            contexts += default_args(dag.calls())
        defaults = {**call.defaults, **{name: value for context in contexts for name, value in context.items()}}
        call = replace(call, defaults=defaults, top_level=frame.top_level)
        self.calls.append(call)
        self._handed_over(call, frame)
        return Value((Made(call, source(call.node) if call.node is not None else call.name),))

    def _handed_over(self, call: Call, frame: Frame) -> None:
        """Follow a function that an operator is given, with the arguments that it will be called with."""
        words: dict[str, Value] = {}
        for table in (call.keywords.get("op_kwargs") or known(None)).tables():
            words.update({str(name): value for name, value in table.entries})
        arguments = tuple((call.keywords.get("op_args") or known(None)).elements())
        for value in (*call.arguments, *call.keywords.values()):
            for atom in value.atoms:
                if isinstance(atom, (Method, Partial, ProjectFunction)):
                    self._later(atom, arguments, words, call, frame)

    def _later(
        self, atom: Any, arguments: tuple[Value, ...], words: Mapping[str, Value], call: Call, frame: Frame
    ) -> None:
        if isinstance(atom, Partial):
            self._later(atom.of, (*atom.arguments, *arguments), {**dict(atom.keywords), **words}, call, frame)
        elif isinstance(atom, (ProjectFunction, Method)):
            given = Arguments(NOWHERE, call.site, arguments, words)
            self.apply(atom.function, given, frame, this=atom.of if isinstance(atom, Method) else None, top_level=False)


def _named_tuple(definition: Call, given: Arguments) -> Value:
    """`namedtuple("Point", ["x", "y"])(1, 2)`."""
    spec = definition.arguments[1] if len(definition.arguments) > 1 else known(None)
    texts = spec.texts()
    fields = (
        texts[0].replace(",", " ").split() if texts else [text for each in spec.elements() for text in each.texts()[:1]]
    )
    values, words = given.passed_on()
    of = Class("namedtuple", ast.ClassDef("namedtuple", [], [], [], []), (), Scope(""))
    return Value((Instance(of, {**dict(zip(fields, values, strict=False)), **words}),))


def _default_of(name: str, given: Arguments) -> Value | None:
    """What a look-up returns where there is nothing: `os.getenv("X", "default")`, `Variable.get("x", default_var="y")`."""
    if name.rpartition(".")[2] in ("getenv", "get", "config") and len(given.positional) > 1:
        return given.positional[1]
    return next(
        (given.keywords[word] for word in ("default_var", "default", "fallback") if word in given.keywords), None
    )


def _can_be_mapped(atom: Partial | ProjectFunction | ProjectClass | Name) -> bool:
    """True for a task or a class; of what isn't the project's, the name tells."""
    return not isinstance(atom, Name) or atom.dotted.rpartition(".")[2][:1].isupper()


def _is_super(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "super"
