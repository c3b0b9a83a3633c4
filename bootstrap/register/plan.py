"""Compares desired with existing connections; the plan is checked for safety before the first write."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from bootstrap import plugins
from bootstrap.desired.resolve import SecretReader, resolve_all, resolve_variables
from bootstrap.domain.connection import Connection
from bootstrap.errors import (
    RESTORE_KEY,
    BootstrapError,
    Conflict,
    Exit,
    Malformed,
    StoreError,
    Undecryptable,
    UsageError,
)
from bootstrap.manifest.loader import Manifest, TargetSpec
from bootstrap.manifest.models import INDEX, find_references
from bootstrap.targets.base import Applied, Change, Content, Key, Registered, Target
from bootstrap.targets.kind import GivesNotices, OfNoFolder, ShownInAirflow, TargetKind
from bootstrap.util.files import cache_folder
from bootstrap.util.git import Notice

MANY = 3  # to delete more than one in so many takes --force


class Unsafe(BootstrapError):
    """A plan that must not be applied."""


@dataclass(frozen=True)
class Rules:
    """Which changes are made.

    `prune`: what this manifest registered and no longer has is deleted. `overwrite`: so is what somebody else wrote since,
    or another manifest registered; and what is there just so already is ours from now on. `strict`: a connection of a type that nobody knows is not written where Airflow would
    show it beside others.
    """

    prune: bool = False
    overwrite: bool = False
    strict: bool = False


@dataclass(frozen=True)
class Plan:
    """The changes for one target, in the manifest's order; deletions come last.

    `warnings` are sentences about what looks like a slip in what would be written. `owned` is what this manifest has registered there, `options` tell which place it is. `errors` are those that could not be resolved, `conflicts` those that somebody else wrote since they were registered, or that were encrypted with a key that Airflow has no more.
    """

    target_name: str
    target: Target
    changes: tuple[Change, ...]
    errors: Mapping[Key, StoreError]
    conflicts: Mapping[Key, StoreError]
    warnings: tuple[str, ...] = ()
    owned: tuple[Key, ...] = ()
    options: str = ""

    @property
    def pending(self) -> tuple[Change, ...]:
        """What would be written."""
        return tuple(change for change in self.changes if change.action != "unchanged")

    @property
    def notices(self) -> Sequence[Notice]:
        """Notices about files with secrets, once they are written."""
        return self.target.notices if isinstance(self.target, GivesNotices) else ()

    @property
    def problems(self) -> tuple[StoreError, ...]:
        """Why nothing may be written."""
        return (*self.errors.values(), *self.conflicts.values())

    def raise_if_unsafe(self, *, force: bool = False) -> None:
        """Raises Unsafe if anything is missing: then nothing is written, rather than half."""
        if self.problems:
            alike = len({err.hint for err in self.problems}) == 1  # else each has a next step of its own
            lines = [it.message if alike or not it.hint else f"{it.message} ({it.hint})" for it in self.problems]
            err = Unsafe("\n".join(lines), self.problems[0].hint)
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
    found: list[TargetSpec] = []
    for name in dict.fromkeys(names):
        found += [target for target in manifest.register if target.name == name] or [_without_options(name)]
    return tuple(found)


def _without_options(name: str) -> TargetSpec:
    kind = plugins.TARGETS.find(name, TargetKind)
    if kind is None:
        raise UsageError(f"there is no target {name!r}", f"there are: {', '.join(plugins.TARGETS.names())}")
    try:
        return TargetSpec(name, kind.Options())
    except ValidationError as err:
        missing = ", ".join(str(item["loc"][0]) for item in err.errors(include_input=False))
        message = f"the target {name} needs {missing}"
        raise UsageError(message, f"add it to the manifest: register: [{{{name}: …}}]") from err


def plan(manifest: Manifest, secrets: SecretReader, spec: TargetSpec, rules: Rules | None = None) -> Plan:
    """Compare. Reads the stores and the target, writes nothing. Raises StoreError if the target can't be read."""
    kind = plugins.TARGETS.get(spec.name, TargetKind)
    target = kind.open_target(spec.options, manifest, secrets)
    rules = rules or Rules()
    resolved = desired(manifest, secrets)
    resolved |= _sources_in_the_way(manifest, target, resolved)
    contents = {key: item for key, item in resolved.items() if not isinstance(item, StoreError)}
    there = target.registered(contents)
    owned = tuple(key for key, found in there.items() if found.owner == manifest.owner)
    wanted = [_change(key, it, there.get(key), manifest.owner, take=rules.overwrite) for key, it in contents.items()]
    gone = {key: there[key] for key in owned if rules.prune and key not in resolved}
    deletions = {key: found for key, found in gone.items() if found.error is None}
    changes = [*wanted, *(Change(key, "delete", (), None, it.version, seen=it.seen) for key, it in deletions.items())]
    conflicts = {} if rules.overwrite else _conflicts(changes, there, manifest.owner, target)
    strict = rules.strict and isinstance(kind, ShownInAirflow) and kind.STRICT
    refused, warnings = _validated(manifest, secrets, changes, strict=strict)
    left_out = {*conflicts, *refused}
    return Plan(
        target_name=spec.name,
        target=target,
        changes=tuple(change for change in changes if change.key not in left_out),
        errors={
            **{key: item for key, item in resolved.items() if isinstance(item, StoreError)},
            **{key: found.error for key, found in gone.items() if found.error is not None},
            **refused,
        },
        conflicts=conflicts,
        warnings=warnings,
        owned=owned,
        options=_identity(manifest, spec, remote=isinstance(kind, OfNoFolder) and kind.REMOTE),
    )


def _identity(manifest: Manifest, spec: TargetSpec, *, remote: bool) -> str:
    """Which place it is that changes are for; what isn't `remote` is in or below the manifest's folder."""
    backend = manifest.backend
    store = manifest.stores[backend.store] if backend is not None and backend.store is not None else None
    here = not remote or (store is not None and store.kind == "embedded")
    folder = manifest.folder.absolute() if here else None
    return str([spec.options, manifest.airflow.home, backend, store, folder])


def _sources_in_the_way(manifest: Manifest, target: Target, keys: Iterable[Key]) -> dict[Key, StoreError]:
    """Whose secret lies where something else would be written over it: it could never be read again."""
    places = {target.where(key): key for key in keys}
    found: dict[Key, StoreError] = {}
    for key in keys:
        spec = manifest.connections[key.name] if key.kind == "connection" else manifest.variables[key.name]
        for path, reference in find_references(spec):
            taken = places.get(f"{reference.store}:{reference.path}")
            whole = path in {(), ("from",)} and reference.field is None
            if taken is not None and not (whole and taken == key):
                found[key] = Conflict(
                    f"{key.kind} {key.name}: its secret {reference} is where {taken} is registered, and would be overwritten",
                    "keep it below another path: airflow-bootstrap store put",
                )
    return found


def desired(manifest: Manifest, secrets: SecretReader) -> dict[Key, Content | StoreError]:
    """All that the manifest registers, or what stands in the way of it."""
    connections = resolve_all(manifest, secrets, manifest.connections)
    variables = resolve_variables(manifest, secrets)
    return {
        **{Key("connection", name): item for name, item in connections.items()},
        **{Key("variable", name): item for name, item in variables.items()},
    }


def _validated(
    manifest: Manifest, secrets: SecretReader, changes: Sequence[Change], *, strict: bool
) -> tuple[dict[Key, StoreError], tuple[str, ...]]:
    """Errors of connections that can't work, which are not written, and warnings about those that would be written."""
    written = {it.key.name: it.content for it in changes if it.action in {"create", "update"}}
    connections = {name: content for name, content in written.items() if isinstance(content, Connection)}
    if not connections:
        return {}, ()
    from bootstrap.validation import uris
    from bootstrap.validation.check import check

    texts = uris.stored(manifest, secrets, connections)
    refused: dict[Key, StoreError] = {}
    warnings = []
    for name, problems in check(connections, cache_folder(manifest.folder), texts).items():
        for problem in problems:
            said = f"connection {name}: {problem.field}: {problem.message}"
            if problem.refused(strict=strict):
                refused.setdefault(Key("connection", name), Malformed(said, problem.hint))
            else:
                warnings.append(f"{said} ({problem.hint})" if problem.hint else said)
    return refused, tuple(warnings)


def _change(key: Key, wanted: Content, there: Registered | None, owner: str, *, take: bool) -> Change:
    """`take`: what others wrote just so is ours from now on."""
    if there is None:
        return Change(key, "create", tuple(wanted.fingerprints()), wanted, None)
    new = wanted.fingerprints()
    differing = tuple(name for name in {**there.fields, **new} if there.fields.get(name) != new.get(name))
    if there.malformed or differing:
        return Change(key, "update", differing, wanted, there.version, seen=there.seen)
    ours = there.owner == owner  # what was there before us becomes ours only if that is asked for
    mark = (there.changed or there.pending) if ours else take
    return Change(key, "unchanged", (), wanted, there.version, mark, there.seen)


def _conflicts(
    changes: Sequence[Change], there: Mapping[Key, Registered], owner: str, target: Target
) -> dict[Key, StoreError]:
    """What somebody made unreadable to Airflow is nothing of theirs to keep: it is updated.

    But what was encrypted with another key is kept, since whoever finds that key can read it.
    """
    found: dict[Key, StoreError] = {}
    for it in changes:
        gone = it.action == "delete"
        if gone or (it.action == "update" and not there[it.key].malformed):
            conflict = _conflict(it.key, there[it.key], owner, target, gone=gone)
            if conflict is not None:
                found[it.key] = conflict
    for key in (Key("variable", INDEX), *(it.key for it in changes)):
        if key in there and there[key].undecryptable:
            found[key] = Undecryptable(there[key].malformed, RESTORE_KEY)
    return found


def _conflict(key: Key, there: Registered, owner: str, target: Target, *, gone: bool) -> Conflict | None:
    if there.pending and gone:
        said = f"an earlier run was killed while it wrote {key}, and may have written it"
    elif there.owner not in {None, owner}:
        said = f"{key} was registered by {there.owner!r} and differs"
    elif there.changed:
        said = f"somebody else changed {key} since it was registered"
    else:
        return None
    return Conflict(f"{target.where(key)}: {said}", "keep theirs: take it into the stores; replace it: --overwrite")
