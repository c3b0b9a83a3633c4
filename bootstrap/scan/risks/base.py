"""What a rule is, what it looks at, and what it says."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal as OneOf
from typing import Protocol, TypeAlias

from bootstrap.scan.values import Call, Literal

Level: TypeAlias = OneOf["error", "warning", "note"]


class ConnArgument(Protocol):
    """An argument that is a connection's id, and what it is by default."""

    @property
    def name(self) -> str:
        """The parameter."""

    @property
    def default(self) -> str | None:
        """None where no connection is needed without it."""


class Operator(Protocol):
    """What the rules ask of an operator: its parameters' own defaults, and what it is."""

    @property
    def kind(self) -> str:
        """`sensor`, `operator`, `hook`, …"""

    @property
    def connections(self) -> Sequence[ConnArgument]:
        """The parameters that are connection ids."""

    @property
    def positional(self) -> Sequence[str]:
        """The parameters that can be given without a name, in order."""

    @property
    def parameters(self) -> Sequence[str] | frozenset[str]:
        """All parameters, those of its bases among them."""

    @property
    def defaults(self) -> Mapping[str, Literal]:
        """Parameters whose default is a literal."""


class Operators(Protocol):
    """The table of operators."""

    def find(self, dotted: str, /) -> Operator | None:
        """The operator, sensor or hook of this dotted name; None where it isn't known."""


class Source(Protocol):
    """A file's text and what was read of it."""

    @property
    def tree(self) -> ast.Module:
        """Its syntax tree."""

    @property
    def text(self) -> str:
        """Its text, with line feeds between lines."""

    @property
    def comments(self) -> Mapping[int, str]:
        """The comment of a line, `#` included."""


@dataclass(frozen=True)
class DagFile:
    """One file: its calls in order, and its source."""

    name: str
    calls: Sequence[Call]
    operators: Operators
    source: Source

    @cached_property
    def known(self) -> list[tuple[Call, Operator]]:
        """The calls of what the table of operators knows."""
        found = ((call, self.operators.find(call.name)) for call in self.calls)
        return [(call, operator) for call, operator in found if operator is not None]


@dataclass(frozen=True)
class Found:
    """A finding: `call`, or the lines from `line` to `last`. `by` is the operator with its argument; `fix` overrides the rule's."""

    line: int
    message: str
    by: str = ""
    fix: str = ""
    last: int = 0


@dataclass(frozen=True)
class Rule:
    """What a code means. `explanation` says why that is a risk, `fix` the next step where a finding says none of its own."""

    code: str
    title: str
    explanation: str
    fix: str
    level: Level = "warning"


def at(call: Call, message: str, argument: str = "", fix: str = "") -> Found:
    """A finding at a call."""
    last = getattr(call.node, "end_lineno", None) or call.site.line
    by = f"{title(call.name)}.{argument}" if argument else title(call.name)
    return Found(call.site.line, message, by, fix, last)


def title(dotted: str) -> str:
    """The name of a class, and with it that of its method: `airflow.….S3Hook.read_key` is `S3Hook.read_key`."""
    parts = dotted.split(".")
    first = next((index for index, part in enumerate(parts) if part[:1].isupper()), len(parts) - 1)
    return ".".join(parts[first:])
