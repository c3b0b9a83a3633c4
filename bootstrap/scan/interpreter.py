"""Follows the scanned code as Python would, without running it: yields every call of what isn't the project's own.

Every branch is taken, a loop over a list that is known runs for each element, and a function of the project's is followed into
with what it is called with. What nobody calls is followed on its own afterwards: Airflow calls tasks and operators' methods.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from bootstrap.scan import known_calls
from bootstrap.scan.expressions import class_member, decorator_names, is_whole, source
from bootstrap.scan.frame import Arguments, Frame, passed_on
from bootstrap.scan.project import Modules
from bootstrap.scan.statements import STEPS, Statements, default_args, is_task
from bootstrap.scan.values import (
    Attribute,
    Call,
    Class,
    Const,
    Function,
    Instance,
    Items,
    Made,
    Method,
    Name,
    Partial,
    ProjectClass,
    ProjectFunction,
    Scope,
    Site,
    Table,
    Text,
    Unknown,
    Value,
    known,
    union,
    unknown,
)

DEEPEST = 12  # functions within functions that are followed into
OWN_STEPS = 10_000  # statements of a function that is followed on its own
APPLICATIONS = 1000  # times that one function is followed into, each time with something else
DULL = 5  # times for one that tells nothing
INSTANCES = 200  # objects of one class, from which on those with the same texts count once
_NOWHERE = ast.Call(ast.Name("", ast.Load()), [], [])


class Interpreter(Statements):
    """Interprets modules; `calls` grows."""

    def __init__(self, modules: Modules) -> None:
        super().__init__(modules)
        self.calls: list[Call] = []
        self._applied: set[Function] = set()
        self._instances: list[Instance] = []
        self._stack: list[Function] = []
        self._seen: dict[Any, Value] = {}
        self._times: dict[Function, int] = {}
        self._telling: set[Function] = set()
        self._same_for_all: set[Function] = set()
        # a chain of calls in the code is a chain of calls here, each of some twenty frames
        sys.setrecursionlimit(max(sys.getrecursionlimit(), 10_000))

    def finish(self) -> None:
        """Follow what nothing has called: tasks, callbacks, methods of operators and hooks."""
        self._methods_of_instances()
        for _ in range(DEEPEST):  # a function that is followed can define others
            pending = [each for each in self._functions if each not in self._applied and not _is_outside(each)]
            if not pending:
                return
            for function in pending:
                if function not in self._applied:
                    self._alone(function)
            self._methods_of_instances()

    def _alone(self, function: Function) -> None:
        self._steps = STEPS - OWN_STEPS
        self._applied.add(function)
        frame = self._functions[function]
        this = None
        if function.owner is not None:
            this = Value((Instance(function.owner),))
            init = class_member(function.owner, "__init__")
            if isinstance(init, Value):
                for atom in init.atoms:
                    if isinstance(atom, ProjectFunction) and atom.function is not function:
                        self.apply(atom.function, Arguments(_NOWHERE), frame, this=this, top_level=False)
        self.apply(function, Arguments(_NOWHERE), frame, this=this, top_level=False)

    def _methods_of_instances(self) -> None:
        done: set[Any] = set()
        counts: dict[Class, int] = {}
        while self._instances:
            instance = self._instances.pop(0)
            counts[instance.of] = counts.get(instance.of, 0) + 1
            key = (instance.of, _key(instance.attributes.items()))
            same = (instance.of, tuple(sorted((name, *value.texts()) for name, value in instance.attributes.items())))
            if key in done or (counts[instance.of] > INSTANCES and same in done):
                continue
            done.add(same)
            done.add(key)
            for function in _methods(instance.of):
                if function in self._functions and function not in self._same_for_all:
                    self._method_of(instance, function)

    def _method_of(self, instance: Instance, function: Function) -> None:
        """Follow a method as Airflow may call it; once, where nothing in it depends on the object."""
        self._steps = STEPS - OWN_STEPS
        before = len(self.calls)
        frame = self._functions[function]
        self.apply(function, Arguments(_NOWHERE), frame, this=Value((instance,)), top_level=False)
        made = [call for call in self.calls[before:] if _is_airflows(call)]
        if made and not any(map(_is_given, made)):
            self._same_for_all.add(function)

    def call(self, node: ast.Call, frame: Frame) -> Value:
        """What is called, with what."""
        if isinstance(node.func, ast.Attribute) and _is_super(node.func.value):
            return self._super(node, node.func.attr, frame)
        if not isinstance(node.func, ast.Attribute):
            func = self.evaluate(node.func, frame)
            given = self._arguments(node, frame)
        else:
            receiver = self.evaluate(node.func.value, frame)
            given = self._arguments(node, frame)
            result = known_calls.method(receiver, node.func.attr, given.positional, given.keywords)
            result = result or self._mapped(receiver, node.func.attr, given, frame)
            if result is not None:
                return result
            func = self.attribute_of(receiver, node.func, frame)
        return union(*(self._invoke(atom, given, frame) for atom in func.atoms))

    def _arguments(self, node: ast.Call, frame: Frame) -> Arguments:
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
            return self._construct(atom.of, given, frame)
        if isinstance(atom, Partial):
            return self._invoke(atom.of, given.after(atom.arguments, dict(atom.keywords)), frame)
        if isinstance(atom, Instance) and isinstance(method := class_member(atom.of, "__call__"), Value):
            functions = [each.function for each in method.atoms if isinstance(each, ProjectFunction)]
            return union(*(self.apply(each, given, frame, this=Value((atom,))) for each in functions))
        if isinstance(atom, Name):
            return self._outside(atom.dotted, given, frame)
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

    def _outside(self, name: str, given: Arguments, frame: Frame) -> Value:
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
        call = replace(call, defaults=defaults, top_level=frame.top_level, inside=frame.inside)
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
            given = Arguments(_NOWHERE, call.site, arguments, words)
            self.apply(atom.function, given, frame, this=atom.of if isinstance(atom, Method) else None, top_level=False)

    # the project's functions and classes

    def applied(self, function: Function, this: Value | None, frame: Frame) -> Value:
        """A call without arguments."""
        return self.apply(function, Arguments(_NOWHERE), frame, this=this)

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
        contexts = _key(pair for context in inner.contexts for pair in context.items())
        key = (function, _key(inner.scope.names.items()), runs_now, contexts)
        sets_up = function.name == "__init__"  # each object anew
        if key in self._seen and not sets_up:
            return self._seen[key]
        self._applied.add(function)
        self._seen[key] = unknown(f"{function.name}(…)")
        before = len(self.calls)
        with self._within(function):
            if isinstance(function.node, ast.Lambda):
                inner.returns.append(self.evaluate(function.node.body, inner))
            else:
                self._body(function.node.body, inner)
        self._seen[key] = union(*inner.returns) if inner.returns else known(None)
        self._times[function] = self._times.get(function, 0) + 1
        if _tells_something(self._seen[key]) or any(map(_is_airflows, self.calls[before:])):
            self._telling.add(function)
        return self._seen[key]

    def _is_tired_of(self, function: Function) -> bool:
        """True for a function that was followed often, and never led to anything of Airflow's nor returned anything known."""
        times = self._times.get(function, 0)
        return (
            self._steps > STEPS
            or times > APPLICATIONS
            or (times > DULL and function not in self._telling and function.name != "__init__")
        )

    @contextmanager
    def _within(self, function: Function) -> Iterator[None]:
        self._stack.append(function)
        try:
            yield
        finally:
            self._stack.pop()

    def _frame(self, function: Function, frame: Frame, this: Value | None, *, top_level: bool) -> Frame:
        contexts = frame.contexts
        for value in function.decorators:
            contexts = (*contexts, *default_args(value.calls()))
        module = self._by_path.get(function.scope.module, frame.module)
        scope = Scope(function.scope.module, parent=function.scope)
        inside = (*((function.owner.name,) if function.owner else ()), function.name)
        return Frame(module, scope, top_level, function, function.owner, this, inside, contexts)

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

    def _construct(self, of: Class, given: Arguments, frame: Frame) -> Value:
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

    def _super(self, node: ast.Call, name: str, frame: Frame) -> Value:
        given = self._arguments(node, frame)
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
                return self._outside(f"{dotted}.{name}", given, frame)
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


def _methods(of: Class, seen: frozenset[Class] = frozenset()) -> Iterator[Function]:
    """All methods, the bases' that are overridden left out."""
    names: set[str] = set()
    pending, done = [of], set(seen)
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


def _key(pairs: Any) -> tuple[Any, ...]:
    """What a memory of calls is kept by: what isn't known is all the same."""
    return tuple(sorted((str(name), _value_key(value, 3)) for name, value in pairs))


def _value_key(value: Value, depth: int) -> int:
    return hash(tuple(_atom_key(atom, depth - 1) for atom in value.atoms)) if depth else len(value.atoms)


def _atom_key(atom: Any, depth: int) -> Any:  # noqa: PLR0911  one for each kind of atom
    if isinstance(atom, (Unknown, Text)):
        return type(atom)
    if isinstance(atom, Made):
        words = tuple((name, _value_key(value, depth)) for name, value in atom.call.keywords.items())
        return atom.call.name, words, tuple(_value_key(value, depth) for value in atom.call.arguments)
    if isinstance(atom, Attribute):
        return atom.name, _atom_key(atom.of, depth)
    if isinstance(atom, Instance):
        return atom.of, tuple((name, _value_key(value, depth)) for name, value in atom.attributes.items())
    if isinstance(atom, Items):
        return tuple(_value_key(value, depth) for value in atom.elements)
    if isinstance(atom, Table):
        return tuple((name, _value_key(value, depth)) for name, value in atom.entries)
    return atom


def _tells_something(value: Value) -> bool:
    return any(not isinstance(atom, (Unknown, Made, Attribute)) and atom != Const(None) for atom in value.atoms)


def _is_airflows(call: Call) -> bool:
    return call.name.startswith("airflow") or "onn" in call.name or any("conn" in name for name in call.keywords)


def _is_given(call: Call) -> bool:
    """True if one of the arguments came from a caller."""
    values = (
        *call.arguments,
        *call.keywords.values(),
        *(_is_given_to(call.receiver) if call.receiver is not None else ()),
    )
    return any(getattr(atom, "site", None) is not None for value in values for atom in value.atoms)


def _is_given_to(receiver: Call) -> tuple[Value, ...]:
    return (*receiver.arguments, *receiver.keywords.values())


def _is_outside(function: Function) -> bool:
    """True for a module that the scanned folder only imports from: what nobody calls there isn't its code."""
    return function.scope.module.startswith("../")


def _can_be_mapped(atom: Partial | ProjectFunction | ProjectClass | Name) -> bool:
    """True for a task or a class; of what isn't the project's, the name tells."""
    return not isinstance(atom, Name) or atom.dotted.rpartition(".")[2][:1].isupper()


def _is_super(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "super"
