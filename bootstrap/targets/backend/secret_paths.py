"""The paths in the backend's store where Airflow's secrets backend looks for connections and variables.

A store writes one secret at a time. So that a run which is killed leaves nothing that nobody knows of, the list of what
is ours is written before the first secret, and again after the last.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bootstrap.desired import interpret
from bootstrap.domain import connection
from bootstrap.domain.connection import Connection
from bootstrap.domain.secret import PublicText, Secret
from bootstrap.domain.variable import Variable
from bootstrap.errors import Conflict, Denied, IllegalName, Malformed, ManifestError, NotFound, StoreError, Unavailable
from bootstrap.manifest.models import INDEX
from bootstrap.stores.base import Deleting, LastingVersions, Store, Stored, Version, keeps_fields, pick_field, read_many
from bootstrap.targets.base import Applied, Change, Content, Key, Kind, Registered
from bootstrap.targets.index import Index, canonical, content_hash

_ATTEMPTS = 5  # to bring the list up to date while others do the same


class BackendTarget:
    """A secret for each connection and variable, below `prefixes` of a store; written concurrently."""

    def __init__(
        self, name: str, store: Store, prefixes: Mapping[Kind, str], owner: str, concurrency: int, *, shared: bool
    ) -> None:
        self.name = name
        self.store = store
        self.shared = shared
        self._prefixes = prefixes
        self._owner = owner
        self._concurrency = concurrency
        self._index = self._before = Index.read(None, "")
        self._index_version: Version | None = None

    def where(self, key: Key) -> str:
        """STORE:PATH."""
        return f"{self.name}:{self._path(key)}"

    def registered(self, wanted: Mapping[Key, Content]) -> Mapping[Key, Registered]:
        """Reads each one's secret. Raises Denied, Unavailable, or IllegalName for a name that can't be there."""
        self._index, self._index_version = self._read_index()
        self._before = self._index
        known = [key for key in self._index.owned(self._owner) if key.kind in self._prefixes]
        self._require_own_paths(wanted)
        places = {key: (self._path(key), None) for key in dict.fromkeys((*wanted, *known))}
        answers = read_many(self.name, self.store, places.values(), self._concurrency)
        found: dict[Key, Registered] = {}
        for key, place in places.items():
            stored = answers[place]
            if isinstance(stored, Denied) and key not in wanted:
                found[key] = Registered({}, "", error=stored, owner=self._owner)
            elif (there := self._registered(key, stored)) is not None:
                found[key] = there
        return found

    def registered_one(self, key: Key) -> Registered | None:
        """As it is now. Raises StoreError."""
        return self._registered(key, read_many(self.name, self.store, [(self._path(key), None)])[self._path(key), None])

    def _registered(self, key: Key, stored: Stored | StoreError) -> Registered | None:
        if isinstance(stored, Stored):
            content = read(key, stored, self.where(key), keeps_fields=keeps_fields(self.store))
            if isinstance(content, Malformed):
                seen = content_hash(stored.value.unmasked())
                found = Registered({}, stored.version, content.message, seen=seen)
            else:
                found = Registered(content.fingerprints(), stored.version, seen=content_hash(canonical(content)))
            return self._index.marked(key, found, self._mark(content, stored.version))
        if isinstance(stored, IllegalName) or not isinstance(stored, NotFound):
            raise stored
        return None

    def apply(self, changes: Sequence[Change]) -> Iterator[Applied]:
        """Writes what differs; a conflict or a refusal stops none of the others. Raises StoreError before the first."""
        pending = [change for change in changes if change.action != "unchanged"]
        if pending:
            self._begin(pending)
        marks = {change.key: self._mark(change.content, change.expect) for change in changes if change.mark}
        refused: list[Key] = []
        try:
            yield from self._applied(changes, marks, refused)
        finally:
            if marks or refused:
                self._finish(marks, refused)

    def _applied(
        self, changes: Sequence[Change], marks: dict[Key, str | None], refused: list[Key]
    ) -> Iterator[Applied]:
        """What was written, with its mark, and what certainly was not."""
        writing = _Writing(self)
        with ThreadPoolExecutor(self._concurrency, thread_name_prefix=f"write-{self.name}") as pool:
            outcomes = {it.key: pool.submit(writing.write, it) for it in changes if it.action != "unchanged"}
            try:
                for change in changes:
                    outcome = outcomes[change.key].result() if change.key in outcomes else None
                    error = outcome if isinstance(outcome, StoreError) else None
                    if not isinstance(outcome, StoreError) and change.key in outcomes:
                        marks[change.key] = self._mark(change.content, outcome)
                    elif error is not None and (not isinstance(error, Unavailable) or change.key in writing.not_tried):
                        refused.append(change.key)
                    yield Applied(change.key, change.action, self.where(change.key), error)
            finally:
                pool.shutdown(cancel_futures=True)

    def _mark(self, content: Content | Malformed | None, version: Version | None) -> str | None:
        """The version and a digest: a secret that was made anew begins again with the first version."""
        if version is None:
            return None
        digest = self._index.digest(content) if isinstance(content, Connection | Variable) else "malformed"
        lasting = not isinstance(self.store, LastingVersions) or self.store.lasting_versions
        return f"{version}.{digest}" if lasting else digest

    def _path(self, key: Key) -> str:
        if key.kind not in self._prefixes:
            message = f"`backend.{key.kind}s` is off, so no {key.kind} can be registered there: {key.name}"
            raise ManifestError(message, "set a path")
        return f"{self._prefixes[key.kind]}{self.store.separator}{key.name}"

    def _require_own_paths(self, keys: Iterable[Key]) -> None:
        """Raises IllegalName where a connection and a variable would be one secret."""
        found: dict[str, Key] = {}
        for key in keys:
            path = self._path(key)
            if path in found:
                message = f"{self.name}:{path}: {found[path]} and {key} would be the same secret"
                raise IllegalName(message, "give backend.variables another path")
            found[path] = key

    # The list of what is ours

    @property
    def _index_path(self) -> str:
        prefix = self._prefixes.get("connection") or self._prefixes["variable"]
        return f"{prefix}{self.store.separator}{INDEX}"

    def _read_index(self) -> tuple[Index, Version | None]:
        where = f"{self.name}:{self._index_path}"
        try:
            stored = self.store.read(self._index_path)
        except NotFound:
            return Index.read(None, where), None
        return Index.read(pick_field(stored, where, None).unmasked(), where), stored.version

    def _begin(self, pending: Sequence[Change]) -> None:
        """Raises Conflict where another run has begun since this one looked."""
        begun = self._index.begun(pending, self._owner)
        if begun.entries == self._index.entries:
            return
        try:
            self._index_version = self._write_index(begun, self._index_version)
        except Conflict as err:
            where = f"{self.name}:{self._index_path}"
            message = f"{where}: another run registers there; nothing was written"
            raise Conflict(message, "run this again when it is done") from err
        except Malformed as err:
            raise Malformed(
                f"{self.name}:{self._index_path}: the list of {len(begun.entries)} names is longer than a secret of this"
                " store may be; nothing was written",
                "register some of them from another manifest, at another path or into another target",
            ) from err
        self._before, self._index = self._index, begun

    def _finish(self, marks: Mapping[Key, str | None], refused: Sequence[Key]) -> None:
        """What was refused is whose it was before: or what somebody else created meanwhile would be ours to delete.

        What another run has listed since this one began is that run's.
        """
        index, version = self._index, self._index_version
        for attempt in range(_ATTEMPTS):
            ours = {key for key in (*marks, *refused) if index.entries.get(key) == self._index.entries.get(key)}
            done = index.done({key: mark for key, mark in marks.items() if key in ours}, self._owner)
            done = done.restored(ours & set(refused), self._before)
            if done == index:
                return
            try:
                self._write_index(done, version)
            except Conflict:
                if attempt == _ATTEMPTS - 1:
                    raise
                index, version = self._read_index()
            else:
                return

    def _write_index(self, index: Index, expect: Version | None) -> Version:
        return self.store.write(self._index_path, PublicText(index.text()), expect=expect)


class _Writing:
    """One run's writes; once the store fails to answer, it is not asked any more."""

    def __init__(self, target: BackendTarget) -> None:
        self._target = target
        self._failure: Unavailable | None = None
        self.not_tried: set[Key] = set()

    def write(self, change: Change) -> Version | StoreError | None:
        """The new version; None where nothing is there any more."""
        if self._failure is not None:
            self.not_tried.add(change.key)
            where = self._target.where(change.key)
            return Unavailable(f"{where}: not written: {self._failure.message}", self._failure.hint)
        try:
            return self._write(change)
        except Unavailable as err:
            self._failure = err
            return err
        except StoreError as err:
            return err

    def _write(self, change: Change) -> Version | None:
        where = self._target.where(change.key)
        path, store = where.partition(":")[2], self._target.store
        if change.content is None:
            if not isinstance(store, Deleting):
                raise Denied(f"{where}: this kind of store can't delete", "delete it there yourself")
            store.delete(path, expect=str(change.expect))
            return None
        try:
            return store.write(path, _payload(change.content), expect=change.expect)
        except Conflict:  # the last request of a run that was killed may have come after we looked
            there = self._target.registered_one(change.key)
            if there is None or there.fields != change.content.fingerprints():
                raise
            return there.version


def _payload(content: Content) -> Secret | Mapping[str, Any]:
    """Airflow takes `extra` as an object or as its JSON: that keeps numbers which a Vault's 64 bits don't."""
    if isinstance(content, Variable):
        return Secret(content.value) if content.secret else PublicText(content.value)
    fields = content.as_fields()
    return {**fields, "extra": json.dumps(content.extra)} if _has_large_number(content.extra) else fields


def _has_large_number(node: Any) -> bool:
    if isinstance(node, Mapping):
        return any(map(_has_large_number, node.values()))
    if isinstance(node, list | tuple):
        return any(map(_has_large_number, node))
    return isinstance(node, int | float) and abs(node) >= 2**53


def read(key: Key, stored: Stored, where: str, *, keeps_fields: bool) -> Content | Malformed:
    """The content, as Airflow's backend of such a store reads it; or why it can't."""
    try:
        if key.kind == "variable":
            return _variable(stored, where, keeps_fields=keeps_fields)
        if stored.wording is not None:
            return interpret.worded(stored, where)
        if stored.fields is None:
            return connection.from_text(stored.value.unmasked(), where)
        return connection.from_fields({name: it.unmasked() for name, it in stored.fields.items()}, where)
    except Malformed as err:
        return err


def _variable(stored: Stored, where: str, *, keeps_fields: bool) -> Variable:
    """Airflow's VaultBackend takes the field `value`, others the whole text."""
    if not keeps_fields or stored.fields is None:
        return Variable(stored.value.unmasked())
    if "value" not in stored.fields:
        raise Malformed(f"{where}: it has no field 'value', which Airflow takes a variable from", f"store put {where}")
    return Variable(stored.fields["value"].unmasked())
