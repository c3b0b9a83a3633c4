"""Follows statements: bindings, branches, loops, imports, definitions."""

from __future__ import annotations

import ast
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from bootstrap.scan.code.expressions import Expressions, rounds
from bootstrap.scan.code.frame import Frame
from bootstrap.scan.code.project import Module, Modules
from bootstrap.scan.code.values import (
    Atom,
    Call,
    Class,
    Function,
    Items,
    Literal,
    ModuleName,
    Name,
    ProjectClass,
    ProjectFunction,
    Scope,
    Table,
    Value,
    unknown,
)

STEPS = 150_000  # statements of one file's share; what is left out then is followed on its own
CONTEXTS = frozenset(("DAG", "TaskGroup", "dag", "task_group"))


class Statements(Expressions):
    """Runs bodies. What a call does is the interpreter's."""

    def __init__(self, modules: Modules) -> None:
        self._modules = modules
        self._by_path: dict[str, Module] = {}
        self._functions: dict[Function, Frame] = {}
        self._steps = 0

    @abstractmethod
    def emit(self, call: Call, frame: Frame) -> Value:
        """Report a call of what isn't the project's."""

    def run(self, module: Module) -> None:
        """Follow the module's own code, once."""
        if module.state != "new":
            return
        module.state = "running"
        self._by_path[module.path] = module
        steps, self._steps = self._steps, 0
        self._body(module.tree.body, Frame(module, module.scope))
        self._steps = steps
        module.state = "done"

    def modules(self) -> list[Module]:
        """Every module that was followed."""
        return list(self._by_path.values())

    def _body(self, nodes: Sequence[ast.stmt], frame: Frame) -> None:
        for node in nodes:
            self._steps += 1
            if self._steps > STEPS:
                return
            work: Callable[[Any, Frame], None] | None = getattr(self, "_on_" + type(node).__name__.lower(), None)
            if work is not None:
                with suppress(RecursionError):  # nested too deep: the statement is left out, and what follows is read
                    work(node, frame)

    def _on_expr(self, node: ast.Expr, frame: Frame) -> None:
        if isinstance(node.value, ast.Constant):
            return
        if not (isinstance(node.value, ast.Call) and self._changes(node.value, node.value.func, frame)):
            self.evaluate(node.value, frame)

    def _changes(self, node: ast.Call, func: ast.expr, frame: Frame) -> bool:
        """`names.append(x)`, `kwargs.update(…)`: the name has a new value. False for any other call."""
        if not isinstance(func, ast.Attribute) or not isinstance(func.value, (ast.Name, ast.Attribute)):
            return False
        if func.attr not in ("append", "add", "extend", "insert", "update"):
            return False
        before = self.evaluate(func.value, frame)
        if not any(isinstance(atom, (Items, Table)) for atom in before.atoms):
            return False
        arguments = [self.evaluate(each, frame) for each in node.args]
        entries: list[tuple[Literal, Value]] = [
            (word.arg, self.evaluate(word.value, frame)) for word in node.keywords if word.arg
        ]
        entries += [entry for value in arguments for table in value.tables() for entry in table.entries]
        added = [part for value in arguments for part in value.elements()] if func.attr == "extend" else arguments[-1:]
        atoms: list[Atom] = []
        for atom in before.atoms:
            if isinstance(atom, Items):
                atoms.append(replace(atom, elements=(*atom.elements, *added)))
            else:
                atoms.append(replace(atom, entries=(*atom.entries, *entries)) if isinstance(atom, Table) else atom)
        self.assign(func.value, Value(tuple(atoms)), frame)
        return True

    def _on_assign(self, node: ast.Assign, frame: Frame) -> None:
        value = self.evaluate(node.value, frame)
        for target in node.targets:
            self.assign(target, value, frame)

    def _on_annassign(self, node: ast.AnnAssign, frame: Frame) -> None:
        if node.value is not None:
            self.assign(node.target, self.evaluate(node.value, frame), frame)

    def _on_augassign(self, node: ast.AugAssign, frame: Frame) -> None:
        whole = ast.copy_location(ast.BinOp(_loaded(node.target), node.op, node.value), node)
        self.assign(node.target, self.evaluate(whole, frame), frame)

    def _on_return(self, node: ast.Return, frame: Frame) -> None:
        frame.returns.append(self.evaluate(node.value, frame))

    def _on_global(self, node: ast.Global, frame: Frame) -> None:
        frame.module_names.update(node.names)

    def _on_assert(self, node: ast.Assert, frame: Frame) -> None:
        self.evaluate(node.test, frame)

    def _on_raise(self, node: ast.Raise, frame: Frame) -> None:
        if node.exc is not None:
            self.evaluate(node.exc, frame)

    def _on_if(self, node: ast.If, frame: Frame) -> None:
        match node.test:  # a DAG file is never the main module
            case ast.Compare(left=ast.Name(id="__name__"), ops=[ast.Eq()]):
                return self._body(node.orelse, frame)
            case ast.Compare(left=ast.Name(id="__name__"), ops=[ast.NotEq()]):
                return self._body(node.body, frame)
        self.evaluate(node.test, frame)
        branches: list[dict[str, Value]] = []
        for body in (node.body, node.orelse):
            with frame.branch(branches):
                self._body(body, frame)
        return frame.merge(branches)

    def _on_for(self, node: ast.For | ast.AsyncFor, frame: Frame) -> None:
        self._loop(node, rounds(self.evaluate(node.iter, frame), node.iter), frame)

    _on_asyncfor = _on_for

    def _on_while(self, node: ast.While, frame: Frame) -> None:
        self._loop(node, [self.evaluate(node.test, frame)], frame)

    def _loop(self, node: ast.For | ast.AsyncFor | ast.While, values: Iterable[Value], frame: Frame) -> None:
        """The body for each value, or never; then what stands behind `else`."""
        branches = [dict(frame.scope.names)]
        for value in values:
            if not isinstance(node, ast.While):
                self.assign(node.target, value, frame)
            self._body(node.body, frame)
        branches.append(frame.scope.names)
        frame.merge(branches)
        self._body(node.orelse, frame)

    def _on_try(self, node: ast.Try, frame: Frame) -> None:
        branches: list[dict[str, Value]] = []
        before = dict(frame.scope.names)
        self._body(node.body, frame)
        self._body(node.orelse, frame)
        branches.append(frame.scope.names)
        for handler in node.handlers:
            frame.scope.names = dict(before)
            self._body(handler.body, frame)
            branches.append(frame.scope.names)
        frame.merge(branches)
        self._body(node.finalbody, frame)

    _on_trystar = _on_try

    def _on_match(self, node: ast.Match, frame: Frame) -> None:
        self.evaluate(node.subject, frame)
        branches = [dict(frame.scope.names)]
        for case in node.cases:
            with frame.branch(branches):
                self._body(case.body, frame)
        frame.merge(branches)

    def _on_with(self, node: ast.With | ast.AsyncWith, frame: Frame) -> None:
        contexts = frame.contexts
        for each in node.items:
            value = self.evaluate(each.context_expr, frame)
            if each.optional_vars is not None:
                self.assign(each.optional_vars, value, frame)
            frame.contexts = (*frame.contexts, *default_args(value.calls()))
        self._body(node.body, frame)
        frame.contexts = contexts

    _on_asyncwith = _on_with

    def _on_import(self, node: ast.Import, frame: Frame) -> None:
        for alias in node.names:
            module = self._imported(alias.name, frame)
            if alias.asname is not None:
                frame.bind(alias.asname, Value((ModuleName(alias.name) if module else Name(alias.name),)))
            else:
                top = alias.name.partition(".")[0]
                frame.bind(top, Value((ModuleName(top) if self._modules.find(top, frame.module) else Name(top),)))

    def _on_importfrom(self, node: ast.ImportFrom, frame: Frame) -> None:
        origin = frame.module.absolute(node.module, node.level)
        module = self._imported(origin, frame)
        for alias in node.names:
            if alias.name == "*":
                self._star(module, origin, frame)
                continue
            found = self.member(origin, alias.name, frame) if module is not None else None
            if found is None and self._imported(f"{origin}.{alias.name}", frame) is not None:
                found = Value((ModuleName(f"{origin}.{alias.name}"),))
            if found is None:
                found = unknown(alias.name) if module is not None else Value((Name(f"{origin}.{alias.name}"),))
            frame.bind(alias.asname or alias.name, found)

    def _star(self, module: Module | None, origin: str, frame: Frame) -> None:
        if module is None:
            frame.module.stars.append(origin)
            return
        frame.scope.names.update(
            {name: value for name, value in module.scope.names.items() if not name.startswith("_")}
        )

    def _imported(self, dotted: str, frame: Frame) -> Module | None:
        module = self._modules.find(dotted, frame.module)
        if module is not None:
            self.run(module)
        return module

    def member(self, module: str, name: str, frame: Frame) -> Value | None:
        """A name of a module, or a module below it."""
        found = self._imported(module, frame)
        if found is not None and (value := found.scope.names.get(name)) is not None:
            return value
        return Value((ModuleName(f"{module}.{name}"),)) if self._imported(f"{module}.{name}", frame) else None

    def _on_functiondef(self, node: ast.FunctionDef | ast.AsyncFunctionDef, frame: Frame) -> None:
        decorators = tuple(self._decorator(each, frame) for each in node.decorator_list)
        in_class = frame.owner is not None and frame.owner.scope is frame.scope
        scope = frame.scope.parent or frame.module.scope if in_class else frame.scope
        function = Function(node.name, node, scope, frame.owner if in_class else None, decorators)
        self._functions[function] = replace(frame, returns=[])
        frame.bind(node.name, Value((ProjectFunction(function),)))

    _on_asyncfunctiondef = _on_functiondef

    def _decorator(self, node: ast.expr, frame: Frame) -> Value:
        value = self.evaluate(node, frame)
        for atom in value.atoms:
            if isinstance(atom, Name) and is_task(atom.dotted):
                self.emit(Call(atom.dotted, frame.site(node.lineno), node=node), frame)
        return value

    def _on_classdef(self, node: ast.ClassDef, frame: Frame) -> None:
        bases = tuple(self.evaluate(each, frame) for each in node.bases)
        of = Class(node.name, node, bases, Scope(frame.module.path, parent=frame.scope))
        inner = replace(frame, scope=of.scope, owner=of, returns=[])
        self._body(node.body, inner)
        frame.bind(node.name, Value((ProjectClass(of),)))


def default_args(calls: Sequence[Call]) -> list[dict[str, Value]]:
    """What `default_args` of a DAG or a task group say, for the operators in it."""
    values = [call.keywords.get("default_args") for call in calls if call.name.rpartition(".")[2] in CONTEXTS]
    tables = [value.tables() for value in values if value is not None]
    return [{str(name): each for table in found for name, each in table.entries} for found in tables]


def is_task(name: str) -> bool:
    """True for @task, @task.docker and the like."""
    return name.startswith(("airflow.", "airflow_")) and "task" in name.split(".")


def _loaded(target: ast.expr) -> ast.expr:
    """The target of `+=` as what is read."""
    if isinstance(target, ast.Name):
        return ast.copy_location(ast.Name(target.id, ast.Load()), target)
    return target
