"""The target `backend`. Every manifest with a backend loads it: what registers is imported when it does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bootstrap.errors import ManifestError
from bootstrap.util.model import Model

if TYPE_CHECKING:
    from bootstrap.desired.resolve import SecretReader
    from bootstrap.manifest.loader import Manifest
    from bootstrap.targets.backend.secret_paths import BackendTarget
    from bootstrap.targets.base import Kind

REMOTE = True  # it is where it is, whichever folder the manifest is in


class Options(Model):
    """Nothing: `backend:` says where it is."""


def open_target(_options: Options, manifest: Manifest, secrets: SecretReader) -> BackendTarget:
    """The target; reads nothing yet. Raises ManifestError where Airflow looks for neither connections nor variables."""
    from bootstrap.targets.backend.secret_paths import BackendTarget

    backend = manifest.backend
    prefixes: dict[Kind, str] = {}
    if backend is not None:
        given: dict[Kind, str | Sequence[str] | None] = {
            "connection": backend.connections,
            "variable": backend.variables,
        }
        for kind, paths in given.items():
            if paths is not None:
                prefixes[kind] = paths if isinstance(paths, str) else paths[0]  # Airflow asks them in order
    if backend is None or backend.store is None or not prefixes:
        message = f"{manifest.file}: `backend.connections` is off, so nothing can be registered there"
        raise ManifestError(message, "set a path")
    shared = manifest.stores[backend.store].kind != "embedded"  # which serves one machine
    store = secrets.store(backend.store)
    return BackendTarget(backend.store, store, prefixes, manifest.owner, secrets.concurrency, shared=shared)
