"""What a rule is, what it looks at, and what it says."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias

from bootstrap.scan.code.values import Call
from bootstrap.scan.operators.table import Operator, Operators
from bootstrap.scan.sources.syntax import Parsed

Level: TypeAlias = Literal["error", "warning", "note"]


@dataclass(frozen=True)
class DagFile:
    """One file: its calls in order, and its source."""

    name: str
    calls: Sequence[Call]
    operators: Operators
    source: Parsed

    @cached_property
    def own(self) -> list[tuple[Call, Operator]]:
        """`known`, without classes of the project's that inherit from an operator: what those do is theirs."""
        return [(call, operator) for call, operator in self.known if _names(call)]

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


def _names(call: Call) -> bool:
    """True if the code calls it by its own name, with or without `.partial`; so it is for what a decorator made."""
    if not isinstance(call.node, ast.Call):
        return True
    own = call.name.rpartition(".")[2]
    parts = ast.walk(call.node.func)
    return any(own in (getattr(part, "id", None), getattr(part, "attr", None)) for part in parts)


def title(dotted: str) -> str:
    """The name of a class, and with it that of its method: `airflow.….S3Hook.read_key` is `S3Hook.read_key`."""
    parts = dotted.split(".")
    first = next((index for index, part in enumerate(parts) if part[:1].isupper()), len(parts) - 1)
    return ".".join(parts[first:])
