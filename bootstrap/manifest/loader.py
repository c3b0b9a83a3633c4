"""Loads bootstrap.yaml and reports all its mistakes at once. A manifest holds no secret, only where each is kept."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from bootstrap import plugins
from bootstrap.domain.reference import SHAPE_HELP
from bootstrap.domain.secret import trust
from bootstrap.domain.secret_forms import forms
from bootstrap.domain.secret_matcher import Matcher
from bootstrap.domain.secret_places import parts, plain_secrets
from bootstrap.domain.sensitive import secret_texts
from bootstrap.errors import ManifestError, UsageError
from bootstrap.manifest import secret_variables
from bootstrap.manifest.key_place import backend_rotation, rotations
from bootstrap.manifest.kinds import Configurable, SuitsConnTypes, default_checks
from bootstrap.manifest.models import INDEX, CheckSpec, ConnectionSpec, Manifest, Source, StoreSpec, TargetSpec, Top
from bootstrap.manifest.problems import LONGEST, Problem, Reader, mistake, nearest, nuls
from bootstrap.stores.kind import ReadByAirflow, StoreKind
from bootstrap.util import children, special_files, urls
from bootstrap.util.files import expanded
from bootstrap.util.input_text import BadInput, read
from bootstrap.util.yaml_document import Document, Path_, overlay, parse

__all__ = ["CheckSpec", "ConnectionSpec", "Manifest", "StoreSpec", "TargetSpec", "Top", "load"]


def load(file: Path, *, profile: str | None = None, allow_plaintext: bool = False) -> Manifest:
    """Read and check a manifest. Raises ManifestError that lists every problem with its line and column.

    From then on, no process that is started has the variables that it takes secrets from.
    """
    try:
        text = read(file)
    except FileNotFoundError as err:
        message = f"there is no manifest {file}"
        raise ManifestError(message, "airflow-bootstrap init writes one; or name another with -f FILE") from err
    except OSError as err:
        raise ManifestError(f"can't read {file}: {err.strerror}", "check its permissions") from err
    except BadInput as err:
        raise mistake(err.at(file), err.hint, err.line) from err
    document = _with_profile(parse(text, file), profile)
    trust(str(file.absolute()))
    allowed = filter(None, secret_texts(document.data)) if allow_plaintext else ()
    public = Matcher(form for secret in allowed for form in forms(secret, everywhere=False)).mask(text)
    trust(public)
    manifest = replace(_Builder(document, profile, allow_plaintext=allow_plaintext).build(), public_text=public)
    children.hide(secret_variables.names(manifest))
    return manifest


def check(document: Document) -> None:
    """Raises ManifestError that lists every problem of a document that is to become a manifest. Nothing of it is trusted."""
    if not isinstance(document.data, dict):
        raise ManifestError(
            f"{document.place(())}: a manifest is a mapping that begins with `version: 1`", "see the README"
        )
    _Builder(document, None, allow_plaintext=False).build()


def _with_profile(document: Document, profile: str | None) -> Document:
    if not isinstance(document.data, dict):
        message = f"{document.place(())}: a manifest is a mapping that begins with `version: 1`"
        raise ManifestError(message, "see the README")
    if profile is None:
        return document
    known = document.data.get("profiles")
    known = known if isinstance(known, dict) else {}
    if profile not in known:
        raise UsageError(f"{document.file}: there is no profile {profile!r}", nearest(profile, known))
    if not isinstance(known[profile], dict):
        raise ManifestError(f"{document.place(('profiles', profile))}: expected a mapping", "see the README")
    return overlay(document, ("profiles", profile))


def _written_by(name: str, options: Any, folder: Path) -> list[str]:
    """What a target writes: its files, by their real names; else the place that its options name.

    Nothing is read back from a device or a FIFO.
    """
    written = (getattr(options, field, None) for field in ("path", "variables"))
    files = [folder / expanded(text) for text in written if isinstance(text, str)]
    if not files:
        return [f"{name} {options!r}"]
    return [os.path.realpath(file) for file in files if not special_files.is_special(file)]


class _Builder(Reader):
    """Checks a document part by part, so that one run shows every mistake."""

    def build(self) -> Manifest:
        self.problems += nuls(self.document)
        if self.problems:  # the models would stumble over it
            raise self.error()
        top = self._top()
        store_specs = dict(self._stores())
        specs = dict(self._connections())
        all_checks = {conn_id: tuple(self._checks(conn_id, spec)) for conn_id, spec in specs.items()}
        for conn_id, spec in specs.items():
            self.references(("connections", conn_id), spec)
        rotated = dict(rotations(self, specs))
        if top.backend is not None:
            self._source(("backend",), top.backend, store_specs)
            if top.backend.workers is not None:
                self._source(("backend", "workers"), top.backend.workers, store_specs)
        backend_rotated = backend_rotation(self, top.backend)
        register = tuple(self._targets(top))
        self.references(("config",), top.config)
        self.references(("variables",), top.variables)
        for section in ("connections", "variables"):
            if INDEX in self.section(section):
                message = "this is the name of the list that `register` keeps beside what it registers"
                self.problems.append(Problem((section, INDEX), message, "rename it"))
        for path, node, conn_type in parts(self.document.data, self.profile):
            own = "it into your own environment" if "airflow" in path else f'{{secret: "{SHAPE_HELP}"}}'
            self._plain_secrets(path, node, own, conn_type)
        self._plain_logins()
        if self.problems:
            raise self.error()
        return Manifest(
            file=self.document.file,
            profile=self.profile,
            airflow=top.airflow,
            stores=store_specs,
            backend=top.backend,
            config=top.config,
            register=register,
            owner=top.owner,
            connections=specs,
            variables=top.variables,
            checks=all_checks,
            rotations=rotated,
            backend_rotation=backend_rotated,
        )

    def _top(self) -> Top:
        """The first look. What is wrong is left out of it, so that the looks that follow find the other mistakes."""
        top: Top | None = self.model(Top, self.document.data, ())
        if top is not None:
            return top
        wrong = {problem.path[0] for problem in self.problems if problem.path}
        sound = {key: value for key, value in self.document.data.items() if key not in wrong}
        return Top.model_validate(sound | {"version": 1})

    def _stores(self) -> Iterator[tuple[str, StoreSpec]]:
        for name, options in self.section("stores").items():
            kind = options.get("kind") if isinstance(options, dict) else None
            module = plugins.STORES.find(kind, StoreKind)
            if module is None:
                where: Path_ = ("stores", name, "kind") if kind is not None else ("stores", name)
                self.unknown(where, "kind of store", kind, plugins.STORES.names())
                continue
            parsed = self.model(module.Options, options, ("stores", name))
            if parsed is not None:
                yield name, StoreSpec(str(kind), parsed)

    def _connections(self) -> Iterator[tuple[str, ConnectionSpec]]:
        for conn_id, fields in self.section("connections").items():
            parsed = self.model(ConnectionSpec, fields, ("connections", conn_id))
            if parsed is not None:
                self.length(("connections", conn_id), "conn_id", conn_id)
                yield conn_id, parsed

    def _source(self, path: Path_, source: Source, specs: Mapping[str, StoreSpec]) -> None:
        self._plain_secrets((*path, "kwargs"), source.kwargs, "{env: NAME} or {file: PATH}")
        if source.store is None:
            return
        if source.store not in self.section("stores"):
            self.unknown((*path, "store"), "store", source.store, self.section("stores"))
            return
        kind = specs[source.store].kind if source.store in specs else None
        if kind is not None and not isinstance(plugins.STORES.get(kind, StoreKind), ReadByAirflow):
            message = f"Airflow has no secrets backend for a store of kind {kind!r}"
            self.problems.append(Problem((*path, "store"), message, "name a store of another kind"))

    def _targets(self, top: Top) -> Iterator[TargetSpec]:
        """Those that are asked for; without a word of the manifest, its backend's store."""
        asked = self.document.data.get("register")
        if not isinstance(asked, list) and (top.backend is None or top.backend.store is None):
            return
        taken: dict[str, int] = {}
        for index, item in enumerate(top.register_):
            path: Path_ = ("register", index)
            name, options = next(iter(item.items())) if isinstance(item, dict) and len(item) == 1 else (item, {})
            module = plugins.TARGETS.find(name, Configurable)
            if module is None:
                self.unknown(path, "target", name, plugins.TARGETS.names())
                continue
            if name == "backend" and (top.backend is None or top.backend.store is None):
                message = "`backend` is a target, and the manifest has no `backend:` with a store"
                self.problems.append(Problem(("register",), message))
            parsed = self.model(module.Options, {} if options is None else options, (*path, name))
            if parsed is not None:
                for place in _written_by(name, parsed, self.document.file.parent):
                    if (other := taken.setdefault(place, index)) != index:
                        message = f"writes where register[{other}] does, and would take its changes for somebody else's"
                        self.problems.append(Problem(path, message, "leave out one of them, or name another file"))
                yield TargetSpec(name, parsed)

    def _checks(self, conn_id: str, spec: ConnectionSpec) -> Iterator[CheckSpec]:
        wanted = spec.checks if spec.checks is not None else list(default_checks(spec.conn_type))
        seen: dict[str, int] = {}
        for index, item in enumerate(wanted):
            path: Path_ = ("connections", conn_id, "checks", index)
            name, params = next(iter(item.items())) if isinstance(item, dict) and len(item) == 1 else (item, {})
            module = plugins.CHECKS.find(name, SuitsConnTypes)
            if module is None:
                self.unknown(path, "check", name, plugins.CHECKS.names())
                continue
            given = {} if params is None else params
            parsed = self.model(module.Params, given, (*path, name))
            if parsed is None:
                continue
            for other in parsed.connections:
                if other not in self.section("connections"):
                    self.unknown((*path, name), "connection", other, self.section("connections"))
            seen[name] = seen.get(name, 0) + 1
            suffix = f"-{seen[name]}" if seen[name] > 1 else ""
            check_id = f"{conn_id}.{name}{suffix}"
            if len(conn_id) <= LONGEST:
                self.length(("connections", conn_id), f"task's name ({name} for a conn_id)", check_id)
            yield CheckSpec(id=check_id, connection=conn_id, name=name, params=parsed, given=given)

    def _plain_secrets(self, path: Path_, node: Any, instead: str, conn_type: str | None = None) -> None:
        if self.context["allow_plaintext"]:
            return
        told = {problem.path for problem in self.problems}
        for where, said in plain_secrets(node, path, conn_type):
            if any(where[:length] in told for length in range(1, len(where))):
                continue  # what it is in is no part of a manifest
            name = next(step for step in reversed(where) if isinstance(step, str))
            hint = f"write {instead} (or use --allow-plaintext)"
            self.problems.append(Problem(where, f"{name} {said}", hint))

    def _plain_logins(self) -> None:
        """In any field: an address is read by whoever reads the manifest, and goes where the password must not."""
        if self.context["allow_plaintext"]:
            return
        told = {problem.path for problem in self.problems}
        data = {key: value for key, value in self.document.data.items() if key != "profiles"}
        hint = "take user and password out of it, and keep them in a store (or use --allow-plaintext)"
        for path in urls.login_places(data):
            if path not in told:
                self.problems.append(Problem(path, "an address with a password in plain text", hint))
