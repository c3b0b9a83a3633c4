"""What a scan found as entries of a manifest: connections and variables, each with the places that need it as a comment.

Nothing is invented: what only a person can know is a reference to a secret that isn't there yet, which `doctor` reports. A
connection that can't be declared as it is, is written as a comment.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bootstrap.convert.conversion import CONNECTIONS, VARIABLES, Place
from bootstrap.domain.reference import Reference
from bootstrap.domain.secret_shapes import is_random, shape
from bootstrap.manifest.field_types import CONN_TYPE, NAME
from bootstrap.manifest.models import INDEX
from bootstrap.manifest.problems import LONGEST
from bootstrap.scan import model
from bootstrap.scan.manifest.conn_fields import Field, fields_of
from bootstrap.scan.model import Dynamic, VariableUse
from bootstrap.scan.resources.checks import Check, checks_for
from bootstrap.scan.result import Connection
from bootstrap.scan.text import where
from bootstrap.util.human import visible
from bootstrap.util.yaml_edit import Entry
from bootstrap.util.yaml_text import dump

MOST = 10  # places of one connection: `scan` shows the others
DYNAMIC = "Connection ids that are only known when the code runs; declare what they can be:"
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")  # as in a path that `init --from` makes
_OURS = re.compile(r"\S.*\.\w+:\d+(?: [\w.@]+)?|and \d+ more places?")
_LONG = 100  # characters of an expression
_TYPE_HINT = "the code doesn't tell its conn_type: fill it in, and take out the # of these lines"


@dataclass(frozen=True)
class Declarable:
    """One entry. `data` is what its lines say; None where all of it is a comment, for the reason `problem`; "" if that is fine."""

    name: str
    entry: Entry
    data: Any = None
    problem: str = ""


class _Flow(dict[str, Any]):
    """A mapping that is written on one line."""


@dataclass(frozen=True)
class Writer:
    """Makes entries. `place`: the store for what is to be filled in; None where the manifest has none.

    `loads` says whether a manifest would take a section's entry: (section, name, data).
    """

    place: Place | None
    loads: Callable[[str, str, Any], bool]

    def connection(self, found: Connection) -> Declarable:
        """The entry of one connection."""
        comments = places(found.places)
        conn_id, conn_type = found.conn_id, found.conn_type
        if not _is_name(conn_id):
            return _as_comment(conn_id, comments, (), "a manifest takes no such conn_id: rename it in the code")
        if conn_type is None or not re.match(CONN_TYPE, conn_type):
            lines = self._lines(conn_id, "CONN_TYPE", [])
            return _as_comment(conn_id, comments, lines, _TYPE_HINT)
        checks = [
            check
            for check in checks_for(conn_type, found.resources)
            if self.loads("connections", conn_id, self._data(conn_id, conn_type, [check]))
        ]
        data = self._data(conn_id, conn_type, checks)
        if not self.loads("connections", conn_id, data):
            return _as_comment(conn_id, comments, self._lines(conn_id, conn_type, []), "the manifest doesn't take it")
        lines = self._lines(conn_id, conn_type, checks)
        flow = dump({conn_id: _Flow(data)}, _FLOW).rstrip("\n")
        return Declarable(conn_id, Entry(comments, tuple(lines), flow), data)

    def variable(self, key: str, uses: Iterable[VariableUse]) -> Declarable:
        """The entry of one variable."""
        of_key = [use for use in uses if use.key == key]
        comments = places(sorted({use.place for use in of_key}))
        if not re.match(NAME, key) or key == INDEX:
            return _as_comment(key, comments, (), "a manifest takes no such key: rename it in the code")
        if self.place is None:
            return _as_comment(key, comments, (f"{key}: VALUE",), "the manifest has no store for it")
        data = {"secret": str(self._reference(VARIABLES, key, ("value",)))}
        line = dump({key: _Flow(data)}, _FLOW).rstrip("\n")
        if all(use.optional for use in of_key):
            return _as_comment(key, comments, (line,), "the code has a default", wrong=False)
        if not self.loads("variables", key, data):
            return _as_comment(key, comments, (line,), "the manifest doesn't take it")
        return Declarable(key, Entry(comments, (line,), line), data)

    def _reference(self, folder: str, name: str, field: Field) -> Reference:
        if self.place is None:
            raise RuntimeError("nothing can be kept where there is no store")
        path = f"{folder}{self.place.separator}{_UNSAFE.sub('_', name)}"
        return Reference(self.place.store, path, re.sub(r"[^A-Za-z0-9_.-]", "_", ".".join(field)))

    def _data(self, conn_id: str, conn_type: str, checks: Sequence[Check]) -> dict[str, Any]:
        data: dict[str, Any] = {"conn_type": conn_type}
        for field in fields_of(conn_type).needed if self.place is not None else ():
            inside = data
            for step in field[:-1]:
                inside = inside.setdefault(step, {})
            inside[field[-1]] = {"secret": str(self._reference(CONNECTIONS, conn_id, field))}
        return {**data, "checks": list(checks)} if checks else data

    def _lines(self, conn_id: str, conn_type: str, checks: Sequence[Check]) -> list[str]:
        """As a block: one line for each field, then comments for what some connections have, then the checks."""
        fields = fields_of(conn_type)
        data = self._data(conn_id, conn_type, ())
        lines = _dumped({conn_id: {name: _one_line(value) for name, value in data.items()}})
        more = [] if self.place is not None else [f"{'.'.join(field)}: …" for field in fields.needed]
        lines += [f"  # {each}" for each in (*more, *fields.more)]
        if checks:
            lines += ["  checks:"]
            lines += [f"    - {line}" for check in checks for line in _check_lines(check)]
        return lines


def _one_line(value: Any) -> Any:
    """A reference on a line of its own; `extra` as a block of them."""
    if isinstance(value, dict) and set(value) != {"secret"}:
        return {name: _one_line(inner) for name, inner in value.items()}
    return _Flow(value) if isinstance(value, dict) else value


def _check_lines(check: Check) -> list[str]:
    if isinstance(check, str):
        return _dumped(check)
    return _dumped({name: _Flow(params) for name, params in check.items()})


_FLOW: Mapping[type, Callable[[Any], Any]] = {_Flow: dict}


def _dumped(data: Any) -> list[str]:
    lines = dump(data, _FLOW).splitlines()
    return lines[:1] if isinstance(data, str) else lines


def places(found: Sequence[model.Place]) -> tuple[str, ...]:
    """Each place as a comment, without its `# `: `load.py:12 SQLExecuteQueryOperator.conn_id`; of many, the first ones."""
    more = len(found) - MOST
    said = tuple(visible(where(place)) for place in found[:MOST])
    return said + ((f"and {more} more place{'s' * (more > 1)}",) if more > 0 else ())


def is_place(comment: str) -> bool:
    """True for a comment of ours."""
    return _OURS.fullmatch(comment) is not None


def _is_name(conn_id: str) -> bool:
    return re.match(NAME, conn_id) is not None and len(conn_id) <= LONGEST and conn_id != INDEX


def _as_comment(
    name: str, comments: Sequence[str], lines: Sequence[str], reason: str, *, wrong: bool = True
) -> Declarable:
    """Such that it is found again: see `is_mentioned`. `wrong`: somebody has to do something about it."""
    shown = lines or (f"{visible(name)}:",)
    return Declarable(name, Entry((*comments, f"{shown[0]}  # {reason}", *shown[1:])), problem=reason if wrong else "")


def is_mentioned(name: str, text: str) -> bool:
    """True if a comment declares it."""
    quoted = re.escape(visible(name))
    return re.search(rf"""^\s*#\s*["']?{quoted}["']?:""", text, re.MULTILINE) is not None


def dynamic(found: Iterable[Dynamic]) -> list[str]:
    """The comment that lists ids which nobody knows before the code runs; empty where there are none."""
    lines = [f"#   {visible(where(each.place))} = {_expression(each.expression)}" for each in found]
    return [f"# {DYNAMIC}", *dict.fromkeys(lines)] if lines else []


def _expression(source: str) -> str:
    """On one line; nothing of one that holds a secret."""
    text = visible(" ".join(source.split()))
    if shape(source) or is_random(source):
        return "… (it looks like a secret)"
    return text if len(text) <= _LONG else f"{text[: _LONG - 1]}…"
