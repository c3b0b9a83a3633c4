"""A running Airflow, through its REST API: for whoever may use its web interface, and not its database.

The API has no check-and-set and hides secrets, so: what is there is read again right before the first write, and what is
hidden is compared with what was written last, by the marks in the list of what is ours. That list is a variable of the
same Airflow. It is written before the first change and after the last, so that a run which is killed leaves nothing that
nobody knows of.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property

from bootstrap.desired.resolve import SecretReader
from bootstrap.errors import AirflowError, Conflict, Malformed, StoreError, Unavailable
from bootstrap.manifest.loader import Manifest
from bootstrap.targets.base import Applied, Change, Content, Key, Kind, Registered
from bootstrap.targets.rest_api.client import Client, Options
from bootstrap.targets.rest_api.errors import Failed
from bootstrap.targets.rest_api.index import StoredIndex
from bootstrap.targets.rest_api.shown import Shown
from bootstrap.targets.rest_api.v1 import V1
from bootstrap.targets.rest_api.v2 import V2

__all__ = ["Options", "open_target"]

ELSEWHERE = True  # its connections are in another Airflow's database
STRICT = True  # --strict is about what people see in Airflow's list of connections
_KINDS: tuple[Kind, ...] = ("connection", "variable")
_UNKNOWN = Unavailable("not told")


class ApiTarget:
    """Connections and variables of one Airflow."""

    shared = True

    def __init__(self, client: Client, owner: str) -> None:
        self._client = client
        self._owner = owner
        self._seen: Mapping[Key, Shown] = {}

    def where(self, key: Key) -> str:  # noqa: ARG002  one place for all
        """The address."""
        return self._client.place

    def registered(self, wanted: Mapping[Key, Content]) -> Mapping[Key, Registered]:
        """Asks for all of them. Raises StoreError; IllegalName for a name that can't be there, AirflowError for a team's.

        What was given to a team and isn't wanted any more was changed by somebody else.
        """
        for key in wanted:
            self._rest.check(key)
        index = self._index.read()
        there = self._seen = self._rest.read(dict.fromkeys((*wanted, *index.owned(self._owner))))
        for key in wanted.keys() & there.keys():
            if there[key].team is not None:
                message = f"{self.where(key)}: {key} belongs to the team {there[key].team}, whose tasks alone see it"
                raise AirflowError(message, f"take it from the team, or name the {key.kind} differently")
        known = self._index.known(
            {key: wanted[key] for key in there if key in wanted and there[key].needs_mark(wanted[key])}
        )
        found: dict[Key, Registered] = {}
        for key, shown in there.items():
            marked = self._index.marked(key, shown, wanted.get(key), known=key in known)
            found[key] = replace(marked, changed=True) if shown.team is not None else marked
        return found

    def apply(self, changes: Sequence[Change]) -> Iterator[Applied]:
        """Writes what differs; what fails stops none of the others. Raises StoreError before the first one."""
        pending = [change for change in changes if change.action != "unchanged"]
        marking = {change.key: change.content for change in changes if change.mark and change.content}
        for change in changes:
            if change.action == "unchanged":
                yield Applied(change.key, change.action, self.where(change.key))
        if not pending and not marking:
            return
        conflicts = self._conflicts(pending)
        for key, error in conflicts.items():
            yield Applied(key, "update", self.where(key), error)
        begun = [change for change in pending if change.key not in conflicts]
        self._index.begin(begun, self._owner)
        outcomes: dict[Key, StoreError | None] = {}
        try:
            yield from self._applied(begun, outcomes)
        finally:
            self._finish(begun, outcomes, marking)

    def close(self) -> None:
        """Hang up."""
        self._client.close()

    @cached_property
    def _rest(self) -> V1 | V2:
        return V2(self._client) if self._client.api == "v2" else V1(self._client)

    @cached_property
    def _index(self) -> StoredIndex:
        return StoredIndex(self._rest, self._client.place)

    def _conflicts(self, pending: Sequence[Change]) -> dict[Key, StoreError]:
        """Those that are not any more what they were compared with. What is created is guarded by the API itself."""
        compared = [change for change in pending if change.action != "create"]
        now = self._rest.read([change.key for change in compared]) if compared else {}
        found: dict[Key, StoreError] = {}
        for change in compared:
            shown, seen = now.get(change.key), self._seen.get(change.key)
            if shown is None and change.action == "delete":
                continue
            moved = shown is None or self._index.version(change.key, shown) != change.expect
            if moved or (shown is not None and seen is not None and not shown.may_be(seen)):
                message = f"{self.where(change.key)}: {change.key} was changed by somebody else since it was read"
                found[change.key] = Conflict(message, "airflow-bootstrap register")
        return found

    def _applied(self, changes: Sequence[Change], outcomes: dict[Key, StoreError | None]) -> Iterator[Applied]:
        failure: StoreError | None = None
        for kind, batch in _batches(changes, self._rest.batch):
            if failure is None:
                outcomes |= {change.key: _UNKNOWN for change in batch}  # what an interrupted request did is not known
                outcome = self._written(kind, batch)
                outcomes |= outcome
            else:
                outcome = {
                    change.key: Unavailable(
                        f"{self.where(change.key)}: {change.key} not written: {failure.message}", failure.hint
                    )
                    for change in batch
                }
            failure = failure or next(filter(_is_gone, outcome.values()), None)
            for change in batch:
                yield Applied(change.key, change.action, self.where(change.key), outcome[change.key])

    def _finish(
        self, begun: Sequence[Change], outcomes: Mapping[Key, StoreError | None], marking: Mapping[Key, Content]
    ) -> None:
        """A server that is gone has been reported already; what it was about to write stays listed as pending."""
        done = {change.key: change.content for change in begun if outcomes.get(change.key, _UNKNOWN) is None}
        undone = [key for key, error in outcomes.items() if error is not None and not _is_gone(error)]
        undone += [change.key for change in begun if change.key not in outcomes]
        gone = [Unavailable] if any(map(_is_gone, outcomes.values())) else []
        with suppress(*gone):
            self._index.finish({**marking, **done}, undone, self._owner)

    def _written(self, kind: Kind, batch: Sequence[Change]) -> Mapping[Key, StoreError | None]:
        """One that Airflow doesn't take fails the whole request, so then each is tried alone."""
        try:
            return self._rest.write(kind, batch, self._seen)
        except (Malformed, Conflict, Failed) as err:
            if len(batch) > 1:
                return {key: error for change in batch for key, error in self._written(kind, [change]).items()}
            return {batch[0].key: err}
        except StoreError as err:
            return {change.key: err for change in batch}


def _is_gone(error: StoreError | None) -> bool:
    """True if it is unknown what the server did, and asking again can't help."""
    return isinstance(error, Unavailable) and not isinstance(error, Failed)


def _batches(changes: Sequence[Change], size: int) -> Iterator[tuple[Kind, Sequence[Change]]]:
    for kind in _KINDS:
        same = [change for change in changes if change.key.kind == kind]
        yield from ((kind, same[start : start + size]) for start in range(0, len(same), size))


def open_target(options: Options, manifest: Manifest, _secrets: SecretReader) -> ApiTarget:
    """The target; makes no request yet."""
    return ApiTarget(Client(options, manifest.folder), manifest.owner)
