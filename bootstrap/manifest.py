"""bootstrap.yaml as frozen models. It holds no secret: it says where each one is kept."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from pydantic import (
    BaseModel,
    Field,
    PlainValidator,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from typing_extensions import Self

from bootstrap import checks, stores, targets
from bootstrap.connection import FIELDS
from bootstrap.document import Document, Path_, overlay, parse
from bootstrap.errors import ManifestError, UsageError
from bootstrap.model import Model
from bootstrap.reference import SHAPE_HELP, Reference, parse_reference
from bootstrap.secret import is_sensitive

FILE = "bootstrap.yaml"
_NAME = r"^[A-Za-z0-9_.-]+$"  # legal in a store's path, a task id and an environment variable of Airflow's alike
_REFERENCE_SCHEMA = {
    "type": "object",
    "properties": {"secret": {"type": "string", "description": SHAPE_HELP}},
    "required": ["secret"],
    "additionalProperties": False,
}


def _reference(data: Any) -> Reference:
    if isinstance(data, Reference):
        return data
    if not (isinstance(data, dict) and set(data) == {"secret"} and isinstance(data["secret"], str)):
        msg = f'expected {{secret: "{SHAPE_HELP}"}}'
        raise ValueError(msg)
    try:
        return parse_reference(data["secret"])
    except UsageError as err:  # its message quotes the text, which may be a secret that was put here by mistake
        msg = f"not a reference to a secret, which is {SHAPE_HELP}"
        raise ValueError(msg) from err


def _text_or_reference(data: Any) -> str | Reference:
    if isinstance(data, str):
        return data
    if isinstance(data, dict | Reference):
        return _reference(data)
    msg = f'expected text in quotes, or {{secret: "{SHAPE_HELP}"}}'
    raise ValueError(msg)


def _port_or_reference(data: Any) -> int | Reference:
    if isinstance(data, dict | Reference):
        return _reference(data)
    if isinstance(data, int) and not isinstance(data, bool) and 0 < data < 65536:  # noqa: PLR2004
        return data
    msg = f'expected a number from 1 to 65535, or {{secret: "{SHAPE_HELP}"}}'
    raise ValueError(msg)


def _with_references(data: Any) -> Any:
    """Plain data in which each {secret: …} has become a Reference."""
    if isinstance(data, dict):
        return (
            _reference(data) if set(data) == {"secret"} else {key: _with_references(item) for key, item in data.items()}
        )
    if isinstance(data, list):
        return [_with_references(item) for item in data]
    return data


def _extra(data: Any) -> dict[str, Any]:
    if not isinstance(data, dict):
        msg = "expected a mapping"
        raise ValueError(msg)  # noqa: TRY004  pydantic gathers ValueErrors
    return cast("dict[str, Any]", _with_references(data)) if set(data) != {"secret"} else {"secret": _reference(data)}


_SecretRef = Annotated[Reference, PlainValidator(_reference), WithJsonSchema(_REFERENCE_SCHEMA)]
_Text = Annotated[
    str | Reference,
    PlainValidator(_text_or_reference),
    WithJsonSchema({"anyOf": [{"type": "string"}, _REFERENCE_SCHEMA]}),
]
_Port = Annotated[
    int | Reference,
    PlainValidator(_port_or_reference),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1, "maximum": 65535}, _REFERENCE_SCHEMA]}),
]
_Extra = Annotated[Mapping[str, Any], PlainValidator(_extra), WithJsonSchema({"type": "object"})]


class Airflow(Model):
    """The Airflow that is bootstrapped. Paths are relative to the manifest's folder."""

    home: str | None = None
    env: Mapping[str, str] = {}
    dags: str | None = None


class Backend(Model):
    """What airflow.cfg's [secrets] points at. A path of null: Airflow doesn't look there."""

    store: str
    connections: Annotated[str, Field(pattern=r"^[^/].*[^/]$|^[^/]$")] | None = "connections"
    variables: str | None = "variables"
    config: str | None = "config"


@dataclass(frozen=True)
class CheckSpec:
    """One smoke check of one connection. `params` is an instance of the check module's `Params`."""

    id: str
    connection: str
    name: str
    params: Any


class ConnectionSpec(Model):
    """One connection: its fields, or `from`, a secret that holds all of it."""

    from_: _SecretRef | None = Field(default=None, alias="from")
    conn_type: Annotated[str, Field(pattern=r"^[a-z0-9_]+$")] | None = None
    description: _Text | None = None
    host: _Text | None = None
    login: _Text | None = None
    password: _Text | None = None
    schema_: _Text | None = Field(default=None, alias="schema")
    port: _Port | None = None
    extra: _Extra | None = None
    checks: list[Any] | None = None

    @model_validator(mode="after")
    def _whole_or_parts(self) -> Self:
        given = [name for name in FIELDS[1:] if self.field(name) is not None]
        if self.from_ is not None and given:
            msg = f"`from` brings the whole connection; leave out {', '.join(given)}"
            raise ValueError(msg)
        if self.from_ is None and self.conn_type is None:
            msg = "expected a conn_type (postgres, http, google_cloud_platform, …), or `from`"
            raise ValueError(msg)
        return self

    def field(self, name: str) -> Any:
        """A field by Airflow's name for it."""
        return getattr(self, "schema_" if name == "schema" else name)


class Top(Model):
    """The first look at the file; each store and connection is looked at on its own."""

    version: Literal[1]
    airflow: Airflow = Airflow()
    stores: dict[Annotated[str, Field(pattern=_NAME)], Any] = {}
    backend: Backend | None = None
    register_: list[str] = Field(default=["backend"], alias="register")
    connections: dict[Annotated[str, Field(pattern=_NAME)], Any] = {}
    profiles: dict[str, dict[str, Any]] = {}


@dataclass(frozen=True)
class StoreSpec:
    """A store of the manifest: its kind and the options that its kind's module understands."""

    kind: str
    options: Any


@dataclass(frozen=True)
class Manifest:
    """The whole manifest, valid and complete.

    `checks` holds the checks of each connection, in order; where the file names none, those that its conn_type suggests.
    """

    file: Path
    profile: str | None
    airflow: Airflow
    stores: Mapping[str, StoreSpec]
    backend: Backend | None
    register: tuple[str, ...]
    connections: Mapping[str, ConnectionSpec]
    checks: Mapping[str, tuple[CheckSpec, ...]]

    @property
    def folder(self) -> Path:
        """What relative paths are relative to."""
        return self.file.parent


@dataclass(frozen=True)
class _Problem:
    path: Path_
    message: str
    hint: str = ""


def load(file: Path, *, profile: str | None = None, allow_plaintext: bool = False) -> Manifest:
    """Read and check a manifest. Raises ManifestError that lists every problem with its line and column."""
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError as err:
        raise ManifestError(f"there is no manifest {file}", "name one with -f FILE") from err
    except (OSError, UnicodeDecodeError) as err:
        raise ManifestError(f"can't read {file}: {err}", "check its permissions and that it is UTF-8") from err
    document = _with_profile(parse(text, file), profile)
    return _Builder(document, profile, allow_plaintext=allow_plaintext).build()


def _with_profile(document: Document, profile: str | None) -> Document:
    if not isinstance(document.data, dict):
        raise ManifestError(
            f"{document.place(())}: a manifest is a mapping that begins with `version: 1`", "see the README"
        )
    if profile is None:
        return document
    known = document.data.get("profiles")
    known = known if isinstance(known, dict) else {}
    if profile not in known:
        raise UsageError(f"{document.file}: there is no profile {profile!r}", _nearest(profile, known))
    if not isinstance(known[profile], dict):
        raise ManifestError(f"{document.place(('profiles', profile))}: expected a mapping", "see the README")
    return overlay(document, ("profiles", profile))


class _Builder:
    """Checks a document part by part, so that one run shows every mistake."""

    def __init__(self, document: Document, profile: str | None, *, allow_plaintext: bool) -> None:
        self.document = document
        self.profile = profile
        self.context = {"allow_plaintext": allow_plaintext}
        self.problems: list[_Problem] = []

    def build(self) -> Manifest:
        top = self._top()
        store_specs = dict(self._stores())
        specs = dict(self._connections())
        all_checks = {conn_id: tuple(self._checks(conn_id, spec)) for conn_id, spec in specs.items()}
        for conn_id, spec in specs.items():
            self._references(("connections", conn_id), spec)
            self._plain_secrets(("connections", conn_id), spec)
        self._backend(top.backend, store_specs)
        self._targets(top)
        if self.problems:
            raise self._error()
        return Manifest(
            file=self.document.file,
            profile=self.profile,
            airflow=top.airflow,
            stores=store_specs,
            backend=top.backend,
            register=tuple(top.register_) if top.backend else (),
            connections=specs,
            checks=all_checks,
        )

    def _top(self) -> Top:
        """The first look. What is wrong is left out of it, so that the looks that follow find the other mistakes."""
        top: Top | None = self._model(Top, self.document.data, ())
        if top is not None:
            return top
        wrong = {problem.path[0] for problem in self.problems if problem.path}
        sound = {key: value for key, value in self.document.data.items() if key not in wrong}
        return Top.model_validate(sound | {"version": 1})

    def _section(self, name: str) -> dict[str, Any]:
        """A mapping of the file as it was written; empty where it is something else, which `Top` complains about."""
        found = self.document.data.get(name)
        return found if isinstance(found, dict) else {}

    def _model(self, model: type[Any], data: Any, path: Path_) -> Any:
        try:
            return model.model_validate(data, context=self.context)
        except ValidationError as err:
            self.problems += _problems(err, model, path)
            return None

    def _stores(self) -> Iterator[tuple[str, StoreSpec]]:
        for name, options in self._section("stores").items():
            kind = options.get("kind") if isinstance(options, dict) else None
            module = stores.KINDS.find(kind) if isinstance(kind, str) else None
            if module is None:
                where: Path_ = ("stores", name, "kind") if kind is not None else ("stores", name)
                self._unknown(where, "kind of store", kind, stores.KINDS.names())
                continue
            parsed = self._model(module.Options, options, ("stores", name))
            if parsed is not None:
                yield name, StoreSpec(str(kind), parsed)

    def _connections(self) -> Iterator[tuple[str, ConnectionSpec]]:
        for conn_id, fields in self._section("connections").items():
            parsed = self._model(ConnectionSpec, fields, ("connections", conn_id))
            if parsed is not None:
                yield conn_id, parsed

    def _backend(self, backend: Backend | None, specs: Mapping[str, StoreSpec]) -> None:
        if backend is None:
            return
        if backend.store not in self._section("stores"):
            self._unknown(("backend", "store"), "store", backend.store, self._section("stores"))
        elif backend.store in specs and not hasattr(stores.KINDS.find(specs[backend.store].kind), "airflow_backend"):
            kind = specs[backend.store].kind
            message = f"Airflow has no secrets backend for a store of kind {kind!r}"
            self.problems.append(_Problem(("backend", "store"), message, "name a store of another kind"))

    def _targets(self, top: Top) -> None:
        for index, name in enumerate(top.register_):
            if targets.KINDS.find(name) is None:
                self._unknown(("register", index), "target", name, targets.KINDS.names())
        asked, nowhere = self.document.data.get("register"), self.document.data.get("backend") is None
        if isinstance(asked, list) and "backend" in asked and nowhere:
            self.problems.append(_Problem(("register",), "`backend` is a target, and the manifest has no `backend:`"))

    def _checks(self, conn_id: str, spec: ConnectionSpec) -> Iterator[CheckSpec]:
        wanted = spec.checks if spec.checks is not None else list(checks.defaults(spec.conn_type))
        seen: dict[str, int] = {}
        for index, item in enumerate(wanted):
            path: Path_ = ("connections", conn_id, "checks", index)
            name, params = next(iter(item.items())) if isinstance(item, dict) and len(item) == 1 else (item, {})
            module = checks.KINDS.find(name) if isinstance(name, str) else None
            if module is None:
                self._unknown(path, "check", name, checks.KINDS.names())
                continue
            parsed = self._model(module.Params, {} if params is None else params, (*path, name))
            if parsed is None:
                continue
            seen[name] = seen.get(name, 0) + 1
            suffix = f"-{seen[name]}" if seen[name] > 1 else ""
            yield CheckSpec(id=f"{conn_id}.{name}{suffix}", connection=conn_id, name=name, params=parsed)

    def _references(self, path: Path_, node: Any) -> None:
        known = self._section("stores")
        for where, reference in _find_references(node, path):
            if reference.store not in known:
                self._unknown(where, "store", reference.store, known)

    def _plain_secrets(self, path: Path_, spec: ConnectionSpec) -> None:
        if self.context["allow_plaintext"]:
            return
        for where in _find_plain_secrets({"password": spec.password, "extra": spec.extra}, path):
            name = next(step for step in reversed(where) if isinstance(step, str))
            message = f"{name} is a secret in plain text"
            hint = f'write {{secret: "{SHAPE_HELP}"}} (or use --allow-plaintext)'
            self.problems.append(_Problem(where, message, hint))

    def _unknown(self, path: Path_, what: str, name: object, known: Any) -> None:
        if isinstance(name, str):
            self.problems.append(_Problem(path, f"unknown {what} {name!r}", _nearest(name, known)))
        else:
            self.problems.append(_Problem(path, f"expected a {what}", _nearest("", known)))

    def _error(self) -> ManifestError:
        placed = sorted(
            {(self.document.place(item.path), item.message, item.hint) for item in self.problems},
            key=lambda row: (row[0].line, row[0].column, row[1]),
        )
        lines = [f"{place}: {message}" + (f" ({hint})" if hint else "") for place, message, hint in placed]
        count = f"{len(lines)} mistakes in the manifest" if len(lines) > 1 else "a mistake in the manifest"
        return ManifestError("\n".join([f"{count}:", *lines]), "airflow-bootstrap schema prints what is allowed")


def _problems(err: ValidationError, model: type[BaseModel], path: Path_) -> Iterator[_Problem]:
    for item in err.errors(include_url=False, include_input=False):
        where = (*path, *item["loc"])
        if item["type"] == "extra_forbidden":
            yield _Problem(
                where, f"unknown key {item['loc'][-1]!r}", _nearest(item["loc"][-1], _siblings(model, item["loc"]))
            )
        elif item["type"] == "missing":
            yield _Problem(where[:-1], f"the key {item['loc'][-1]!r} is missing")
        elif item["type"] == "union_tag_not_found":
            yield _Problem(where, f"the key {item['ctx']['discriminator']} is missing")
        elif item["type"] == "union_tag_invalid":
            key, tag = item["ctx"]["discriminator"].strip("'"), item["ctx"]["tag"]
            known = re.findall(r"'([^']*)'", item["ctx"]["expected_tags"])
            yield _Problem((*where, key), f"unknown {key} {tag!r}", _nearest(tag, known))
        elif item["type"] in {"dict_type", "model_type", "model_attributes_type", "mapping_type"}:
            yield _Problem(where, "expected a mapping")
        else:
            yield _Problem(where, re.sub(r"^(Value error, |Input )", "", item["msg"]).replace("should be", "expected"))


def _siblings(model: type[BaseModel], location: tuple[str | int, ...]) -> list[str]:
    """The keys that may stand where an unknown one was found."""
    found: list[str] = []
    for candidate in _models_at(model, location[:-1]):
        found += [info.alias or name for name, info in candidate.model_fields.items()]
    return found


def _models_at(model: Any, steps: tuple[str | int, ...]) -> Iterator[type[BaseModel]]:
    from typing import get_args

    if isinstance(model, type) and issubclass(model, BaseModel):
        if not steps:
            yield model
            return
        for name, info in model.model_fields.items():
            if steps[0] == (info.alias or name):
                yield from _models_at(info.annotation, steps[1:])
        return
    options = get_args(model)
    for option in options:
        yield from _models_at(option, steps)
        if steps:  # a key of a dict, or the tag of a union: pydantic puts both into the location
            yield from _models_at(option, steps[1:])


def _nearest(name: object, known: Any) -> str:
    names = sorted(map(str, known))
    close = difflib.get_close_matches(str(name), names, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"there are: {', '.join(names)}" if names else ""


def _find_references(node: Any, path: Path_) -> Iterator[tuple[Path_, Reference]]:
    if isinstance(node, Reference):
        yield path, node
    elif isinstance(node, BaseModel):
        for name, info in type(node).model_fields.items():
            yield from _find_references(getattr(node, name), (*path, info.alias or name))
    elif isinstance(node, Mapping):
        for key, item in node.items():
            yield from _find_references(item, (*path, key))
    elif isinstance(node, list | tuple):
        for index, item in enumerate(node):
            yield from _find_references(item, (*path, index))


def _find_plain_secrets(node: Any, path: Path_, *, inside: bool = False) -> Iterator[Path_]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield from _find_plain_secrets(value, (*path, key), inside=inside or is_sensitive(key))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _find_plain_secrets(value, (*path, index), inside=inside)
    elif inside and isinstance(node, str) and node:
        yield path
