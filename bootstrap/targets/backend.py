"""The path in the backend's store where Airflow's secrets backend looks for connections."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from bootstrap import connection
from bootstrap.desired import Secrets
from bootstrap.errors import IllegalName, Malformed, ManifestError, NotFound, StoreError
from bootstrap.manifest import Manifest
from bootstrap.model import Model
from bootstrap.stores.base import CONCURRENCY, Store, Stored
from bootstrap.stores.reading import PathAt, read_many
from bootstrap.targets.base import Applied, Change, Registered


class BackendTarget:
    """Connections below `prefix` of a store, as fields of a secret each; read so many at a time."""

    def __init__(self, name: str, store: Store, prefix: str, concurrency: int = CONCURRENCY) -> None:
        self.name = name
        self.store = store
        self.prefix = prefix
        self.concurrency = concurrency

    def where(self, conn_id: str) -> str:
        """STORE:PATH of the connection."""
        return f"{self.name}:{self._path(conn_id)}"

    def registered(self, conn_ids: Iterable[str]) -> Mapping[str, Registered]:
        """Reads each connection's secret. Raises Denied, Unavailable, or IllegalName for a conn_id that can't be there."""
        places: dict[str, PathAt] = {conn_id: (self._path(conn_id), None) for conn_id in conn_ids}
        read = read_many(self.name, self.store, places.values(), self.concurrency)
        found: dict[str, Registered] = {}
        for conn_id, place in places.items():
            stored = read[place]
            if isinstance(stored, Stored):
                found[conn_id] = self._compared(stored, self.where(conn_id))
            elif isinstance(stored, IllegalName) or not isinstance(stored, NotFound):
                raise stored
        return found

    def apply(self, changes: Sequence[Change]) -> Iterator[Applied]:
        """Writes what differs, one secret after the other; a conflict or a refusal stops none of the others."""
        for change in changes:
            error: StoreError | None = None
            if change.action != "unchanged":
                try:
                    self.store.write(self._path(change.conn_id), change.connection.as_fields(), expect=change.expect)
                except StoreError as err:
                    error = err
            yield Applied(change.conn_id, change.action, self.where(change.conn_id), error)

    def _path(self, conn_id: str) -> str:
        return f"{self.prefix}{self.store.separator}{conn_id}"

    @staticmethod
    def _compared(stored: Stored, where: str) -> Registered:
        try:
            if stored.fields is None:
                read = connection.from_text(stored.value.as_public(), where)
            else:
                read = connection.from_fields({name: it.as_public() for name, it in stored.fields.items()}, where)
        except Malformed as err:
            return Registered(fields={}, version=stored.version, malformed=err.message)
        return Registered(fields=read.fingerprints(), version=stored.version)


class Options(Model):
    """Nothing: `backend:` says where it is."""


def open_target(_options: Options, manifest: Manifest, secrets: Secrets) -> BackendTarget:
    """The target; reads nothing yet. Raises ManifestError where Airflow doesn't look for connections."""
    backend = manifest.backend
    if backend is None or backend.store is None or backend.connections is None:
        raise ManifestError(
            f"{manifest.file}: `backend.connections` is off, so nothing can be registered there", "set a path"
        )
    paths = backend.connections
    first = paths if isinstance(paths, str) else paths[0]  # Airflow asks them in order
    return BackendTarget(backend.store, secrets.store(backend.store), first, secrets.concurrency)
