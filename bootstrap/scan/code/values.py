"""What an expression can be, as far as the code says: each value is a set of alternatives."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import EllipsisType

MOST = 64  # alternatives of one value; beyond, the rest is unknown

Literal = str | bytes | int | float | complex | bool | None


@dataclass(frozen=True)
class Site:
    """A line of a file, relative to the scanned folder."""

    file: str
    line: int


@dataclass(eq=False)
class Scope:
    """The names of a module, a function or a class; a function's are looked for in `parent`, too."""

    module: str
    names: dict[str, Value] = field(default_factory=dict)
    parent: Scope | None = None


@dataclass(eq=False)
class Function:
    """A function of the scanned code: `scope` is where it was defined, `owner` its class."""

    name: str
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    scope: Scope
    owner: Class | None = None
    decorators: tuple[Value, ...] = ()


@dataclass(eq=False)
class Class:
    """A class of the scanned code: `bases` are what it inherits from, `scope` has its attributes and methods."""

    name: str
    node: ast.ClassDef
    bases: tuple[Value, ...]
    scope: Scope


@dataclass(frozen=True)
class Const:
    """A literal. `site` is the call that passed it on to the code which uses it; None where it stands there itself.

    `default` is true for what an __init__ of the project's says where the caller says nothing.
    """

    value: Literal
    site: Site | None = None
    default: bool = field(default=False, compare=False)


@dataclass(frozen=True)
class Unknown:
    """Only known when the code runs; `expression` is its source text."""

    expression: str
    site: Site | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Text:
    """A string with holes: parts that are known, and expressions, as of f"gs://{bucket}/x"."""

    parts: tuple[str | Unknown, ...]
    site: Site | None = field(default=None, compare=False)

    @property
    def expression(self) -> str:
        """As an f-string."""
        return 'f"' + "".join(p if isinstance(p, str) else "{" + p.expression + "}" for p in self.parts) + '"'


@dataclass(frozen=True, eq=False)
class Items:
    """A list, tuple or set; `open` where there may be more elements than these."""

    elements: tuple[Value, ...]
    open: bool = False


@dataclass(frozen=True, eq=False)
class Table:
    """A dict with text keys; `open` where there may be other keys."""

    entries: tuple[tuple[Literal, Value], ...]
    open: bool = False

    def get(self, key: Literal) -> Value | None:
        """The last entry of that key."""
        return next((value for name, value in reversed(self.entries) if name == key and type(name) is type(key)), None)


@dataclass(frozen=True)
class Name:
    """Something that isn't the project's, by its dotted name: `airflow.providers.http.hooks.http.HttpHook`."""

    dotted: str


@dataclass(frozen=True)
class Made:
    """What a call of something that isn't the project's returned: an operator, a hook, anything."""

    call: Call  # two calls are two things
    expression: str = field(default="", compare=False)


@dataclass(frozen=True)
class Attribute:
    """An attribute of what a call returned: `hook.run`."""

    of: Made
    name: str
    expression: str = field(default="", compare=False)


@dataclass(frozen=True, eq=False)
class Partial:
    """Something that is called later, with these arguments besides: `PostgresOperator.partial(…)`, `functools.partial(f, …)`."""

    of: Name | ProjectFunction | ProjectClass | Method
    arguments: tuple[Value, ...] = ()
    keywords: tuple[tuple[str, Value], ...] = ()


@dataclass(frozen=True)
class Method:
    """A method of the scanned code, bound to its object or class."""

    function: Function
    of: Value


@dataclass(frozen=True)
class ProjectFunction:
    """A function of the scanned code, with the names around it."""

    function: Function


@dataclass(frozen=True)
class ProjectClass:
    """A class of the scanned code."""

    of: Class


@dataclass(frozen=True, eq=False)
class Instance:
    """An object of a class of the scanned code; `attributes` are set while it is interpreted, and `made` by a base that isn't the
    project's.
    """

    of: Class
    attributes: dict[str, Value] = field(default_factory=dict)
    made: list[Call] = field(default_factory=list)
    site: Site | None = None


@dataclass(frozen=True)
class ModuleName:
    """A module of the scanned code, by its dotted name."""

    name: str


Atom = (
    Const
    | Unknown
    | Text
    | Items
    | Table
    | Name
    | Made
    | Attribute
    | Partial
    | Method
    | ProjectFunction
    | ProjectClass
    | Instance
    | ModuleName
)


@dataclass(frozen=True)
class Value:
    """All that an expression can be."""

    atoms: tuple[Atom, ...]

    def constants(self) -> Iterator[Const]:
        """The literals among them."""
        return (atom for atom in self.atoms if isinstance(atom, Const))

    def texts(self) -> list[str]:
        """The strings among them."""
        return [atom.value for atom in self.constants() if isinstance(atom.value, str)]

    def literal(self) -> Literal | EllipsisType:
        """The one literal that it is; `...` where it can be several, or something else."""
        if len(self.atoms) == 1 and isinstance(self.atoms[0], Const):
            return self.atoms[0].value
        return ...

    def elements(self) -> list[Value]:
        """The elements of the lists among them."""
        return [each for atom in self.atoms if isinstance(atom, Items) for each in atom.elements]

    def tables(self) -> list[Table]:
        """The dicts among them."""
        return [atom for atom in self.atoms if isinstance(atom, Table)]

    def calls(self) -> list[Call]:
        """The calls that made it, where it is what they returned."""
        return [atom.call for atom in self.atoms if isinstance(atom, Made)]


@dataclass(frozen=True, eq=False)
class Call:
    """A call of something that isn't the project's own: an operator, a hook, a method of one, a function.

    `name` is dotted, as it was imported: `airflow.providers.postgres.hooks.postgres.PostgresHook`, and for a method of what that
    returned `….PostgresHook.run`, where `receiver` is the call that made the object. `keywords` has the arguments by name, those of
    `partial()` and `expand()` and of a literal `**` among them; `defaults` are the `default_args` of its DAG and task group.
    `open` is true where a `**` could bring more. `node` is the source.
    """

    name: str
    site: Site
    arguments: tuple[Value, ...] = ()
    keywords: Mapping[str, Value] = field(default_factory=dict)
    defaults: Mapping[str, Value] = field(default_factory=dict)
    open: bool = False
    receiver: Call | None = None
    top_level: bool = False  # runs whenever Airflow parses the file: in no function that only a task calls
    node: ast.AST | None = None

    def given(self, name: str) -> Value | None:
        """The argument of that name, else what `default_args` say."""
        return self.keywords.get(name, self.defaults.get(name))


def known(value: Literal, site: Site | None = None) -> Value:
    """A value that is just this literal."""
    return Value((Const(value, site),))


def unknown(expression: str) -> Value:
    """A value that only a run can tell."""
    return Value((Unknown(expression),))


def union(*values: Value) -> Value:
    """What is one of these."""
    atoms = tuple(dict.fromkeys(atom for value in values for atom in value.atoms))
    return Value(atoms if len(atoms) <= MOST else (*atoms[:MOST], Unknown("…")))
