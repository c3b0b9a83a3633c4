"""Computes the options of airflow.cfg, and the variables that Airflow's processes need besides, from the manifest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bootstrap import plugins
from bootstrap.airflow import environment
from bootstrap.airflow.releases import Release, release
from bootstrap.domain.reference import Reference
from bootstrap.domain.secret import Secret
from bootstrap.errors import AirflowError, ManifestError
from bootstrap.manifest.field_types import Command
from bootstrap.manifest.kinds import Configurable
from bootstrap.manifest.models import Backend, Manifest
from bootstrap.manifest.secret_variables import GivesVariables
from bootstrap.providers.installed import sensitive_options
from bootstrap.render.backend_options import SECRETS, WORKERS, Serving, joined, refused, served
from bootstrap.stores.base import BackendPaths, Context
from bootstrap.stores.kind import StoreKind
from bootstrap.util.files import cache_folder


@dataclass(frozen=True)
class Settings:
    """The options that the manifest decides.

    `workers` None: [secrets] serves them, too. `config` is section → option → value; `absent` are options that must not
    be there, since Airflow would read them instead. `variables` read the credentials that are not in the file, each when
    it is called; `inline`: there are credentials in the file. `advice` is what the user should know; `cache` a folder for
    what can be found out again.
    """

    secrets: Serving | None
    workers: Serving | None
    use_cache: bool | None
    cache_ttl_seconds: int | None
    config: Mapping[str, Mapping[str, str]]
    absent: Mapping[str, tuple[str, ...]]
    variables: Mapping[str, Callable[[], Secret]]
    release: Release
    inline: bool
    advice: tuple[str, ...]
    cache: Path | None = None


def settings(manifest: Manifest, *, elsewhere: bool = False) -> Settings:
    """Raises ManifestError for what Airflow would not understand or could not do; StoreError.

    `elsewhere`: they are for an Airflow that runs on another machine, where there may be what this one lacks.
    """
    backend = manifest.backend
    if not manifest.decides_airflow_cfg:
        message = f"{manifest.file}: there is no `backend:`, so there is nothing to render"
        raise ManifestError(message, "add one; see the README")
    known = _release(manifest)
    config = _config(manifest, known)
    absent = {section: tuple(_others(given)) for section, given in config.items()}
    if backend is None:
        cache = cache_folder(manifest.folder)
        return Settings(None, None, None, None, config, absent, {}, known, inline=False, advice=(), cache=cache)
    _require_supported(manifest, backend, known)
    server = served(manifest, backend, SECRETS, known, elsewhere=elsewhere)
    workers = served(manifest, backend.workers, WORKERS, known, elsewhere=elsewhere) if backend.workers else None
    every = [part for part in (server, workers) if part is not None]
    if backend.multi_team is not None:
        config = {**config, "core": {"multi_team": str(backend.multi_team), **config.get("core", {})}}
    return Settings(
        secrets=server.serving,
        workers=workers.serving if workers else None,
        use_cache=backend.use_cache,
        cache_ttl_seconds=backend.cache_ttl_seconds,
        config=config,
        absent=absent,
        variables=joined(manifest, every, elsewhere=elsewhere),
        release=known,
        inline=any(part.inline for part in every),
        cache=cache_folder(manifest.folder),
        advice=(*dict.fromkeys(line for part in every for line in part.advice), *_at_start(config)),
    )


def credentials(manifest: Manifest) -> dict[str, Secret]:
    """The variables that Airflow's processes need: for its secrets backends, and those in which connections are registered.

    Raises Denied, where a credential can't be had.
    """
    found: dict[str, Secret] = {}
    for target in manifest.register:
        kind = plugins.TARGETS.get(target.name, Configurable)
        if isinstance(kind, GivesVariables):
            found |= kind.variables(target.options, manifest)
    if manifest.backend is None:
        return found
    return {**found, **{name: read() for name, read in settings(manifest).variables.items()}}


def _release(manifest: Manifest) -> Release:
    wanted = manifest.airflow.version
    try:
        return release(wanted or environment.installed_version())
    except AirflowError as err:
        if wanted is None:
            raise
        message = f"airflow.version: {err.message}"
        raise refused(manifest, ("airflow", "version"), message, "2.11 is the oldest") from err


def _require_supported(manifest: Manifest, backend: Backend, known: Release) -> None:
    airflow = f"Airflow {manifest.airflow.version or environment.installed_version()}"
    if backend.workers is not None and not known.workers:
        message = f"{airflow} has no secrets backend for its workers alone"
        hint = "leave out backend.workers: [secrets] serves them, too"
        raise refused(manifest, ("backend", "workers"), message, hint)
    if backend.multi_team is not None and not known.teams:
        message = f"{airflow} knows no teams"
        raise refused(manifest, ("backend", "multi_team"), message, "leave out backend.multi_team")


def _at_start(config: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    names = [
        f"[{section}] {name.removesuffix('_secret')}"
        for section, options in config.items()
        for name in options
        if name.endswith("_secret")
    ]
    if names:
        yield f"Airflow asks its secrets backend for {', '.join(names)} when it starts: without the store, nothing of it runs"


def _others(options: Mapping[str, str]) -> Iterator[str]:
    """Those that Airflow would read before the ones given: OPTION itself, and OPTION_cmd."""
    for name in options:
        option, _, kind = name.rpartition("_")
        yield option
        yield f"{option}_{'cmd' if kind == 'secret' else 'secret'}"


def _config(manifest: Manifest, known: Release) -> dict[str, dict[str, str]]:
    """`config:` of the manifest, sensitive options that Airflow reads from its secrets backend, or from what a command prints:
    section → OPTION_secret or OPTION_cmd → value. Raises ManifestError for what Airflow would not look up so.
    """
    found: dict[str, dict[str, str]] = {}
    for section, given in manifest.config.items():
        for option, source in given.items():
            _require_sensitive(manifest, known, section, option)
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


def _require_sensitive(manifest: Manifest, known: Release, section: str, option: str) -> None:
    import difflib

    name = f"{section}.{option}"
    allowed = known.sensitive | sensitive_options()
    if section in ("secrets", "workers"):
        raise ManifestError(f"{manifest.file}: config.{name} is rendered from `backend:`", "leave it out")
    if name not in allowed:
        near = difflib.get_close_matches(name, allowed, n=1)
        message = f"{manifest.file}: config.{name} is not a sensitive option: Airflow looks up only those elsewhere"
        raise ManifestError(message, f"did you mean {near[0]}?" if near else f"there are: {', '.join(sorted(allowed))}")


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
    hint = f"write {backend.store}:{backend.config}{separator}NAME" if backend.config else "set backend.config"
    raise ManifestError(f"{where}: Airflow looks below backend.config only, not at {reference}", hint)
