"""Which keys are rotated, and by whom: of connections, and Airflow's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from bootstrap import plugins
from bootstrap.errors import ManifestError
from bootstrap.manifest.key_place import place_of
from bootstrap.manifest.kinds import FillsFields
from bootstrap.manifest.models import Backend, ConnectionSpec, Kept, RotateSpec
from bootstrap.manifest.problems import Problem
from bootstrap.manifest.reader import Reader
from bootstrap.util.yaml_document import Path_


def rotations(reader: Reader, specs: Mapping[str, ConnectionSpec]) -> Iterator[tuple[str, RotateSpec]]:
    """Those of connections, by conn_id. Two that share one secret are a problem."""
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
    """That of the credential that Airflow's backend logs in with; None if there is none, or it is wrong."""
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
