"""Follows the project's functions into their bodies, with what they are called with."""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import Any

from bootstrap.scan.code.call_key import call_key
from bootstrap.scan.code.expressions import decorator_names
from bootstrap.scan.code.frame import Arguments, Frame, passed_on
from bootstrap.scan.code.project import Modules
from bootstrap.scan.code.statements import STEPS, Statements, default_args, is_task
from bootstrap.scan.code.values import (
    Attribute,
    Call,
    Const,
    Function,
    Items,
    Made,
    Scope,
    Site,
    Table,
    Unknown,
    Value,
    known,
    union,
    unknown,
)

DEEPEST = 12  # functions within functions that are followed into
_APPLICATIONS = 1000  # times that one function is followed into, each time with something else
_DULL = 5  # times for one that tells nothing


class Functions(Statements):
    """Applies functions. A function that was followed with the same arguments isn't followed again."""

    def __init__(self, modules: Modules) -> None:
        super().__init__(modules)
        self.calls: list[Call] = []
        self._followed: set[Function] = set()
        self._stack: list[Function] = []
        self._seen: dict[Any, Value] = {}
        self._times: dict[Function, int] = {}
        self._telling: set[Function] = set()

    def applied(self, function: Function, this: Value | None, frame: Frame) -> Value:
        """A call without arguments."""
        return self.apply(function, Arguments(), frame, this=this)

    def apply(
        self,
        function: Function,
        given: Arguments,
        frame: Frame,
        *,
        this: Value | None = None,
        top_level: bool | None = None,
        default_site: Site | None = None,
    ) -> Value:
        """Follow a function of the project's into its body; what it returns."""
        if self._is_tired_of(function) or len(self._stack) >= DEEPEST or self._stack.count(function) > 1:
            return unknown(f"{function.name}(…)")
        names = decorator_names(function)
        runs_now = frame.top_level if top_level is None else top_level
        runs_now = runs_now and not any(map(is_task, names))
        inner = self._frame(function, frame, this, top_level=runs_now)
        self._bind(function, inner, given, default_site)
        contexts = call_key(pair for context in inner.contexts for pair in context.items())
        key = (function, call_key(inner.scope.names.items()), runs_now, contexts)
        sets_up = function.name == "__init__"  # each object anew
        if key in self._seen and not sets_up:
            return self._seen[key]
        self._followed.add(function)
        self._seen[key] = unknown(f"{function.name}(…)")
        before = len(self.calls)
        self._stack.append(function)
        try:
            if isinstance(function.node, ast.Lambda):
                inner.returns.append(self.evaluate(function.node.body, inner))
            else:
                self._body(function.node.body, inner)
        finally:
            self._stack.pop()
        self._seen[key] = union(*inner.returns) if inner.returns else known(None)
        self._times[function] = self._times.get(function, 0) + 1
        if _tells_something(self._seen[key]) or any(map(is_airflows, self.calls[before:])):
            self._telling.add(function)
        return self._seen[key]

    def _is_tired_of(self, function: Function) -> bool:
        """True for a function that was followed often, and never led to anything of Airflow's nor returned anything known."""
        times = self._times.get(function, 0)
        return (
            self._steps > STEPS
            or times > _APPLICATIONS
            or (times > _DULL and function not in self._telling and function.name != "__init__")
        )

    def _frame(self, function: Function, frame: Frame, this: Value | None, *, top_level: bool) -> Frame:
        contexts = frame.contexts
        for value in function.decorators:
            contexts = (*contexts, *default_args(value.calls()))
        module = self._by_path.get(function.scope.module, frame.module)
        scope = Scope(function.scope.module, parent=function.scope)
        return Frame(module, scope, top_level, function.owner, this, contexts)

    def _bind(self, function: Function, inner: Frame, given: Arguments, default_site: Site | None) -> None:
        spec = function.node.args
        names = [each.arg for each in (*spec.posonlyargs, *spec.args)]
        values, words = given.passed_on()
        if inner.this is not None and names and "builtins.staticmethod" not in decorator_names(function):
            inner.scope.names[names.pop(0)] = inner.this
        defaults = self._defaults(function, inner, default_site)
        for name, value in zip(names, values, strict=False):
            inner.scope.names[name] = value
        for name in (*names[len(values) :], *(each.arg for each in spec.kwonlyargs)):
            if name in words:
                inner.scope.names[name] = words.pop(name)
            else:
                missing = defaults.get(name)
                inner.scope.names[name] = missing if missing is not None else unknown(name)
        if spec.vararg is not None:
            inner.scope.names[spec.vararg.arg] = Value((Items(tuple(values[len(names) :]), given.open),))
        if spec.kwarg is not None:
            inner.scope.names[spec.kwarg.arg] = Value((Table(tuple(words.items()), given.open),))

    def _defaults(self, function: Function, inner: Frame, default_site: Site | None) -> dict[str, Value]:
        spec = function.node.args
        outer = replace(inner, scope=function.owner.scope if function.owner is not None else function.scope)
        positional = [each.arg for each in (*spec.posonlyargs, *spec.args)]
        pairs = list(zip(reversed(positional), reversed(spec.defaults), strict=False))
        pairs += [
            (each.arg, node) for each, node in zip(spec.kwonlyargs, spec.kw_defaults, strict=True) if node is not None
        ]
        found = {name: self.evaluate(node, outer) for name, node in pairs}
        if default_site is not None:
            found = {name: passed_on(value, default_site, default=True) for name, value in found.items()}
        return found


def _tells_something(value: Value) -> bool:
    return any(not isinstance(atom, (Unknown, Made, Attribute)) and atom != Const(None) for atom in value.atoms)


def is_airflows(call: Call) -> bool:
    """True for a call that may need a connection."""
    return call.name.startswith("airflow") or "onn" in call.name or any("conn" in name for name in call.keywords)
