"""`config:` of the manifest: sensitive options that Airflow reads from its secrets backend, or from what a command prints."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from bootstrap import plugins
from bootstrap.airflow.releases import Release
from bootstrap.domain.reference import Reference
from bootstrap.errors import ManifestError
from bootstrap.manifest.field_types import Command
from bootstrap.manifest.models import Manifest
from bootstrap.providers.installed import sensitive_options
from bootstrap.stores.base import BackendPaths, Context
from bootstrap.stores.kind import StoreKind


def options(manifest: Manifest, known: Release) -> dict[str, dict[str, str]]:
    """Section → OPTION_secret or OPTION_cmd → value. Raises ManifestError for what Airflow would not look up so."""
    found: dict[str, dict[str, str]] = {}
    for section, given in manifest.config.items():
        for option, source in given.items():
            _possible(manifest, known, section, option)
            if isinstance(source, Command):
                found.setdefault(section, {})[f"{option}_cmd"] = source.text
            else:
                found.setdefault(section, {})[f"{option}_secret"] = _key(manifest, source, f"{section}.{option}")
    return found


def from_secrets(manifest: Manifest) -> Iterator[tuple[str, str, Reference]]:
    """Section, option and reference of each that Airflow reads from its secrets backend."""
    for section, given in manifest.config.items():
        for option, source in given.items():
            if isinstance(source, Reference):
                yield section, option, source


def from_commands(manifest: Manifest) -> Iterator[tuple[str, str]]:
    """Section and option of each that a command prints."""
    for section, options in manifest.config.items():
        yield from ((section, option) for option, source in options.items() if not isinstance(source, Reference))


def _possible(manifest: Manifest, known: Release, section: str, option: str) -> None:
    name = f"{section}.{option}"
    allowed = known.sensitive | sensitive_options()
    if section in ("secrets", "workers"):
        raise ManifestError(f"{manifest.file}: config.{name} is rendered from `backend:`", "leave it out")
    if name not in allowed:
        near = difflib.get_close_matches(name, allowed, n=1)
        raise ManifestError(
            f"{manifest.file}: config.{name} is not a sensitive option: Airflow looks up only those elsewhere",
            f"did you mean {near[0]}?" if near else f"there are: {', '.join(sorted(allowed))}",
        )


def _key(manifest: Manifest, reference: Reference, name: str) -> str:
    """What Airflow asks its backend for: the path below the backend's path for configuration."""
    backend = manifest.backend
    where = f"{manifest.file}: config.{name}"
    if backend is None or backend.store is None or reference.store != backend.store:
        raise ManifestError(f"{where}: Airflow reads it from its own backend only", "name the store of `backend:`")
    if reference.field is not None or reference.version is not None:
        raise ManifestError(f"{where}: Airflow reads the newest version, and the field `value`", "leave out # and @")
    spec = manifest.stores[backend.store]
    kind = plugins.STORES.get(spec.kind, StoreKind)
    separator = kind.open_store(spec.options, Context(backend.store, manifest.folder)).separator
    for prefix in BackendPaths(None, None, backend.paths[2]).all:
        key = reference.path.removeprefix(f"{prefix}{separator}")
        if key != reference.path and key:
            return key
    raise ManifestError(
        f"{where}: Airflow looks below backend.config only, not at {reference}",
        f"write {backend.store}:{backend.config}{separator}NAME" if backend.config else "set backend.config",
    )
