"""What an expression can be."""

from __future__ import annotations

import ast
import builtins
import operator
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from bootstrap.scan.code import known_calls
from bootstrap.scan.code.frame import Frame
from bootstrap.scan.code.values import (
    Attribute,
    Const,
    Function,
    Instance,
    Items,
    Made,
    Method,
    ModuleName,
    Name,
    Partial,
    ProjectClass,
    ProjectFunction,
    Scope,
    Table,
    Text,
    Unknown,
    Value,
    known,
    union,
    unknown,
)
from bootstrap.scan.masked import masked

LONGEST = 120  # characters of an expression in a report
LONGEST_LIST = 1000  # elements of a list that is put together
LONGEST_TEXT = 10_000  # characters of a string that is worked out
ROUNDS = 32  # elements of a list that a loop is run for, one by one
_BUILTINS = frozenset(dir(builtins))
_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Mod: operator.mod, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
}  # fmt: skip


class Expressions:
    """Evaluates expressions. Statements, calls and the project's modules are the interpreter's."""

    @abstractmethod
    def call(self, node: ast.Call, frame: Frame) -> Value:
        """What a call returns."""

    @abstractmethod
    def applied(self, function: Function, this: Value | None, frame: Frame) -> Value:
        """What a function returns that is called without arguments, as a property is."""

    @abstractmethod
    def member(self, module: str, name: str, frame: Frame) -> Value | None:
        """A name of a module of the project's; None where it has none such."""

    @abstractmethod
    def base_method(self, instance: Instance, name: str) -> Value | None:
        """What the bases that aren't the project's have under that name."""

    def evaluate(self, node: ast.expr | None, frame: Frame) -> Value:
        """All that the expression can be."""
        if node is None:
            return known(None)
        work = getattr(self, "_" + type(node).__name__.lower(), None)
        return work(node, frame) if work is not None else unknown(source(node))

    def _constant(self, node: ast.Constant, frame: Frame) -> Value:  # noqa: ARG002  a part of the table
        return known(node.value) if node.value is not ... else unknown("...")

    def _name(self, node: ast.Name, frame: Frame) -> Value:
        scope: Scope | None = frame.scope
        while scope is not None:
            if (value := scope.names.get(node.id)) is not None:
                return value
            scope = scope.parent
        if (value := frame.module.scope.names.get(node.id)) is not None:
            return value
        if node.id in _BUILTINS:
            return Value((Name(f"builtins.{node.id}"),))
        if frame.module.stars:
            return Value(tuple(Name(f"{module}.{node.id}") for module in frame.module.stars))
        return unknown(node.id)

    def _attribute(self, node: ast.Attribute, frame: Frame) -> Value:
        return self.attribute_of(self.evaluate(node.value, frame), node, frame)

    def attribute_of(self, value: Value, node: ast.Attribute, frame: Frame) -> Value:
        """The attribute that the node names, of a value."""
        return union(*(self.attribute(atom, node.attr, node, frame) for atom in value.atoms))

    def attribute(self, atom: Any, name: str, node: ast.expr, frame: Frame) -> Value:  # noqa: PLR0911  one for each kind of atom
        """`atom.name`."""
        if isinstance(atom, Name):
            return Value((Name(f"{atom.dotted}.{name}"),))
        if isinstance(atom, ModuleName):
            found = self.member(atom.name, name, frame)
            return found if found is not None else unknown(source(node))
        if isinstance(atom, Made):
            given = atom.call.keywords.get(name)
            return given if given is not None else Value((Attribute(atom, name, source(node)),))
        if isinstance(atom, Instance):
            return self._of_instance(atom, name, node, frame)
        if isinstance(atom, ProjectClass):
            inherited = class_member(atom.of, name)
            if isinstance(inherited, Name):
                return Value((inherited,))
            return bound(inherited, Value((atom,)), classes=True) if inherited is not None else unknown(source(node))
        if isinstance(atom, Const) and name in ("value", "name"):  # of an Enum
            return Value((atom,))
        if isinstance(atom, (Unknown, Text)):
            return Value((Unknown(source(node), atom.site),))
        return unknown(source(node))

    def _of_instance(self, instance: Instance, name: str, node: ast.expr, frame: Frame) -> Value:
        this = Value((instance,))
        if (value := instance.attributes.get(name)) is not None:
            return value
        found = class_member(instance.of, name)
        if isinstance(found, Value):
            value = bound(found, this)
            if _is_property(value):
                return union(
                    *(self.applied(atom.function, this, frame) for atom in value.atoms if isinstance(atom, Method))
                )
            return value
        made = self.base_method(instance, name)
        return made if made is not None else unknown(source(node))

    def _joinedstr(self, node: ast.JoinedStr, frame: Frame) -> Value:
        return known_calls.joined([self.evaluate(each, frame) for each in node.values], source(node))

    def _formattedvalue(self, node: ast.FormattedValue, frame: Frame) -> Value:
        value = self.evaluate(node.value, frame)
        return value if node.format_spec is None else unknown(source(node.value))

    def _binop(self, node: ast.BinOp, frame: Frame) -> Value:
        left, right = self.evaluate(node.left, frame), self.evaluate(node.right, frame)
        if isinstance(node.op, ast.BitOr) and (left.tables() or right.tables()):
            entries = [entry for table in (*left.tables(), *right.tables()) for entry in table.entries]
            return Value((Table(tuple(entries)),))
        if isinstance(node.op, ast.Add) and (left.elements() or right.elements()):
            return Value((_appended(left, right),))
        if isinstance(node.op, ast.Mod) and right.elements():
            found = known_calls.combined(lambda text, *rest: text % rest, left, *right.elements())
            return found if found is not None else unknown(source(node))
        work = _OPERATORS.get(type(node.op))
        found = known_calls.combined(lambda a, b: _small(work, a, b), left, right) if work else None
        if found is not None:
            return found
        if isinstance(node.op, ast.Add) and _is_text(left, right):
            return known_calls.joined([left, right], source(node))
        return unknown(source(node))

    def _boolop(self, node: ast.BoolOp, frame: Frame) -> Value:
        values = [self.evaluate(each, frame) for each in node.values]
        if isinstance(node.op, ast.And):
            return values[-1]
        # `a or "x"`: of what stands before, only what counts as true
        truthy = [
            Value(tuple(atom for atom in each.atoms if not (isinstance(atom, Const) and not atom.value)))
            for each in values[:-1]
        ]
        return union(*truthy, values[-1])

    def _ifexp(self, node: ast.IfExp, frame: Frame) -> Value:
        self.evaluate(node.test, frame)
        return union(self.evaluate(node.body, frame), self.evaluate(node.orelse, frame))

    def _compare(self, node: ast.Compare, frame: Frame) -> Value:
        for each in (node.left, *node.comparators):
            self.evaluate(each, frame)
        return unknown(source(node))

    def _unaryop(self, node: ast.UnaryOp, frame: Frame) -> Value:
        value = self.evaluate(node.operand, frame)
        if isinstance(node.op, ast.USub):
            found = known_calls.combined(operator.neg, value)
            return found if found is not None else unknown(source(node))
        if isinstance(node.op, ast.Not) and (literal := value.literal()) is not ...:
            return known(not literal)
        return unknown(source(node))

    def _elements(self, nodes: Sequence[ast.expr], frame: Frame) -> Value:
        elements: list[Value] = []
        is_open = False
        for each in nodes:
            if isinstance(each, ast.Starred):
                inner = self.evaluate(each.value, frame)
                elements += inner.elements()
                is_open = is_open or not is_whole(inner)
            else:
                elements.append(self.evaluate(each, frame))
        return Value((Items(tuple(elements), is_open),))

    def _list(self, node: ast.List, frame: Frame) -> Value:
        return self._elements(node.elts, frame)

    def _tuple(self, node: ast.Tuple, frame: Frame) -> Value:
        return self._elements(node.elts, frame)

    def _set(self, node: ast.Set, frame: Frame) -> Value:
        return self._elements(node.elts, frame)

    def _dict(self, node: ast.Dict, frame: Frame) -> Value:
        entries: list[tuple[Any, Value]] = []
        is_open = False
        for key, value in zip(node.keys, node.values, strict=True):
            found = self.evaluate(value, frame)
            if key is None:
                for table in found.tables():
                    entries += table.entries
                    is_open = is_open or table.open
                is_open = is_open or not found.tables()
                continue
            names = list(self.evaluate(key, frame).constants())
            entries += [(name.value, found) for name in names]
            is_open = is_open or not names
        return Value((Table(tuple(entries), is_open),))

    def _subscript(self, node: ast.Subscript, frame: Frame) -> Value:
        base = self.evaluate(node.value, frame)
        if isinstance(node.slice, ast.Slice):
            return base
        found = known_calls.item(base, self.evaluate(node.slice, frame))
        return found if found.atoms else unknown(source(node))

    def _call(self, node: ast.Call, frame: Frame) -> Value:
        return self.call(node, frame)

    def _await(self, node: ast.Await, frame: Frame) -> Value:
        return self.evaluate(node.value, frame)

    def _yield(self, node: ast.Yield, frame: Frame) -> Value:
        frame.returns.append(self.evaluate(node.value, frame))
        return unknown("yield")

    def _yieldfrom(self, node: ast.YieldFrom, frame: Frame) -> Value:
        frame.returns.append(self.evaluate(node.value, frame))
        return unknown("yield")

    def _starred(self, node: ast.Starred, frame: Frame) -> Value:
        return self.evaluate(node.value, frame)

    def _namedexpr(self, node: ast.NamedExpr, frame: Frame) -> Value:
        value = self.evaluate(node.value, frame)
        self.assign(node.target, value, frame)
        return value

    def _lambda(self, node: ast.Lambda, frame: Frame) -> Value:
        return Value((ProjectFunction(Function("<lambda>", node, frame.scope, frame.owner)),))

    def _listcomp(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp, frame: Frame) -> Value:
        elements = [self.evaluate(node.elt, frame) for _ in self._rounds(node.generators, frame)]
        return Value((Items(tuple(elements)),))

    _setcomp = _generatorexp = _listcomp

    def _dictcomp(self, node: ast.DictComp, frame: Frame) -> Value:
        entries: list[tuple[Any, Value]] = []
        is_open = False
        for _ in self._rounds(node.generators, frame):
            names = list(self.evaluate(node.key, frame).constants())
            value = self.evaluate(node.value, frame)
            entries += [(name.value, value) for name in names]
            is_open = is_open or not names
        return Value((Table(tuple(entries), is_open),))

    def _rounds(self, generators: Sequence[ast.comprehension], frame: Frame) -> Iterator[None]:
        first, *rest = generators
        for value in rounds(self.evaluate(first.iter, frame), first.iter):
            self.assign(first.target, value, frame)
            for condition in first.ifs:
                self.evaluate(condition, frame)
            if rest:
                yield from self._rounds(rest, frame)
            else:
                yield

    def assign(self, target: ast.expr, value: Value, frame: Frame) -> None:
        """`target = value`."""
        if isinstance(target, ast.Name):
            frame.bind(target.id, value)
        elif isinstance(target, (ast.Tuple, ast.List)):
            for place, each in enumerate(target.elts):
                part = known_calls.item(value, known(place))
                self.assign(each, part if part.atoms else unknown(source(each)), frame)
        elif isinstance(target, ast.Starred):
            self.assign(target.value, unknown(source(target.value)), frame)
        elif isinstance(target, ast.Attribute):
            for atom in self.evaluate(target.value, frame).atoms:
                if isinstance(atom, Instance):
                    before = atom.attributes.get(target.attr)
                    atom.attributes[target.attr] = (
                        value if before is None or before.literal() is None else union(before, value)
                    )
                elif isinstance(atom, ProjectClass):
                    atom.of.scope.names[target.attr] = value
        elif isinstance(target, ast.Subscript):
            self._assign_item(target, value, frame)

    def _assign_item(self, target: ast.Subscript, value: Value, frame: Frame) -> None:
        tables = self.evaluate(target.value, frame).tables()
        key = self.evaluate(target.slice, frame)
        if not tables:
            return
        names = [(const.value, value) for const in key.constants()]
        changed = [Table((*table.entries, *names), table.open or not names) for table in tables]
        self.assign(target.value, Value(tuple(changed)), frame)


def _appended(left: Value, right: Value) -> Items:
    """`left + right`. Where either can be several lists, what they share is there once: `+=` in branches would double it each time."""
    elements: Iterable[Value] = (*left.elements(), *right.elements())
    if len(left.atoms) > 1 or len(right.atoms) > 1:
        elements = dict.fromkeys(elements)
    kept = tuple(islice(elements, LONGEST_LIST + 1))
    return Items(kept[:LONGEST_LIST], open=len(kept) > LONGEST_LIST)


def rounds(value: Value, node: ast.expr) -> Iterator[Value]:
    """What a loop's variable is, round by round; all at once where there are many."""
    elements = value.elements() + [known(key) for table in value.tables() for key, _ in table.entries]
    if not elements:
        yield unknown(f"each of {source(node)}")
    elif len(elements) <= ROUNDS:
        yield from elements
    else:
        yield union(*elements)


def is_whole(value: Value) -> bool:
    """True for a list of which every element is known."""
    return all(isinstance(atom, Items) and not atom.open for atom in value.atoms)


def source(node: ast.AST) -> str:
    """The expression as text, in one line."""
    kept: str | None = getattr(node, "source_text", None)
    if kept is None:
        kept = _unparsed(node)
        node.source_text = kept  # type: ignore[attr-defined]  # the same expression is asked for again and again
    return kept


def _unparsed(node: ast.AST) -> str:
    try:
        text = " ".join(ast.unparse(node).split())
    except (ValueError, RecursionError, AttributeError):
        return "…"
    text = masked(text)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def class_member(of: Any, name: str, seen: tuple[Any, ...] = ()) -> Value | Name | None:
    """An attribute of a class or of its bases: a Name where the first base that could have it isn't the project's."""
    if (value := of.scope.names.get(name)) is not None:
        found: Value = value
        return found
    outside = None
    for base in of.bases:
        for atom in base.atoms:
            if isinstance(atom, ProjectClass) and atom.of not in seen:
                inherited = class_member(atom.of, name, (*seen, of))
                if isinstance(inherited, Value):
                    return inherited
                outside = outside or inherited
            elif isinstance(atom, Name) and atom.dotted != "builtins.object":
                outside = outside or Name(f"{atom.dotted}.{name}")
    return outside


def bound(value: Value, this: Value, *, classes: bool = False) -> Value:
    """Functions of a class as methods of `this`."""
    return Value(tuple(_bound(atom, this, classes=classes) for atom in value.atoms))


def _bound(atom: Any, this: Value, *, classes: bool) -> Any:
    if not isinstance(atom, ProjectFunction):
        return atom
    names = decorator_names(atom.function)
    if "builtins.staticmethod" in names or (classes and "builtins.classmethod" not in names):
        return atom
    return Method(atom.function, this)


def decorator_names(function: Function) -> set[str]:
    """The dotted names of a function's decorators, called or not."""
    names = set()
    for value in function.decorators:
        for atom in value.atoms:
            if isinstance(atom, Name):
                names.add(atom.dotted)
            elif isinstance(atom, Made):
                names.add(atom.call.name)
            elif isinstance(atom, (Partial, Attribute)):
                names.add(getattr(atom, "expression", ""))
    return names


def _is_property(value: Value) -> bool:
    names = {
        name.rpartition(".")[2]
        for atom in value.atoms
        if isinstance(atom, Method)
        for name in decorator_names(atom.function)
    }
    return bool(names & {"property", "cached_property"})


def _small(work: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
    """The result, unless it could fill the memory: "x" * 10**9."""
    if work is operator.mul and isinstance(left, (str, bytes)) != isinstance(right, (str, bytes)):
        count, text = (left, right) if isinstance(left, int) else (right, left)
        if len(text) * count > LONGEST_TEXT:
            raise ValueError
    return work(left, right)


def _is_text(*values: Value) -> bool:
    return any(
        isinstance(atom, Text) or (isinstance(atom, Const) and isinstance(atom.value, str))
        for value in values
        for atom in value.atoms
    )
