"""A secrets backend as airflow.cfg names it: computed from the manifest's source, checked against the class, without secrets."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import astuple, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from bootstrap import plugins
from bootstrap.airflow.releases import Release
from bootstrap.domain.secret import Secret
from bootstrap.errors import Denied, ManifestError
from bootstrap.manifest.models import Manifest, Source
from bootstrap.render.backend_kwargs.result import Checked, Problem
from bootstrap.stores.base import AirflowBackend, BackendPaths, Context
from bootstrap.stores.credential import Credential, PlainCredential
from bootstrap.stores.kind import ReadByAirflow
from bootstrap.util import urls
from bootstrap.util.file_cache import remembered
from bootstrap.util.files import cache_folder
from bootstrap.util.yaml_document import Path_


@dataclass(frozen=True)
class Serving:
    """A secrets backend as airflow.cfg names it: its class, and keyword arguments as plain JSON data."""

    backend_class: str
    kwargs: Mapping[str, Any]


@dataclass(frozen=True)
class Place:
    """Where airflow.cfg names a backend."""

    section: str
    option: str

    def variable(self, kwarg: str | None = None) -> str:
        """The variable that Airflow takes one keyword argument from, or all of them."""
        name = f"AIRFLOW__{self.section}__{self.option}".upper()
        return f"{name}S" if kwarg is None else f"{name}__{kwarg.upper()}"


SECRETS = Place("secrets", "backend_kwarg")
WORKERS = Place("workers", "secrets_backend_kwarg")


@dataclass(frozen=True)
class Served:
    """One backend: how it is named, the variables that hold its credentials, and what the user should know."""

    serving: Serving
    variables: Mapping[str, Callable[[], Secret]]
    inline: bool
    advice: tuple[str, ...]


def served(manifest: Manifest, source: Source, place: Place, known: Release, *, elsewhere: bool) -> Served:
    """Compute one backend. Raises ManifestError for what its class would not understand, StoreError.

    `elsewhere`: Airflow runs on another machine, where there may be what this one lacks.
    """
    found = _backend(manifest, source)
    advice = (*found.advice, *_checked(manifest, found, place, known if elsewhere else None))
    credentials = found.secret_kwargs
    has_login = any(True for _ in urls.login_places(found.kwargs))
    context = _context(manifest, source)
    own = {name: _reader(source, context) for name, source in found.environment.items()}
    if manifest.backend is not None and manifest.backend.credential == "inline":
        inline = {name: _reader(credential, context)().reveal() for name, credential in credentials.items()}
        serving = Serving(found.backend_class, {**found.kwargs, **inline})
        return Served(serving, own, bool(inline) or has_login, (*_needs(own), *advice))
    variables = {**own, **_variables(found, place, known, context)}
    return Served(Serving(found.backend_class, found.kwargs), variables, has_login, (*_needs(variables), *advice))


def _backend(manifest: Manifest, source: Source) -> AirflowBackend:
    """The class and its arguments, as the store or the manifest has them."""
    more = {name: value for name, value in source.kwargs.items() if not _is_credential(value)}
    credentials = {name: value for name, value in source.kwargs.items() if _is_credential(value)}
    if source.store is None:
        return AirflowBackend(str(source.class_), more, credentials)
    spec = manifest.stores[source.store]
    kind = plugins.STORES.get(spec.kind, ReadByAirflow)
    others = (other for other in manifest.sources if other is not source and other.store == source.store)
    elsewhere = tuple(path for other in others for path in BackendPaths(*other.paths).all)
    paths = BackendPaths(*source.paths, elsewhere)
    found = kind.airflow_backend(spec.options, paths, _context(manifest, source))
    both = sorted(source.kwargs.keys() & {*found.kwargs, *found.secret_kwargs})
    if both:
        path: Path_ = ("backend",) if source is manifest.backend else ("backend", "workers")
        raise refused(
            manifest,
            (*path, "kwargs", both[0]),
            f"backend.kwargs has {', '.join(both)}, which the store {source.store} brings itself",
            "say it there, or leave it out",
        )
    return replace(found, kwargs={**found.kwargs, **more}, secret_kwargs={**found.secret_kwargs, **credentials})


def _is_credential(value: Any) -> bool:
    return isinstance(value, Credential | PlainCredential)


def _context(manifest: Manifest, source: Source) -> Context:
    return Context(source.store or str(source.class_).rpartition(".")[2], manifest.folder)


def _reader(credential: Any, context: Context) -> Callable[[], Secret]:
    return partial(credential.read, context.name, context.folder)


def _checked(manifest: Manifest, found: AirflowBackend, place: Place, elsewhere: Release | None) -> Iterator[str]:
    """Warnings about the class and its arguments. Raises ManifestError for arguments that the class can't use.

    `elsewhere`: the release of the Airflow that runs on another machine.
    """
    given = {*found.secret_kwargs, *(["token"] if "VAULT_TOKEN" in os.environ else [])}
    checked = cached_check(found.backend_class, found.kwargs, given, cache_folder(manifest.folder))
    name = found.backend_class.rpartition(".")[2]
    if problems := [problem for problem in checked.problems if elsewhere is None or not problem.local]:
        raise _would_not_work(manifest, place, name, problems, checked.source)
    if elsewhere is not None:
        yield from (_at_run_time(name, problem, place, elsewhere, found.kwargs) for problem in checked.problems)
    if checked.source and not checked.source.endswith("(installed)"):
        yield f"{name} was checked against {checked.source}"
    yield from (_about(name, warning) for warning in checked.warnings)


def cached_check(backend_class: str, kwargs: Mapping[str, Any], elsewhere: Collection[str], cache: Path) -> Checked:
    """As backend_kwargs.check.check, which takes a fifth of a `render`; a result without problems is kept in the folder
    `cache`, which exists.
    """

    def read() -> tuple[Any, Collection[str]]:
        from bootstrap.render.backend_kwargs import check as reading

        checked = reading.check(backend_class, kwargs, elsewhere)
        return [[*map(astuple, checked.found)], checked.source], () if checked.problems else checked.files

    asked = [sys.path, backend_class, kwargs, sorted(elsewhere)]
    found, source = remembered(cache, "backend-findings", asked, read)
    return Checked(tuple(Problem(*row) for row in found), source)


def _would_not_work(manifest: Manifest, place: Place, name: str, problems: list[Problem], source: str) -> ManifestError:
    against = f", as {source} has it" if source else ""
    path: Path_ = ("backend",) if place is SECRETS else ("backend", "workers")
    named: list[Path_] = [("kwargs", problem.kwarg) if problem.kwarg else ("class",) for problem in problems]
    wrong = [(manifest.place((*path, *inner)), problem) for inner, problem in zip(named, problems, strict=True)]
    lines = [f"{at}: {_about(name, it)}" + (f" ({it.hint})" if it.hint else "") for at, it in wrong]
    err = ManifestError(
        "\n".join([f"[{place.section}] would not work{against}:", *lines]), "correct `backend:`; nothing was written"
    )
    err.line = wrong[0][0].line
    return err


def refused(manifest: Manifest, path: Path_, message: str, hint: str) -> ManifestError:
    """A mistake at a place of the manifest."""
    place = manifest.place(path)
    err = ManifestError(f"{place}: {message}", hint)
    err.line = place.line
    return err


def _at_run_time(name: str, problem: Problem, place: Place, known: Release, kwargs: Mapping[str, Any]) -> str:
    """What may be there, or may be otherwise, where Airflow runs: nobody here can know."""
    if kwargs.get(problem.kwarg):
        return f"{_about(name, problem)} ({problem.hint})"
    own = ("VAULT_TOKEN",) if problem.kwarg == "token" else ()
    names = (*own, place.variable(problem.kwarg if known.kwarg_variables else None))
    return f"{_about(name, problem)}; Airflow's processes need it: {' or '.join(names)} in their environment"


def _about(name: str, problem: Problem) -> str:
    return problem.message if name in problem.message else f"{name}: {problem.message}"


def _needs(variables: Mapping[str, Any]) -> Iterator[str]:
    return (
        f"Airflow's processes need {name} in their environment; it is not written to airflow.cfg" for name in variables
    )


def _variables(
    found: AirflowBackend, place: Place, known: Release, context: Context
) -> dict[str, Callable[[], Secret]]:
    """A variable for each credential; where Airflow knows no such variables, one for all of the arguments."""
    readers = {name: _reader(credential, context) for name, credential in found.secret_kwargs.items()}
    own = {found.variables[name]: read for name, read in readers.items() if name in found.variables}
    rest = {name: read for name, read in readers.items() if name not in found.variables}
    if known.kwarg_variables:
        return own | {place.variable(name): read for name, read in rest.items()}

    def together() -> Secret:
        return Secret(json.dumps({**found.kwargs, **{name: read().unmasked() for name, read in rest.items()}}))

    return own | ({place.variable(): together} if rest else {})


def joined(manifest: Manifest, parts: list[Served], *, elsewhere: bool) -> dict[str, Callable[[], Secret]]:
    """The variables of all backends. Raises ManifestError where two need another value of the same one."""
    found: dict[str, Callable[[], Secret]] = {}
    for name, read in (item for part in parts for item in part.variables.items()):
        try:
            differ = name in found and found[name]() != read()
        except Denied:
            if not elsewhere:
                raise
            differ = False  # neither needs to be here: nobody can tell
        if differ:
            message = f"the server and the workers would need two values of {name}"
            raise refused(manifest, ("backend", "workers"), message, "give one of them another auth method")
        found[name] = read
    return found
