"""Desired against registered: a pure comparison, checked for safety before the first write."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bootstrap import targets
from bootstrap.connection import Connection
from bootstrap.desired import Secrets, resolve_all
from bootstrap.errors import BootstrapError, Exit, StoreError, UsageError
from bootstrap.manifest import ConnectionSpec, Manifest, TargetSpec
from bootstrap.reference import Reference
from bootstrap.secret import MASK, is_sensitive
from bootstrap.targets.base import Applied, Change, Registered, Target


class Unsafe(BootstrapError):
    """A plan that must not be applied."""


@dataclass(frozen=True)
class Plan:
    """The changes for one target, in the manifest's order; `errors` are connections that could not be resolved."""

    target_name: str
    target: Target
    changes: tuple[Change, ...]
    errors: Mapping[str, StoreError]

    @property
    def pending(self) -> tuple[Change, ...]:
        """What would be written."""
        return tuple(change for change in self.changes if change.action != "unchanged")

    def raise_if_unsafe(self) -> None:
        """Raises Unsafe if anything is missing: then nothing is written, rather than half."""
        if not self.errors:
            return
        err = Unsafe("\n".join(item.message for item in self.errors.values()), next(iter(self.errors.values())).hint)
        err.exit_code = worst(self.errors.values())
        raise err

    def apply(self) -> Iterator[Applied]:
        """Write the changes. Raises Unsafe before the first one."""
        self.raise_if_unsafe()
        yield from self.target.apply(self.changes)


def worst(errors: Any) -> Exit:
    """The exit code that speaks for several errors: an unreachable store before a missing secret."""
    return max((err.exit_code for err in errors), default=Exit.OK)


def wanted(manifest: Manifest, names: Sequence[str]) -> tuple[TargetSpec, ...]:
    """The targets of these names, with the options that the manifest has for them; without names, the manifest's.

    Raises UsageError for an unknown one.
    """
    if not names:
        return manifest.register
    given = {target.name: target for target in manifest.register}
    return tuple(given.get(name) or _without_options(name) for name in dict.fromkeys(names))


def _without_options(name: str) -> TargetSpec:
    module: Any = targets.KINDS.find(name)
    if module is None:
        raise UsageError(f"there is no target {name!r}", f"there are: {', '.join(targets.KINDS.names())}")
    return TargetSpec(name, module.Options())


def plan(manifest: Manifest, secrets: Secrets, spec: TargetSpec) -> Plan:
    """Compare. Reads the stores and the target, writes nothing. Raises StoreError if the target can't be read."""
    module: Any = targets.KINDS.find(spec.name)
    target: Target = module.open_target(spec.options, manifest, secrets)
    resolved = resolve_all(manifest, secrets, manifest.connections)
    wanted = {conn_id: item for conn_id, item in resolved.items() if isinstance(item, Connection)}
    registered = target.registered(wanted)
    return Plan(
        target_name=spec.name,
        target=target,
        changes=tuple(_change(conn_id, item, registered.get(conn_id)) for conn_id, item in wanted.items()),
        errors={conn_id: item for conn_id, item in resolved.items() if isinstance(item, StoreError)},
    )


def _change(conn_id: str, wanted: Connection, there: Registered | None) -> Change:
    if there is None:
        return Change(conn_id, "create", tuple(wanted.fingerprints()), wanted, None)
    new = wanted.fingerprints()
    differing = tuple(name for name in {**there.fields, **new} if there.fields.get(name) != new.get(name))
    if there.malformed or differing:
        return Change(conn_id, "update", differing, wanted, there.version)
    return Change(conn_id, "unchanged", (), wanted, there.version)


def describe(change: Change, spec: ConnectionSpec) -> str:
    """The fields of a change, for people. A value is shown only if it stands in the manifest as it is."""
    return ", ".join(_describe_field(name, change, spec) for name in change.fields)


def _describe_field(name: str, change: Change, spec: ConnectionSpec) -> str:
    top, _, key = name.partition(".")
    wanted = getattr(change.connection, top)
    value = (wanted or {}).get(key) if key else wanted
    if value is None:
        return f"{name} removed"
    said = spec.field(top) if spec.from_ is None else None
    if key:
        said = said.get(key) if isinstance(said, Mapping) else None
    hidden = said is None or isinstance(said, Reference | Mapping | list) or is_sensitive(name)
    return f"{name} = {MASK if hidden else value}"


_SIGNS = {"create": "+", "update": "~", "unchanged": "="}


def lines(found: Plan, manifest: Manifest) -> Iterator[str]:
    """The plan for people: a line for each connection, and the count."""
    for change in found.changes:
        fields = describe(change, manifest.connections[change.conn_id])
        what = f"  {change.action}: {fields}" if fields else f"  {change.action}"
        yield f"{_SIGNS[change.action]} {change.conn_id}{what}"
    counts = {action: sum(change.action == action for change in found.changes) for action in _SIGNS}
    summary = ", ".join(f"{count} to {action}" for action, count in counts.items() if count and action != "unchanged")
    yield f"{found.target_name}: {summary or 'nothing to change'}"
