"""The manifest as frozen models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from pydantic import AfterValidator, BaseModel, Field, model_validator
from typing_extensions import Self

from bootstrap.domain.connection import FIELDS
from bootstrap.domain.reference import Reference
from bootstrap.manifest.field_types import (
    CONN_TYPE,
    NAME,
    Command,
    ConfigOption,
    Extra,
    Kwarg,
    Port,
    SecretRef,
    Text,
    VariableName,
    VariableValue,
)
from bootstrap.manifest.kinds import CheckParams, IssuerOptions
from bootstrap.stores.base import Paths
from bootstrap.util.durations import Duration
from bootstrap.util.model import Model
from bootstrap.util.yaml_document import Path_, Place, reread

OWNER = "default"
INDEX = "airflow_bootstrap_index"  # the name of our list of what is registered, in targets whose entries have names


class FernetKey(Model):
    """How often Airflow's own key changes, and how long its processes still get the old one beside the new."""

    every: Duration | None = None
    grace: Duration = timedelta(0)


class Airflow(Model):
    """The Airflow that is bootstrapped. Paths are relative to the manifest's folder. `version`: which release the
    configuration is for, where that isn't the one that is installed here.
    """

    home: str | None = None
    version: Annotated[str, Field(pattern=r"^\d+\.\d+(\.\w+)*$")] | None = None
    env: Mapping[VariableName, str] = {}
    dags: str | None = None
    fernet_key: FernetKey | None = None


_Path = Annotated[str, Field(pattern=r"^[^/].*[^/]$|^[^/]$")]
_Paths = _Path | Annotated[list[_Path], Field(min_length=1), AfterValidator(tuple)] | None


class Source(Model):
    """Where Airflow looks for secrets: a store of the manifest, or any class of a secrets backend with its keyword arguments.

    A path of null: Airflow doesn't look there; of a list (Vault only), it looks at each in turn, and connections are
    registered at the first. `kwargs` of a store come on top of its own.
    """

    store: str | None = None
    class_: Annotated[str, Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$")] | None = Field(
        default=None, alias="class"
    )
    kwargs: Mapping[str, Kwarg] = {}
    connections: _Paths = "connections"
    variables: _Paths = "variables"
    config: _Paths = "config"

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.store is None) == (self.class_ is None):
            msg = "expected one of `store`, or `class` with its `kwargs`"
            raise ValueError(msg)
        paths = sorted(self.model_fields_set & {"connections", "variables", "config"})
        if self.class_ is not None and paths:
            msg = f"a `class` has its paths among its `kwargs`; leave out {', '.join(paths)}"
            raise ValueError(msg)
        return self

    @property
    def paths(self) -> tuple[Paths, Paths, Paths]:
        """For connections, variables and configuration."""
        return cast("tuple[Paths, Paths, Paths]", (self.connections, self.variables, self.config))


class Kept(Model):
    """Where Airflow's own credential is kept, the same for every machine."""

    keep: SecretRef


class Backend(Source):
    """What airflow.cfg's [secrets] points at; `workers`, what [workers] does, where that is something else.

    `credential`: how Airflow gets the credential for it, by its environment, or inline in airflow.cfg.
    """

    workers: Source | None = None
    credential: Literal["environment", "inline"] = "environment"
    use_cache: bool | None = None
    cache_ttl_seconds: Annotated[int, Field(ge=0)] | None = None
    multi_team: bool | None = None
    rotate: Any | None = None


@dataclass(frozen=True)
class CheckSpec:
    """One smoke check of one connection. `params` is an instance of the check module's `Params`, made of what was `given`."""

    id: str
    connection: str
    name: str
    params: CheckParams
    given: Mapping[str, Any] = field(default_factory=dict, compare=False)


class ConnectionSpec(Model):
    """One connection: its fields, or `from`, a secret that holds all of it."""

    from_: SecretRef | None = Field(default=None, alias="from")
    conn_type: Annotated[str, Field(pattern=CONN_TYPE)] | None = None
    description: Text | None = None
    host: Text | None = None
    login: Text | None = None
    password: Text | None = None
    schema_: Text | None = Field(default=None, alias="schema")
    port: Port | None = None
    extra: Extra | None = None
    checks: list[Any] | None = None
    rotate: Any | None = None

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
    """The first look at the file; each store and connection is looked at on its own.

    `owner` tells what this manifest registered from what others did, where several register in the same place.
    """

    version: Literal[1]
    airflow: Airflow = Field(default_factory=Airflow)
    stores: dict[Annotated[str, Field(pattern=NAME)], Any] = {}
    backend: Backend | None = None
    config: dict[str, dict[str, ConfigOption]] = {}
    register_: list[Any] = Field(default=["backend"], alias="register")
    owner: Annotated[str, Field(pattern=NAME)] = OWNER
    connections: dict[Annotated[str, Field(pattern=NAME)], Any] = {}
    variables: dict[Annotated[str, Field(pattern=NAME)], VariableValue] = {}
    profiles: dict[str, dict[str, Any]] = {}


@dataclass(frozen=True)
class StoreSpec:
    """A store of the manifest: its kind and the options that its kind's module understands."""

    kind: str
    options: Any


@dataclass(frozen=True)
class RotateSpec:
    """Who mints a key, and the options that its module understands; `keep` is where Airflow's own is kept."""

    issuer: str
    options: IssuerOptions
    keep: Reference | None = None


@dataclass(frozen=True)
class TargetSpec:
    """A target of the manifest: its name and the options that its module understands."""

    name: str
    options: Any


@dataclass(frozen=True)
class Manifest:
    """The whole manifest, valid and complete.

    `checks` holds the checks of each connection, in order; where the file names none, those that its conn_type suggests.
    A variable is a text, a Reference, or a mapping or list with References in it. `public_text`: the file's, without secrets
    that were allowed in it.
    """

    file: Path
    profile: str | None
    airflow: Airflow
    stores: Mapping[str, StoreSpec]
    backend: Backend | None
    config: Mapping[str, Mapping[str, Reference | Command]]
    register: tuple[TargetSpec, ...]
    owner: str
    connections: Mapping[str, ConnectionSpec]
    variables: Mapping[str, Any]
    checks: Mapping[str, tuple[CheckSpec, ...]]
    rotations: Mapping[str, RotateSpec] = field(default_factory=dict)
    backend_rotation: RotateSpec | None = None
    public_text: str = field(default="", repr=False)

    @property
    def folder(self) -> Path:
        """What relative paths are relative to."""
        return self.file.parent

    def place(self, path: Path_) -> Place:
        """Where in the file something stands, or what is around it. The file is read anew."""
        return reread(self.file, self.profile).place(path)

    @property
    def decides_airflow_cfg(self) -> bool:
        """True if there is anything to render."""
        return self.backend is not None or bool(self.config)

    @property
    def backend_label(self) -> str:
        """Where Airflow looks, for people: the store and its kind, or the class; '' for nowhere."""
        if self.backend is None:
            return ""
        if self.backend.store is None:
            return str(self.backend.class_).rpartition(".")[2]
        return f"{self.backend.store} ({self.stores[self.backend.store].kind})"

    @property
    def sources(self) -> tuple[Source, ...]:
        """Where Airflow looks for secrets: its server, and its workers where they look elsewhere."""
        if self.backend is None:
            return ()
        return (self.backend,) if self.backend.workers is None else (self.backend, self.backend.workers)


def find_references(node: Any, path: Path_ = ()) -> Iterator[tuple[Path_, Reference]]:
    """Every reference inside a model or plain data, and where it stands."""
    if isinstance(node, Reference):
        yield path, node
    elif isinstance(node, BaseModel):
        for name, info in type(node).model_fields.items():
            yield from find_references(getattr(node, name), (*path, info.alias or name))
    elif isinstance(node, Mapping):
        for key, item in node.items():
            yield from find_references(item, (*path, key))
    elif isinstance(node, list | tuple):
        for index, item in enumerate(node):
            yield from find_references(item, (*path, index))
