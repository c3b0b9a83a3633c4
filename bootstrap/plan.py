"""Desired against registered: a pure comparison, checked for safety before the first write."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bootstrap import targets
from bootstrap.connection import Connection
from bootstrap.desired import Secrets, resolve_all, resolve_variables
from bootstrap.errors import BootstrapError, Conflict, Exit, StoreError, UsageError
from bootstrap.manifest import Manifest, TargetSpec
from bootstrap.targets.base import Applied, Change, Content, Key, Registered, Target
from bootstrap.variable import Variable

MANY = 3  # to delete more than one in so many takes --force


class Unsafe(BootstrapError):
    """A plan that must not be applied."""


@dataclass(frozen=True)
class Plan:
    """The changes for one target, in the manifest's order; deletions come last.

    `owned` is what this manifest has registered there, `options` are the target's, in the manifest's words. `errors` are those that could not be resolved, `conflicts` those that somebody else wrote since they were registered.
    """

    target_name: str
    target: Target
    changes: tuple[Change, ...]
    errors: Mapping[Key, StoreError]
    conflicts: Mapping[Key, Conflict]
    owned: tuple[Key, ...] = ()
    options: str = ""

    @property
    def pending(self) -> tuple[Change, ...]:
        """What would be written."""
        return tuple(change for change in self.changes if change.action != "unchanged")

    @property
    def problems(self) -> tuple[StoreError, ...]:
        """Why nothing may be written."""
        return (*self.errors.values(), *self.conflicts.values())

    def raise_if_unsafe(self, *, force: bool = False) -> None:
        """Raises Unsafe if anything is missing: then nothing is written, rather than half."""
        if self.problems:
            err = Unsafe("\n".join(item.message for item in self.problems), self.problems[0].hint)
            err.exit_code = worst(self.problems)
            raise err
        for kind in ("connection", "variable"):
            owned = sum(key.kind == kind for key in self.owned)
            gone = sum(change.action == "delete" and change.key.kind == kind for change in self.changes)
            if gone * MANY > owned and not force:
                raise Unsafe(
                    f"{self.target_name}: {gone} of the {owned} {kind}s that were registered would be deleted",
                    "if that is right: airflow-bootstrap register --prune --force",
                )

    def apply(self, *, force: bool = False) -> Iterator[Applied]:
        """Write the changes. Raises Unsafe before the first one; `force`: also if many are deleted."""
        self.raise_if_unsafe(force=force)
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


def plan(
    manifest: Manifest, secrets: Secrets, spec: TargetSpec, *, prune: bool = False, overwrite: bool = False
) -> Plan:
    """Compare. Reads the stores and the target, writes nothing. Raises StoreError if the target can't be read.

    `prune`: what this manifest registered and no longer has is to be deleted. `overwrite`: so is what somebody else
    wrote since, or another manifest registered.
    """
    module: Any = targets.KINDS.find(spec.name)
    target: Target = module.open_target(spec.options, manifest, secrets)
    resolved = desired(manifest, secrets)
    there = target.registered({key: item for key, item in resolved.items() if isinstance(item, Connection | Variable)})
    changes, errors, conflicts = [], {}, {}
    for key, item in resolved.items():
        if isinstance(item, StoreError):
            errors[key] = item
            continue
        change = _change(key, item, there.get(key), manifest.owner)
        if change.action == "update" and not overwrite and (said := _conflict(key, there[key], manifest.owner, target)):
            conflicts[key] = said
        else:
            changes.append(change)
    owned = tuple(key for key, found in there.items() if found.owner == manifest.owner)
    for key in owned if prune else ():
        if key not in resolved and not overwrite and (said := _conflict(key, there[key], manifest.owner, target)):
            conflicts[key] = said
        elif key not in resolved:
            changes.append(Change(key, "delete", (), None, there[key].version, seen=there[key].seen))
    return Plan(spec.name, target, tuple(changes), errors, conflicts, owned, str(spec.options))


def desired(manifest: Manifest, secrets: Secrets) -> dict[Key, Content | StoreError]:
    """All that the manifest registers, or what stands in the way of it."""
    connections = resolve_all(manifest, secrets, manifest.connections)
    variables = resolve_variables(manifest, secrets)
    return {
        **{Key("connection", name): item for name, item in connections.items()},
        **{Key("variable", name): item for name, item in variables.items()},
    }


def _change(key: Key, wanted: Content, there: Registered | None, owner: str) -> Change:
    if there is None:
        return Change(key, "create", tuple(wanted.fingerprints()), wanted, None)
    new = wanted.fingerprints()
    differing = tuple(name for name in {**there.fields, **new} if there.fields.get(name) != new.get(name))
    if there.malformed or differing:
        return Change(key, "update", differing, wanted, there.version, seen=there.seen)
    mark = there.owner == owner and (there.changed or there.pending)  # what was there before us never becomes ours
    return Change(key, "unchanged", (), wanted, there.version, mark=mark)


def _conflict(key: Key, there: Registered, owner: str, target: Target) -> Conflict | None:
    hint = "keep theirs: take it into the stores; replace it: --overwrite"
    if there.owner not in {None, owner}:
        return Conflict(f"{target.where(key)}: {key} was registered by {there.owner!r} and differs", hint)
    if there.changed:
        return Conflict(f"{target.where(key)}: somebody else changed {key} since it was registered", hint)
    return None
