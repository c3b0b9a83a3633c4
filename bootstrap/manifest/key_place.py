"""Which keys are rotated and by whom, and the address of each: the one secret that holds it, and where its rotation is kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bootstrap import plugins
from bootstrap.domain.reference import Reference
from bootstrap.errors import ManifestError
from bootstrap.manifest.kinds import FillsFields
from bootstrap.manifest.models import Backend, ConnectionSpec, Kept, RotateSpec
from bootstrap.manifest.problems import Problem, Reader
from bootstrap.util.yaml_document import Path_

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
        message = f"connections.{conn_id}: its key is in several secrets: {', '.join(map(str, found.values()))}"
        raise ManifestError(message, "keep it in fields of one secret, so that it changes in one step")
    return KeyPlace(next(iter(found.values())), {field: reference.field for field, reference in found.items()})


def _reference(conn_id: str, spec: ConnectionSpec, field: str) -> Reference:
    said = (spec.extra or {}).get(field.removeprefix(EXTRA)) if field.startswith(EXTRA) else spec.field(field)
    if not isinstance(said, Reference):
        message = f"connections.{conn_id}: {field} changes with each rotation, and is no secret of a store"
        raise ManifestError(message, f'keep it in one: {{secret: "STORE:PATH#{field.removeprefix(EXTRA)}"}}')
    _not_pinned(conn_id, said)
    return said


def _not_pinned(conn_id: str, reference: Reference) -> None:
    if reference.version is not None:
        message = f"connections.{conn_id}: {reference} names a version, which a new key would not change"
        raise ManifestError(message, "leave out the @VERSION")


def rotations(reader: Reader, specs: Mapping[str, ConnectionSpec]) -> Iterator[tuple[str, RotateSpec]]:
    """Which keys of connections are rotated, by conn_id. Two that share one secret are a problem."""
    taken: dict[str, str] = {}
    for conn_id, spec in specs.items():
        path: Path_ = ("connections", conn_id, "rotate")
        found = _rotation(reader, path, spec.rotate)
        if found is None:
            continue
        fields = plugins.ISSUERS.get(found.issuer, FillsFields).fields(found.options)
        try:
            where = place_of(conn_id, spec, fields).where
        except ManifestError as err:
            reader.problems.append(Problem(path, err.message, err.hint))
            continue
        if where in taken:
            message = f"connections.{conn_id}: its key is {where}, which {taken[where]} rotates already"
            reader.problems.append(Problem(path, message, "leave one of them out: checks of both prove the key"))
        taken[where] = conn_id
        yield conn_id, found


def backend_rotation(reader: Reader, backend: Backend | None) -> RotateSpec | None:
    """The rotation of the credential that Airflow's backend logs in with; None if there is none, or it is wrong."""
    path: Path_ = ("backend", "rotate")
    if backend is None or backend.rotate is None or not isinstance(backend.rotate, dict):
        return _rotation(reader, path, backend.rotate if backend is not None else None)
    found = _rotation(reader, path, {key: value for key, value in backend.rotate.items() if key != "keep"})
    kept = reader.model(Kept, {key: value for key, value in backend.rotate.items() if key == "keep"}, path)
    if found is None or kept is None:
        return None
    reader.references(path, kept)
    if kept.keep.version is not None:
        message = f"{kept.keep} names a version, which a new key would not change"
        reader.problems.append(Problem((*path, "keep"), message, "leave out the @VERSION"))
    return replace(found, keep=kept.keep)


def _rotation(reader: Reader, path: Path_, data: Any) -> RotateSpec | None:
    if data is None:
        return None
    issuer = data.get("issuer") if isinstance(data, dict) else None
    module = plugins.ISSUERS.find(issuer, FillsFields)
    if module is None:
        where: Path_ = (*path, "issuer") if issuer is not None else path
        reader.unknown(where, "issuer", issuer, plugins.ISSUERS.names())
        return None
    parsed = reader.model(module.Options, data, path)
    if parsed is None:
        return None
    reader.references(path, parsed)
    store = getattr(parsed, "store", None)  # whose log-in makes the keys
    if store is not None and store not in reader.section("stores"):
        reader.unknown((*path, "store"), "store", store, reader.section("stores"))
    return RotateSpec(str(issuer), parsed)
