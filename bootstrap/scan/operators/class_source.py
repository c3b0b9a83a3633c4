"""Classes in the source of Airflow and its providers: what their names stand for, their bases, and their attributes.

Nothing is imported; a base that isn't in the folders is known by its dotted name alone.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from bootstrap.providers.python_source import Definition, Import, Module, Sources, UnreadableModule, dotted_text

Constant = str | int | float | bool | None
UNKNOWN = object()  # an expression that is no literal


@dataclass(frozen=True, eq=False)
class ClassSource:
    """A class's definition. `bases` are dotted names."""

    name: str
    module: Module
    node: ast.ClassDef
    bases: tuple[str, ...]

    @property
    def title(self) -> str:
        """The last part of its name."""
        return self.node.name

    @cached_property
    def functions(self) -> dict[str, ast.FunctionDef | ast.AsyncFunctionDef]:
        """Its methods; the last of a name counts."""
        return {item.name: item for item in self.node.body if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)}

    @cached_property
    def attributes(self) -> dict[str, ast.expr]:
        """What the class's body assigns."""
        found: dict[str, ast.expr] = {}
        for item in self.node.body:
            match item:
                case ast.Assign(targets=targets, value=value):
                    found |= {target.id: value for target in targets if isinstance(target, ast.Name)}
                case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                    found[name] = value
        return found


@dataclass(frozen=True, eq=False)
class Line:
    """A class with all that it inherits from, in the order in which Python looks; a name alone is a base that isn't here."""

    members: tuple[ClassSource | str, ...]

    @property
    def own(self) -> ClassSource:
        """The class itself."""
        first = self.members[0]
        assert isinstance(first, ClassSource)  # noqa: S101  it always begins with one
        return first

    @property
    def read(self) -> Iterator[ClassSource]:
        """Those whose source is here."""
        return (member for member in self.members if isinstance(member, ClassSource))

    @cached_property
    def titles(self) -> frozenset[str]:
        """The last part of each name."""
        names = (member if isinstance(member, str) else member.name for member in self.members)
        return frozenset(name.rpartition(".")[2] for name in names)

    def attribute(self, name: str) -> tuple[ClassSource, ast.expr] | None:
        """The first class that assigns an attribute, and what."""
        found = ((member, member.attributes[name]) for member in self.read if name in member.attributes)
        return next(found, None)


class Classes:
    """The classes of some folders, found by dotted names. `tops` are the packages that are looked into, as `airflow`: what libraries
    define says nothing of connections.
    """

    def __init__(self, sources: Sources, tops: frozenset[str]) -> None:
        self.sources = sources
        self.tops = tops
        self._found: dict[str, ClassSource | None] = {}
        self._lines: dict[str, Line] = {}

    def module(self, name: str) -> Module | None:
        """The module of that name; None where there is none, or it can't be read."""
        if name.partition(".")[0] not in self.tops:
            return None
        try:
            return self.sources.module(name)
        except UnreadableModule:
            return None

    def get(self, name: str) -> ClassSource | None:
        """The class of this dotted name, where it is defined."""
        if name not in self._found:
            self._found[name] = self._get(name)
        return self._found[name]

    def line(self, of: ClassSource) -> Line:
        """It and its bases."""
        if of.name not in self._lines:
            self._lines[of.name] = Line((of,))  # ends a circle
            self._lines[of.name] = Line(self._line(of))
        return self._lines[of.name]

    def meant(self, module: Module, dotted: str, local: dict[str, Import] | None = None) -> str:
        """The dotted name of what an expression such as `a.B` in a module stands for, as far as it can be followed."""
        first, _, rest = dotted.partition(".")
        bound = (local or {}).get(first) or module.names.get(first)
        of_library = isinstance(bound, Import) and bound.module.partition(".")[0] not in self.tops
        definition = None if of_library else self._find(module, dotted, local)
        if definition is not None:
            return definition.name
        if isinstance(bound, Import):
            parts = (bound.module, bound.name, rest)
            return ".".join(part for part in parts if part)
        return dotted

    def value(self, module: Module, node: ast.AST | None, inside: Line | None = None, steps: int = 8) -> object:
        """The literal that an expression is: also a constant of a module or a class. `UNKNOWN` where it isn't one.

        `inside` is the class in whose body it stands.
        """
        match node:
            case ast.Constant(value=str() | int() | float() | None as constant):
                return constant
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
                return -number
            case ast.BinOp() if steps:
                sides = (
                    self.value(module, node.left, inside, steps - 1),
                    self.value(module, node.right, inside, steps - 1),
                )
                return _computed(node.op, *sides)
            case ast.Call(func=ast.Attribute(attr="getboolean" | "getint" | "get"), keywords=keywords):
                # conf.getboolean("operators", "default_deferrable", fallback=False): what Airflow's own configuration says
                fallback = next((item.value for item in keywords if item.arg == "fallback"), None)
                return self.value(module, fallback, inside, steps - 1) if fallback is not None and steps else UNKNOWN
            case ast.Name() | ast.Attribute() if steps:
                return self._named_value(module, dotted_text(node), inside, steps - 1)
        return UNKNOWN

    def _named_value(self, module: Module, dotted: str, inside: Line | None, steps: int) -> object:
        owner, _, last = dotted.rpartition(".")
        if not owner:
            found = inside.attribute(last) if inside else None
            if found is not None:
                return self.value(found[0].module, found[1], None, steps)
            bound = module.names.get(last)
            if isinstance(bound, Import):
                home = self.module(bound.module)
                if home is None or bound.name is None:
                    return UNKNOWN
                return self._named_value(home, bound.name, None, steps) if steps else UNKNOWN
            return self.value(module, bound, None, steps) if isinstance(bound, ast.expr) else UNKNOWN
        line = inside if owner in {"self", "cls"} else self._line_of(module, owner)
        found = line.attribute(last) if line else None
        if found is not None:
            return self.value(found[0].module, found[1], None, steps)
        home = self.module(self.meant(module, owner))
        return self._named_value(home, last, None, steps) if home is not None and steps else UNKNOWN

    def _line_of(self, module: Module, dotted: str) -> Line | None:
        of = self.get(self.meant(module, dotted))
        return self.line(of) if of else None

    def _get(self, name: str) -> ClassSource | None:
        home, _, title = name.rpartition(".")
        module = self.module(home) if home else None
        definition = self._find(module, title) if module else None
        if definition is None and module is not None:
            return self._lazy(module, title)
        if definition is None or not isinstance(definition.node, ast.ClassDef):
            return None
        if definition.name != name:
            return self.get(definition.name)
        bases = (self.meant(definition.module, text) for text in map(_base, definition.node.bases) if text)
        return ClassSource(name, definition.module, definition.node, tuple(bases))

    def _lazy(self, module: Module, title: str) -> ClassSource | None:
        """A class that a module imports when it is asked for, as the map of names in `common.compat` says."""
        imported = module.names.get("_IMPORT_MAP")
        if not isinstance(imported, ast.Dict):
            return None
        places = ast.literal_eval(imported).get(title, ())
        names = (f"{place}.{title}" for place in ((places,) if isinstance(places, str) else places))
        return next(filter(None, map(self.get, names)), None)

    def _find(self, module: Module, dotted: str, local: dict[str, Import] | None = None) -> Definition | None:
        try:
            return self.sources.find(module, dotted, local)
        except UnreadableModule:
            return None

    def _line(self, of: ClassSource) -> tuple[ClassSource | str, ...]:
        lines: list[list[ClassSource | str]] = []
        for base in of.bases:
            found = self.get(base)
            lines.append(list(self.line(found).members) if found else [base])
        direct = [line[0] for line in lines]
        return (of, *_merged([*lines, direct]))


def _base(node: ast.expr) -> str:
    """`Base` of `Base` and of `Base[T]`."""
    return dotted_text(node.value if isinstance(node, ast.Subscript) else node)


def _computed(operator: ast.operator, left: object, right: object) -> object:
    """`60 * 20`."""
    if isinstance(left, int | float) and isinstance(right, int | float):
        match operator:
            case ast.Mult():
                return left * right
            case ast.Add():
                return left + right
            case ast.Sub():
                return left - right
    return UNKNOWN


def _merged(lines: Sequence[list[ClassSource | str]]) -> Iterator[ClassSource | str]:
    """Python's method resolution order (C3); where there is none, the order in which the bases stand."""
    waiting = [list(line) for line in lines if line]
    while waiting:
        heads = [line[0] for line in waiting]
        free = (head for head in heads if not any(head in line[1:] for line in waiting))
        chosen = next(free, heads[0])
        yield chosen
        waiting = [rest for line in waiting if (rest := [item for item in line if item != chosen])]
