"""The keyword arguments that a class takes, read from its source.

`**kwargs` is followed: to `super().__init__`, to the classes and methods that get it, to the keys that are read of it.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from bootstrap.providers.python_source import Definition, Sources, dotted_text
from bootstrap.render.backend_kwargs.annotations import Parameter
from bootstrap.render.backend_kwargs.docstring import allowed, declared, defaults_of, fields_of
from bootstrap.render.backend_kwargs.uses import Uses, uses

Line: TypeAlias = tuple[list[Definition], bool]  # a class and its bases, and whether these are all
_ROOTS = ("object", "ABC", "Protocol", "Generic")
_DEEPEST = 12  # calls from a class's `**kwargs` to where it ends


@dataclass(frozen=True)
class Signature:
    """The arguments by name. `open`: it takes others, too, and we can't tell which. `strict`: it fails on any other; else
    it takes no notice of it.
    """

    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    open: bool = False
    strict: bool = False

    def joined(self, other: Signature) -> Signature:
        """Both; where they disagree, this one, but what only the other knows of an argument counts."""
        merged = dict(self.parameters)
        for name, two in other.parameters.items():
            one = merged.setdefault(name, two)
            merged[name] = replace(one, types=one.types or two.types, choices=one.choices or two.choices)
        return Signature(merged, self.open or other.open, self.strict or other.strict)


@dataclass(frozen=True)
class _Frame:
    """A function that is being read: as a method of `line`'s first class, where it is one."""

    function: Definition
    line: Line
    parameters: Mapping[str, Parameter]
    steps: int

    @property
    def node(self) -> ast.FunctionDef:
        assert isinstance(self.function.node, ast.FunctionDef)  # noqa: S101  for mypy: no class gets here
        return self.function.node


UNKNOWN = Signature(open=True)


class Reader:
    """Reads signatures. `extras` tells, for a class that hands its kwargs on as a mapping, where the keys are read."""

    def __init__(self, sources: Sources, extras: Mapping[str, tuple[str, ...]]) -> None:
        self._sources = sources
        self._extras = extras
        self._read: dict[tuple[int, str], Signature] = {}

    def ancestors(self, definition: Definition) -> list[str]:
        """The dotted names of a class and its bases, nearest first. Raises UnreadableModule."""
        if not isinstance(definition.node, ast.ClassDef):
            return [definition.name]
        return [base.name for base in self._line(definition)[0]]

    def signature(self, definition: Definition, steps: int = _DEEPEST) -> Signature:
        """The arguments of a class or a function, `steps` calls deep. Raises UnreadableModule."""
        if isinstance(definition.node, ast.FunctionDef):
            return self._function(definition, ([], True), steps, bound=definition.owner is not None)
        own = _method(definition, "__init__")
        alone = own is not None and not _needs_bases(own.node)
        return self._initializer(([definition], True) if alone else self._line(definition), 0, steps)

    def _initializer(self, line: Line, start: int, steps: int) -> Signature:
        """That of the first class from `start` on that has one."""
        bases, complete = line
        for place in bases[start:]:
            if function := _method(place, "__init__"):
                return self._function(function, line, steps, bound=True)
            if place.node.decorator_list:  # such as a dataclass: its arguments are made when it is imported
                return UNKNOWN
        return Signature(open=not complete, strict=complete)

    def _function(self, function: Definition, line: Line, steps: int, *, bound: bool) -> Signature:
        node = function.node
        if not steps or not isinstance(node, ast.FunctionDef) or len(node.args.posonlyargs) > bound:
            return UNKNOWN
        key = (id(node), line[0][0].name if line[0] else "")
        if key not in self._read:
            frame = _Frame(function, line, declared(function, bound=bound), steps - 1)
            own = Signature(self._with_choices(frame), strict=node.args.kwarg is None)
            self._read[key] = own.joined(self._rest(frame, node.args.kwarg.arg)) if node.args.kwarg else own
        return self._read[key]

    def _rest(self, frame: _Frame, name: str) -> Signature:
        """What the function takes in its `**name`."""
        found = uses(name, *frame.node.body)
        answer = self._used(found, frame)
        owner = frame.function.owner
        for attribute in sorted(found.stored):
            if owner is None:
                return UNKNOWN
            answer = answer.joined(self._stored(attribute, Definition(frame.function.module, owner), frame))
        return answer

    def _stored(self, attribute: str, owner: Definition, frame: _Frame) -> Signature:
        """What the methods of a class take of a mapping that its `__init__` kept."""
        answer = Signature()
        for method in _methods(owner):
            found = uses(attribute, method.node)
            if found.elsewhere and owner.name in self._extras:
                found.elsewhere = False
                answer = answer.joined(self._extra(self._extras[owner.name], frame))
            answer = answer.joined(self._used(found, replace(frame, function=method, parameters={})))
        return answer

    def _extra(self, places: tuple[str, ...], frame: _Frame) -> Signature:
        """The keys that are read of a mapping at places of their own: `MODULE:CLASS:NAME`, NAME being the mapping there."""
        answer = Signature()
        for place in places:
            module_name, class_name, name = place.split(":")
            module = self._sources.module(module_name)
            found = self._sources.find(module, class_name) if module else None
            if found is None:
                return UNKNOWN
            fields = fields_of(found.node) if isinstance(found.node, ast.ClassDef) else {}
            for method in _methods(found):
                used = uses(name, method.node)
                used.elsewhere = False
                there = self._used(used, replace(frame, function=method, line=([found], True), parameters=fields))
                answer = answer.joined(there)
        return answer

    def _used(self, found: Uses, frame: _Frame) -> Signature:
        keys = {key: frame.parameters.get(key, Parameter()) for key in sorted(found.keys)}
        answer = Signature(keys, open=found.elsewhere)
        for call in found.calls:
            answer = answer.joined(self._called(call, frame))
        return answer

    def _called(self, call: ast.Call, frame: _Frame) -> Signature:
        """What a call takes besides the arguments that it gets by name or by position."""
        signature = self._callee(call, frame)
        if any(isinstance(argument, ast.Starred) for argument in call.args):
            return UNKNOWN
        explicit = dotted_text(call.func).endswith(".__init__") and bool(call.args)  # Base.__init__(self, …)
        given = {*(keyword.arg for keyword in call.keywords), *list(signature.parameters)[: len(call.args) - explicit]}
        return replace(
            signature, parameters={name: it for name, it in signature.parameters.items() if name not in given}
        )

    def _callee(self, call: ast.Call, frame: _Frame) -> Signature:
        if _is_super(call.func):
            names = [base.node for base in frame.line[0]]
            if frame.function.owner not in names:
                return UNKNOWN
            return self._initializer(frame.line, names.index(frame.function.owner) + 1, frame.steps)
        definition = self._meant(call.func, frame)
        if definition is None:
            return UNKNOWN
        found = self.signature(definition, frame.steps)  # the call may never happen, and so needs nothing
        return replace(found, parameters={name: replace(it, required=False) for name, it in found.parameters.items()})

    def _meant(self, func: ast.expr, frame: _Frame) -> Definition | None:
        """The class, function or method that is called; a parameter means its default."""
        dotted = dotted_text(func)
        if dotted.startswith("self."):
            methods = (_method(base, dotted.removeprefix("self.")) for base in frame.line[0])
            return next(filter(None, methods), None)
        for name, value in defaults_of(frame.node):
            if name == dotted:
                dotted = dotted_text(value)
        module = frame.function.module
        return self._sources.find(module, dotted, module.imports(frame.node)) if dotted else None

    def _with_choices(self, frame: _Frame) -> dict[str, Parameter]:
        """The function's own parameters, with the values that it, or whom it hands them on to, allows only."""
        parameters = dict(frame.parameters)
        for name, values in allowed(frame.node, frame.function.module.tree).items():
            if name in parameters:
                parameters[name] = replace(parameters[name], choices=values)
        rest = frame.node.args.kwarg
        for call in uses(rest.arg, *frame.node.body).calls if rest else ():  # those that get it are worth a look
            there = self._callee(call, frame).parameters
            for keyword in call.keywords:
                inner, name = there.get(keyword.arg or ""), dotted_text(keyword.value)
                if inner and inner.choices and name in parameters and not parameters[name].choices:
                    parameters[name] = replace(parameters[name], choices=inner.choices)
        return parameters

    def _line(self, definition: Definition) -> Line:
        """A class and its bases, in the order that `super()` takes; and whether they are all known."""
        found, complete = [definition], True
        assert isinstance(definition.node, ast.ClassDef)  # noqa: S101  for mypy: no function gets here
        for base in definition.node.bases:
            node = base.value if isinstance(base, ast.Subscript) else base
            dotted = dotted_text(node)
            if dotted.rpartition(".")[2] in _ROOTS:
                continue
            place = self._sources.find(definition.module, dotted) if dotted else None
            if place is None or not isinstance(place.node, ast.ClassDef):
                complete = False
                continue
            more, known = self._line(place)
            found = [earlier for earlier in found if earlier.name not in {item.name for item in more}] + more
            complete = complete and known
        return found, complete


def _methods(place: Definition) -> list[Definition]:
    nodes = place.node.body
    assert isinstance(place.node, ast.ClassDef)  # noqa: S101  for mypy
    return [Definition(place.module, item, place.node) for item in nodes if isinstance(item, ast.FunctionDef)]


def _method(place: Definition, name: str) -> Definition | None:
    return next((method for method in _methods(place) if method.node.name == name), None)


def _is_super(func: ast.expr) -> bool:
    called = func.value if isinstance(func, ast.Attribute) and func.attr == "__init__" else None
    return isinstance(called, ast.Call) and dotted_text(called.func) == "super"


def _needs_bases(node: ast.AST) -> bool:
    """True if a function hands a `**mapping` on to its base class, or to a method that may be there."""
    calls = (call for call in ast.walk(node) if isinstance(call, ast.Call))
    handing_on = (call for call in calls if any(keyword.arg is None for keyword in call.keywords))
    return any(_is_super(call.func) or dotted_text(call.func).startswith("self.") for call in handing_on)
