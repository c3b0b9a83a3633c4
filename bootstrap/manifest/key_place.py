"""The address of a key: the one secret that holds it, and where its rotation is kept beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bootstrap.domain.reference import Reference
from bootstrap.errors import ManifestError
from bootstrap.manifest.models import ConnectionSpec

EXTRA = "extra."
JOURNAL = "airflow_bootstrap_rotation"
CANDIDATE = "airflow_bootstrap_candidate"


@dataclass(frozen=True)
class KeyPlace:
    """The one secret that holds a key, and where in it each field of the key stands.

    `parts`: for each field of the connection, the field of the secret (None: all of it). `whole`: the secret is a whole
    connection, of the type `conn_type` if the manifest says.
    """

    reference: Reference
    parts: Mapping[str, str | None]
    whole: bool = False
    conn_type: str | None = None

    @property
    def where(self) -> str:
        """The secret, for people."""
        return f"{self.reference.store}:{self.reference.path}"


def journal_path(path: str) -> str:
    """Where the journal of the secret at `path` is."""
    return f"{path}_{JOURNAL}"


def candidate_path(path: str) -> str:
    """Where both contents of the secret at `path` are kept while its key is rotated."""
    return f"{path}_{CANDIDATE}"


def place_of(conn_id: str, spec: ConnectionSpec, fields: Sequence[str]) -> KeyPlace:
    """Where the key of a connection is kept. Raises ManifestError where that isn't one secret of a store."""
    if spec.from_ is not None:
        _not_pinned(conn_id, spec.from_)
        return KeyPlace(spec.from_, dict.fromkeys(fields), whole=True, conn_type=spec.conn_type)
    found = {field: _reference(conn_id, spec, field) for field in fields}
    places = {(reference.store, reference.path) for reference in found.values()}
    if len(places) > 1:
        raise ManifestError(
            f"connections.{conn_id}: its key is in several secrets: {', '.join(map(str, found.values()))}",
            "keep it in fields of one secret, so that it changes in one step",
        )
    return KeyPlace(next(iter(found.values())), {field: reference.field for field, reference in found.items()})


def _reference(conn_id: str, spec: ConnectionSpec, field: str) -> Reference:
    said = (spec.extra or {}).get(field.removeprefix(EXTRA)) if field.startswith(EXTRA) else spec.field(field)
    if not isinstance(said, Reference):
        raise ManifestError(
            f"connections.{conn_id}: {field} changes with each rotation, and is no secret of a store",
            f'keep it in one: {{secret: "STORE:PATH#{field.removeprefix(EXTRA)}"}}',
        )
    _not_pinned(conn_id, said)
    return said


def _not_pinned(conn_id: str, reference: Reference) -> None:
    if reference.version is not None:
        raise ManifestError(
            f"connections.{conn_id}: {reference} names a version, which a new key would not change",
            "leave out the @VERSION",
        )
