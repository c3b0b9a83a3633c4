"""Prints a plan, a line for each connection and variable. Only values that stand in the manifest are shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from bootstrap.domain.connection import Connection
from bootstrap.domain.reference import Reference
from bootstrap.domain.secret import MASK
from bootstrap.domain.secret_places import hide
from bootstrap.domain.sensitive import is_secret
from bootstrap.domain.variable import Variable
from bootstrap.errors import Undecryptable
from bootstrap.manifest.loader import Manifest
from bootstrap.register.plan import Plan
from bootstrap.targets.base import Change

_SIGNS = {"create": "+", "update": "~", "delete": "-", "unchanged": "="}


def lines(found: Plan, manifest: Manifest) -> Iterator[str]:
    """Each change, each conflict, and the count."""
    for change in found.changes:
        fields = describe(change, manifest)
        what = f"  {change.action}: {fields}" if fields else f"  {change.action}"
        yield f"{_SIGNS[change.action]} {change.key}{what}"
    for key, err in found.conflicts.items():
        yield f"! {key}  {'undecryptable' if isinstance(err, Undecryptable) else 'conflict'}"
    counts = Counter(change.action for change in found.changes)
    said = [f"{counts[action]} to {action}" for action in ("create", "update", "delete") if counts[action]]
    undecryptable = sum(isinstance(err, Undecryptable) for err in found.conflicts.values())
    conflicts = len(found.conflicts) - undecryptable
    said += [f"{conflicts} in conflict"] if conflicts else []
    said += [f"{undecryptable} undecryptable"] if undecryptable else []
    said += [f"{len(found.errors)} that can't be registered"] if found.errors else []
    yield f"{found.target_name}: {', '.join(said) or 'nothing to change'}"


def describe(change: Change, manifest: Manifest) -> str:
    """The fields of a change, with their new values."""
    field = _variable_field if change.key.kind == "variable" else _connection_field
    return ", ".join(field(name, change, manifest) for name in change.fields)


def _variable_field(name: str, change: Change, manifest: Manifest) -> str:
    said = manifest.variables[change.key.name]
    if not isinstance(said, str):
        return f"{name} = {MASK}"
    known = isinstance(change.content, Variable) and not change.content.secret
    return f"{name} = {hide(said) if known else _shown(change.key.name, said)}"


def _connection_field(name: str, change: Change, manifest: Manifest) -> str:
    spec = manifest.connections[change.key.name]
    top, _, key = name.partition(".")
    wanted: Any = getattr(change.content, top) if isinstance(change.content, Connection) else None
    value = (wanted or {}).get(key) if key else wanted
    if value is None:
        return f"{name} removed"
    said = spec.field(top) if spec.from_ is None else None
    if key:
        said = said.get(key) if isinstance(said, Mapping) else None
    plain = said is not None and not isinstance(said, Reference | Mapping | list)
    return f"{name} = {_shown(key or top, str(value), spec.conn_type) if plain else MASK}"


def _shown(key: str, text: str, conn_type: str | None = None) -> str:
    """Of a URL, all but its login and tokens; nothing of what is a secret as a whole."""
    shown = hide(text)
    return MASK if is_secret(key, shown, conn_type) else shown
