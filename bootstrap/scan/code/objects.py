"""Follows the project's classes: how their objects are made, and the methods that Airflow may call."""

from __future__ import annotations

import ast
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from bootstrap.scan.code.call_key import call_key
from bootstrap.scan.code.expressions import class_member, source
from bootstrap.scan.code.frame import Arguments, Frame
from bootstrap.scan.code.functions import DEEPEST, Functions, is_airflows
from bootstrap.scan.code.project import Modules
from bootstrap.scan.code.statements import STEPS
from bootstrap.scan.code.values import (
    Attribute,
    Call,
    Class,
    Function,
    Instance,
    Made,
    Name,
    ProjectClass,
    ProjectFunction,
    Site,
    Value,
    known,
    union,
    unknown,
)

_OWN_STEPS = 10_000  # statements of a function that is followed on its own
_INSTANCES = 200  # objects of one class, from which on those with the same texts count once


class Objects(Functions):
    """Makes objects, and follows what nothing calls."""

    def __init__(self, modules: Modules) -> None:
        super().__init__(modules)
        self._instances: list[Instance] = []
        self._same_for_all: set[Function] = set()

    @abstractmethod
    def arguments(self, node: ast.Call, frame: Frame) -> Arguments:
        """What a call gives."""

    @abstractmethod
    def outside(self, name: str, given: Arguments, frame: Frame) -> Value:
        """A call of something that isn't the project's."""

    def finish(self) -> None:
        """Follow what nothing has called: tasks, callbacks, methods of operators and hooks."""
        self._methods_of_instances()
        for _ in range(DEEPEST):  # a function that is followed can define others
            pending = [each for each in self._functions if each not in self._followed and not _is_outside(each)]
            if not pending:
                return
            for function in pending:
                if function not in self._followed:
                    self._alone(function)
            self._methods_of_instances()

    def _alone(self, function: Function) -> None:
        self._steps = STEPS - _OWN_STEPS
        self._followed.add(function)
        frame = self._functions[function]
        this = None
        if function.owner is not None:
            this = Value((Instance(function.owner),))
            init = class_member(function.owner, "__init__")
            if isinstance(init, Value):
                for atom in init.atoms:
                    if isinstance(atom, ProjectFunction) and atom.function is not function:
                        self.apply(atom.function, Arguments(), frame, this=this, top_level=False)
        self.apply(function, Arguments(), frame, this=this, top_level=False)

    def _methods_of_instances(self) -> None:
        done: set[Any] = set()
        counts: dict[Class, int] = {}
        while self._instances:
            instance = self._instances.pop(0)
            counts[instance.of] = counts.get(instance.of, 0) + 1
            key = (instance.of, call_key(instance.attributes.items()))
            same = (instance.of, tuple(sorted((name, *value.texts()) for name, value in instance.attributes.items())))
            if key in done or (counts[instance.of] > _INSTANCES and same in done):
                continue
            done.add(same)
            done.add(key)
            for function in _methods(instance.of):
                if function in self._functions and function not in self._same_for_all:
                    self._method_of(instance, function)

    def _method_of(self, instance: Instance, function: Function) -> None:
        """Follow a method as Airflow may call it; once, where nothing in it depends on the object."""
        self._steps = STEPS - _OWN_STEPS
        before = len(self.calls)
        frame = self._functions[function]
        self.apply(function, Arguments(), frame, this=Value((instance,)), top_level=False)
        made = [call for call in self.calls[before:] if is_airflows(call)]
        if made and not any(map(_is_given, made)):
            self._same_for_all.add(function)

    def construct(self, of: Class, given: Arguments, frame: Frame) -> Value:
        """A new object of a class."""
        instance = Instance(of, site=given.site)
        this = Value((instance,))
        init = class_member(of, "__init__")
        if isinstance(init, Value):
            for atom in init.atoms:
                if isinstance(atom, ProjectFunction):
                    self.apply(atom.function, given, frame, this=this, default_site=given.site)
        else:
            fields = [
                each.target.id
                for each in of.node.body
                if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)
            ]
            values, words = given.passed_on()
            instance.attributes.update({**dict(zip(fields, values, strict=False)), **words})
            if init is not None:
                self._base(instance, init.dotted.rpartition(".")[0], given, frame)
        self._instances.append(instance)
        return this

    def _base(self, instance: Instance, name: str, given: Arguments, frame: Frame) -> None:
        """The __init__ of a base that isn't the project's: the operator or hook that the object is."""
        own = class_member(instance.of, "default_conn_name")
        defaults = {"default_conn_name": own} if isinstance(own, Value) else {}
        call = replace(
            given.call(name), site=instance.site or given.site or Site(frame.module.path, 0), defaults=defaults
        )
        self.emit(call, frame)
        instance.made.append(self.calls[-1])

    def super_call(self, node: ast.Call, name: str, frame: Frame) -> Value:
        """`super().name(…)`."""
        given = self.arguments(node, frame)
        bases = frame.owner.bases if frame.owner is not None else ()
        results = [self._super_of(atom, name, given, frame) for base in bases for atom in base.atoms]
        return union(*results) if results else unknown(source(node))

    def _super_of(self, base: Any, name: str, given: Arguments, frame: Frame) -> Value:
        found = class_member(base.of, name) if isinstance(base, ProjectClass) else base
        instance = next((atom for atom in (frame.this or known(None)).atoms if isinstance(atom, Instance)), None)
        if isinstance(found, Value):
            atoms = [atom for atom in found.atoms if isinstance(atom, ProjectFunction)]
            site = instance.site if instance is not None else None
            return union(
                *(self.apply(atom.function, given, frame, this=frame.this, default_site=site) for atom in atoms)
            )
        if isinstance(found, Name):
            dotted = found.dotted.rpartition(".")[0] if found is not base else found.dotted
            if name != "__init__":
                return self.outside(f"{dotted}.{name}", given, frame)
            if instance is not None and instance.site is not None:
                self._base(instance, dotted, given, frame)
        return unknown(f"super().{name}(…)")

    def base_method(self, instance: Instance, name: str) -> Value | None:
        """From the call that made it, else by the base's name."""
        for call in reversed(instance.made):
            given = call.keywords.get(name)
            return given if given is not None else Value((Attribute(Made(call), name, f"self.{name}"),))
        found = class_member(instance.of, name)
        return Value((found,)) if isinstance(found, Name) else None


def _methods(of: Class) -> Iterator[Function]:
    """All methods, the bases' that are overridden left out."""
    names: set[str] = set()
    pending, done = [of], set[Class]()
    while pending:
        each = pending.pop(0)
        done.add(each)
        for name, value in each.scope.names.items():
            if name in names or (name.startswith("__") and name not in ("__call__", "__enter__")):
                continue
            names.add(name)
            yield from (
                atom.function
                for atom in value.atoms
                if isinstance(atom, ProjectFunction) and atom.function.owner is each
            )
        pending += [
            atom.of
            for base in each.bases
            for atom in base.atoms
            if isinstance(atom, ProjectClass) and atom.of not in done
        ]


def _is_given(call: Call) -> bool:
    """True if one of the arguments came from a caller."""
    values = [value for each in (call, call.receiver) if each for value in (*each.arguments, *each.keywords.values())]
    return any(getattr(atom, "site", None) is not None for value in values for atom in value.atoms)


def _is_outside(function: Function) -> bool:
    """True for a module that the scanned folder only imports from: what nobody calls there isn't its code."""
    return function.scope.module.startswith("../")
