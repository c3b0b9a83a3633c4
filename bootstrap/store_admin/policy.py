"""Computes the least policy of a store's credential from the manifest alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Literal

from bootstrap import plugins
from bootstrap.desired.resolve import SecretReader
from bootstrap.errors import UsageError
from bootstrap.manifest.key_place import candidate_path, journal_path, place_of
from bootstrap.manifest.kinds import FillsFields
from bootstrap.manifest.loader import Manifest
from bootstrap.manifest.models import INDEX, find_references
from bootstrap.stores.base import BackendPaths, Context, Needs
from bootstrap.stores.kind import StoreKind, WritesPolicy

Purpose = Literal["read", "register", "prune", "rotate", "airflow"]


def needs(manifest: Manifest, secrets: SecretReader, name: str, purpose: Purpose) -> Needs:
    """What one store's credential is needed for. Asks no store.

    `read`: what the manifest refers to. `register`: that, and writing connections and variables, as `up` does. `prune`: that, and
    deleting connections that the manifest no longer has. `rotate`: that of `register`, and replacing keys. `airflow`: what
    Airflow's own secrets backend looks for.
    """
    if purpose == "airflow":
        looked = (BackendPaths(*source.paths).all for source in manifest.sources if source.store == name)
        return Needs(below=_unique(path for paths in looked for path in paths))
    kept = list(_kept(manifest, name)) if purpose != "read" else []
    rotated = _unique(_rotated(manifest, name)) if purpose == "rotate" else ()
    candidates = _unique(map(candidate_path, rotated))
    write = _unique((*_written(kept, secrets, name), *rotated, *candidates, *map(journal_path, rotated)))
    own = [manifest.backend_rotation] if manifest.backend_rotation is not None else []
    options = [spec.options for spec in (*manifest.rotations.values(), *own)] if purpose == "rotate" else []
    wanted = find_references([manifest.connections, manifest.variables, manifest.config, options])
    read = _unique(reference.path for _, reference in wanted if reference.store == name)
    prune = _unique(prefix for prefix, _ in kept) if purpose == "prune" else ()
    return Needs(
        read=tuple(path for path in read if path not in write),
        write=write,
        prune=prune,
        destroy=_unique((*rotated, *candidates)),
        delete=candidates,
    )


def most(manifest: Manifest, secrets: SecretReader, name: str) -> Needs:
    """What one store's credential may be needed for by any command."""
    return replace(needs(manifest, secrets, name, "rotate"), prune=needs(manifest, secrets, name, "prune").prune)


def _rotated(manifest: Manifest, name: str) -> Iterator[str]:
    """The secrets of the store that hold a key which is replaced."""
    own = manifest.backend_rotation
    found = [own.keep] if own is not None and own.keep is not None else []
    for conn_id, spec in manifest.rotations.items():
        fields = plugins.ISSUERS.get(spec.issuer, FillsFields).fields(spec.options)
        found.append(place_of(conn_id, manifest.connections[conn_id], fields).reference)
    yield from (place.path for place in found if place.store == name)


def _unique(paths: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(paths)))


def _kept(manifest: Manifest, name: str) -> Iterator[tuple[str, Iterable[str]]]:
    """Below which paths of the store something is registered, and what. Airflow asks the first path of a list first."""
    backend = manifest.backend
    if backend is None or backend.store != name or all(target.name != "backend" for target in manifest.register):
        return
    for paths, names in ((backend.connections, manifest.connections), (backend.variables, manifest.variables)):
        if paths is not None:
            yield paths if isinstance(paths, str) else paths[0], names


def _written(kept: Sequence[tuple[str, Iterable[str]]], secrets: SecretReader, name: str) -> Iterator[str]:
    """What is registered, and the one list of it, below the first path."""
    for prefix, names in (*kept, *((prefix, (INDEX,)) for prefix, _ in kept[:1])):
        for each in names:
            yield f"{prefix}{secrets.store(name).separator}{each}"


def policy(manifest: Manifest, secrets: SecretReader, name: str | None, purpose: Purpose, wanted: str | None) -> str:
    """The policy's text; its format is the kind's first unless `wanted`. Raises UsageError where there is none."""
    name = name if name is not None else _only_store(manifest, secrets, purpose)
    if name not in manifest.stores:
        raise UsageError(f"the manifest has no store {name!r}", f"there are: {', '.join(manifest.stores) or 'none'}")
    spec = manifest.stores[name]
    kind = plugins.STORES.get(spec.kind, StoreKind)
    if not isinstance(kind, WritesPolicy):
        raise UsageError(f"store {name}: a store of kind {spec.kind} has no policies", "name another store")
    needed = needs(manifest, secrets, name, purpose)
    if needed == Needs():
        raise UsageError(f"store {name}: --for {purpose} needs nothing of it", "name another store, or another --for")
    texts = kind.policy(spec.options, needed, Context(name, manifest.folder))
    found = wanted if wanted is not None else next(iter(texts))
    if found not in texts:
        message = f"a policy of a store of kind {spec.kind} has no format {wanted}"
        raise UsageError(message, f"there are: {', '.join(texts)}")
    return texts[found]


def _only_store(manifest: Manifest, secrets: SecretReader, purpose: Purpose) -> str:
    """The store that is meant where none is named. Raises UsageError unless there is exactly one."""
    names = [
        name
        for name, spec in manifest.stores.items()
        if isinstance(plugins.STORES.get(spec.kind, StoreKind), WritesPolicy)
        and needs(manifest, secrets, name, purpose) != Needs()
    ]
    if not names:
        raise UsageError(f"{manifest.file}: no store needs a policy --for {purpose}", "name another --for")
    if len(names) > 1:
        raise UsageError(f"each of several stores needs a policy of its own: {', '.join(names)}", "name one of them")
    return names[0]
