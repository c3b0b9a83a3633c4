"""Copies secrets from one store to another of any kind: first a plan, then the writes, each read back.

Names get the target's separator. A secret with fields keeps them where the target keeps fields, and is JSON elsewhere;
a text stays what it is, byte for byte. Only newest versions are copied, and nothing is deleted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from bootstrap.desired import interpret
from bootstrap.desired.resolve import SecretReader
from bootstrap.domain import connection
from bootstrap.domain.secret import Secret, fingerprint
from bootstrap.errors import BootstrapError, Exit, IllegalName, NotFound, StoreError, Unavailable, UsageError
from bootstrap.manifest.loader import Manifest
from bootstrap.store_admin.put_get import known_store
from bootstrap.stores.base import Fields, Store, Stored, Version, keeps_fields, pick_field, read_many

Payload: TypeAlias = Secret | Fields
Action = Literal["create", "update", "unchanged", "conflict", "skip", "failed"]
_CHANGES = ("create", "update")
_NOTHING = Secret("")  # where nothing is to be written


class Uncopyable(BootstrapError):
    """The secrets can't all have a name in the target; nothing was written."""


@dataclass(frozen=True)
class End:
    """A folder of a store: where secrets come from, or go to."""

    name: str
    store: Store
    prefix: str

    def where(self, path: str) -> str:
        """STORE:PATH."""
        return f"{self.name}:{path}"

    def below(self, path: str) -> str:
        """What of a path is its name below the prefix."""
        return path.removeprefix(self.prefix).removeprefix(self.store.separator) if self.prefix else path

    def path(self, name: str) -> str:
        """The path of a name below the prefix."""
        return f"{self.prefix}{self.store.separator}{name}" if self.prefix else name


@dataclass(frozen=True)
class Move:
    """What is to happen to one secret; `payload` is what the target will hold, `expect` the version that it replaces.

    `why` says for people why it is skipped, in conflict or failed.
    """

    source: str
    target: str
    action: Action
    payload: Payload = field(default=_NOTHING, repr=False)
    expect: Version | None = None
    error: StoreError | None = None
    why: str = ""


@dataclass(frozen=True)
class CopyPlan:
    """The moves, sorted by source."""

    source: End
    target: End
    moves: tuple[Move, ...]
    concurrency: int

    @property
    def pending(self) -> tuple[Move, ...]:
        """What would be written."""
        return tuple(move for move in self.moves if move.action in _CHANGES)

    @property
    def in_conflict(self) -> tuple[Move, ...]:
        """What is there and differs, and stays."""
        return tuple(move for move in self.moves if move.action == "conflict")

    @property
    def stuck(self) -> tuple[Move, ...]:
        """What is neither there nor about to be."""
        return tuple(move for move in self.moves if move.action in {"conflict", "skip", "failed"})

    @property
    def exit_code(self) -> Exit:
        """Of the worst secret that can't be copied."""
        return max((move.error.exit_code for move in self.moves if move.error), default=Exit.OK)


@dataclass(frozen=True)
class Options:
    """How to copy: replace what differs; write each as a connection."""

    overwrite: bool = False
    as_connections: bool = False


def plan_copy(manifest: Manifest, secrets: SecretReader, source: str, target: str, options: Options) -> CopyPlan:
    """Compare `source` with `target`, each STORE:PREFIX; writes nothing.

    Raises UsageError, Uncopyable if a name can't be in the target, and StoreError where a store can't be read at all.
    """
    from_, to = _end(manifest, secrets, source), _end(manifest, secrets, target)
    if not to.store.writable:
        raise UsageError(f"store {to.name} is read-only, so nothing can be copied to it", "name another target")
    folder = f"{from_.prefix}{from_.store.separator}" if from_.prefix else ""
    if from_.name == to.name and f"{to.prefix}{to.store.separator}".startswith(folder):
        raise UsageError(f"{to.where(to.prefix)} is inside {from_.where(from_.prefix)}", "name a target beside it")
    sources = list(from_.store.names(from_.prefix))
    if not sources:
        raise NotFound(f"{source}: there is no secret below it", f"airflow-bootstrap store list {from_.name}")
    targets = _targets(from_, to, sources, keep_names=options.as_connections)
    there = _read(to, targets.values(), secrets.concurrency)
    illegal = [(path, err) for path, name in targets.items() if isinstance(err := there[name], IllegalName)]
    if illegal:
        lines = (f"{from_.where(path)}: {err.message}" for path, err in illegal)
        raise Uncopyable("\n".join([f"no names for a secret of store {to.name}:", *lines]), illegal[0][1].hint)
    found = _read(from_, sources, secrets.concurrency)
    planner = _Planner(from_, to, options)
    moves = (planner.move(path, name, found[path], there[name]) for path, name in targets.items())
    return CopyPlan(from_, to, tuple(moves), secrets.concurrency)


def _end(manifest: Manifest, secrets: SecretReader, text: str) -> End:
    name, colon, prefix = text.partition(":")
    if not colon:
        raise UsageError(f"{text!r} is not STORE:PREFIX", f"{name}: with nothing after it, it means the whole store")
    store = known_store(secrets, manifest, name)
    return End(name, store, prefix.strip(store.separator))


def _targets(from_: End, to: End, sources: Sequence[str], *, keep_names: bool) -> dict[str, str]:
    """The target's path of each source. Raises Uncopyable where two are one."""
    targets: dict[str, str] = {}
    for path in sources:
        name = from_.below(path)
        targets[path] = to.path(name if keep_names else name.replace(from_.store.separator, to.store.separator))
    origins: dict[str, list[str]] = {}
    for path, name in targets.items():
        origins.setdefault(name, []).append(path)
    lines = [
        f"{' and '.join(map(from_.where, paths))} would both be {to.where(name)}"
        for name, paths in origins.items()
        if len(paths) > 1
    ]
    if lines:
        raise Uncopyable("\n".join(lines), "copy each to a prefix of its own, or rename one")
    return targets


def _read(end: End, paths: Iterable[str], concurrency: int) -> Mapping[str, Stored | StoreError]:
    """What each path holds. Raises Unavailable: without the store there is nothing to compare."""
    read = read_many(end.name, end.store, ((path, None) for path in paths), concurrency)
    for found in read.values():
        if isinstance(found, Unavailable):
            raise found
    return {path: found for (path, _), found in read.items()}


class _Planner:
    """Decides about each secret."""

    def __init__(self, from_: End, to: End, options: Options) -> None:
        self.values = Conversion(from_.store, to.store, as_connections=options.as_connections)
        self.from_ = from_
        self.overwrite = options.overwrite

    def move(self, source: str, target: str, found: Stored | StoreError, there: Stored | StoreError) -> Move:
        if isinstance(found, NotFound) and not isinstance(found, IllegalName):  # listed, and its value is gone
            return Move(source, target, "skip", why=found.message.removeprefix(f"{self.from_.where(source)}: "))
        if isinstance(found, StoreError):
            return _failed(source, target, found)
        try:
            payload = self.values.payload(found, self.from_.where(source))
        except StoreError as err:
            return _failed(source, target, err)
        return self._compared(source, target, payload, there)

    def _compared(self, source: str, target: str, payload: Payload, there: Stored | StoreError) -> Move:
        if isinstance(there, NotFound):
            return Move(source, target, "create", payload)
        if isinstance(there, StoreError):
            return _failed(source, target, there)
        if self.values.is_in(there, payload):
            return Move(source, target, "unchanged", payload, there.version)
        if self.overwrite:
            return Move(source, target, "update", payload, there.version)
        return Move(source, target, "conflict", why="exists and differs")


def _failed(source: str, target: str, err: StoreError) -> Move:
    return Move(source, target, "failed", error=err, why=err.message)


@dataclass(frozen=True)
class Conversion:
    """From one store to another."""

    source: Store
    target: Store
    as_connections: bool = False

    def payload(self, found: Stored, where: str) -> Payload:
        """What to write. Raises Malformed or Empty for what is to be a connection and is none."""
        if self.as_connections:
            return _connection(found, where).as_fields()
        if found.fields is None or not (keeps_fields(self.source) or keeps_fields(self.target)):
            return found.value
        return _unwrapped(json.loads(found.value.unmasked()))

    def is_in(self, there: Stored, payload: Payload) -> bool:
        """True if the target holds this already. Compares fingerprints."""
        if isinstance(payload, Secret):
            held: Payload = there.value
            if keeps_fields(self.target):
                held = _unwrapped(json.loads(there.value.unmasked()))
            return fingerprint(held.unmasked() if isinstance(held, Secret) else held) == fingerprint(payload.unmasked())
        return there.fields is not None and fingerprint(json.loads(there.value.unmasked())) == fingerprint(payload)


def mask_payload(payload: Payload) -> None:
    """Mask it in all output from now on."""
    (payload if isinstance(payload, Secret) else Secret(json.dumps(payload, ensure_ascii=False))).reveal()


def _unwrapped(data: Any) -> Payload:
    """A secret whose only field is `value` is that value."""
    if set(data) == {"value"} and isinstance(data["value"], str):
        return Secret(data["value"])
    return dict(data)


def _connection(found: Stored, where: str) -> connection.Connection:
    """As bootstrap reads it from a path where Airflow looks."""
    if found.wording is not None:
        return interpret.worded(found, where)
    only_value = found.fields is not None and set(found.fields) == {"value"}
    if found.fields is None or only_value:
        return connection.from_text(pick_field(found, where, None).unmasked(), where)
    return connection.from_fields({name: value.unmasked() for name, value in found.fields.items()}, where)
