"""The path in the backend's store where Airflow's secrets backend looks for connections."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from bootstrap import connection
from bootstrap.desired import Secrets
from bootstrap.errors import Malformed, ManifestError, NotFound, StoreError
from bootstrap.manifest import Manifest
from bootstrap.stores.base import Store, Stored
from bootstrap.targets.base import Applied, Change, Registered


class BackendTarget:
    """Connections below `prefix` of a store, as fields of a secret each."""

    def __init__(self, name: str, store: Store, prefix: str) -> None:
        self.name = name
        self.store = store
        self.prefix = prefix

    def where(self, conn_id: str) -> str:
        """STORE:PATH of the connection."""
        return f"{self.name}:{self._path(conn_id)}"

    def registered(self, conn_ids: Iterable[str]) -> Mapping[str, Registered]:
        """Reads each connection's secret. Raises Denied or Unavailable."""
        found: dict[str, Registered] = {}
        for conn_id in conn_ids:
            try:
                stored = self.store.read(self._path(conn_id))
            except NotFound:
                continue
            found[conn_id] = self._compared(stored, self.where(conn_id))
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
        return f"{self.prefix}/{conn_id}"

    @staticmethod
    def _compared(stored: Stored, where: str) -> Registered:
        fields = {name: value.as_public() for name, value in (stored.fields or {}).items()}
        try:
            read = connection.from_fields(fields, where)
        except Malformed as err:
            return Registered(fields={}, version=stored.version, malformed=err.message)
        return Registered(fields=read.fingerprints(), version=stored.version)


def open_target(manifest: Manifest, secrets: Secrets) -> BackendTarget:
    """The target; reads nothing yet. Raises ManifestError where Airflow doesn't look for connections."""
    backend = manifest.backend
    if backend is None or backend.connections is None:
        raise ManifestError(
            f"{manifest.file}: `backend.connections` is off, so nothing can be registered there", "set a path"
        )
    return BackendTarget(backend.store, secrets.store(backend.store), backend.connections)
