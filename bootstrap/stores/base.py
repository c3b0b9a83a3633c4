"""The contract of a store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, TypeAlias, runtime_checkable

from bootstrap.domain.secret import Secret
from bootstrap.errors import Empty, Malformed, ManifestError, NotFound, StoreError, Unavailable
from bootstrap.stores.credential import Credential
from bootstrap.stores.wording import Wording
from bootstrap.util.input_text import BadInput
from bootstrap.util.json_text import loads

Version: TypeAlias = str
PathAt: TypeAlias = tuple[str, Version | None]  # a path, and the version if not the newest
Fields: TypeAlias = Mapping[str, Any]  # plain JSON data; lives in local variables only
Paths: TypeAlias = str | tuple[str, ...] | None  # below which Airflow looks, in order; None: nowhere
CONCURRENCY = 32  # requests to a store at a time


@dataclass(frozen=True)
class Stored:
    """One secret as a store holds it.

    `value` is the whole secret as text (JSON, where the store keeps fields); `fields` its fields, where it has any.
    `version` is what check-and-set compares; `created` when this version was written, where the store knows. `wording`: how
    Airflow's backend of the store makes a connection of it, where that isn't by Airflow's own words.
    """

    value: Secret
    version: Version
    created: datetime | None = None
    fields: Mapping[str, Secret] | None = None
    wording: Wording | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Entry:
    """A secret in a listing: never its value.

    `version` is the newest, `versions` how many there are, `created` when the newest was written, `state` what is to be
    known of it besides ("disabled", "deleted"); each as far as the store tells without reading values.
    """

    path: str
    version: Version | None = None
    versions: int | None = None
    created: datetime | None = None
    state: str = ""


@dataclass(frozen=True)
class Needs:
    """The operations on a store that a manifest needs, for policies: paths by what happens to them; each sorted, none twice.

    `read` and `write` are secrets (a written one is read first), `below` are prefixes below which Airflow itself reads
    whatever it is asked for, `prune` are prefixes below which what is no longer wanted is read, and deleted. Of `destroy`, old
    versions are destroyed, where a store of this kind can; where it can't, what is in `delete` is deleted instead. Both are
    among the written ones.
    """

    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()
    below: tuple[str, ...] = ()
    prune: tuple[str, ...] = ()
    destroy: tuple[str, ...] = ()
    delete: tuple[str, ...] = ()

    def prunes(self, path: str, separator: str) -> bool:
        """True if the secret at `path` may have to be deleted, since it is no longer wanted."""
        return path.startswith(tuple(f"{prefix}{separator}" for prefix in self.prune))


class Store(Protocol):
    """Reads and writes secrets, from many threads at once.

    Every method raises NotFound, Denied, Unavailable or Malformed, and nothing else that comes from the store. A path
    that can be none in this store is an IllegalName, before any request is sent. `separator` is what stands between
    the parts of a path.
    """

    writable: bool
    separator: str

    def read(self, path: str, version: Version | None = None) -> Stored:
        """The secret at `path`: the newest version, or the one asked for."""

    def write(self, path: str, value: Secret | Fields, *, expect: Version | None) -> Version:
        """Write `path` if its version still is `expect` (None: it doesn't exist). Raises Conflict otherwise."""

    def names(self, prefix: str) -> Iterator[str]:
        """The paths of all secrets below `prefix`, sorted."""

    def ping(self) -> str:
        """Reach the store and log in; returns where it is, for people."""


@runtime_checkable
class Listing(Protocol):
    """An optional power: lists secrets with their versions and ages, without values."""

    def entries(self, prefix: str) -> Iterator[Entry]:
        """All secrets below `prefix`, sorted by path, deleted and disabled ones too."""


@runtime_checkable
class Retiring(Protocol):
    """An optional power: takes a version out of use, for a while or for good. Raises as `Store` does."""

    def disable(self, path: str, version: Version) -> None:
        """Nobody can read this version any more, until `enable`."""

    def enable(self, path: str, version: Version) -> None:
        """It can be read again."""

    def destroy(self, path: str, version: Version) -> None:
        """Its value is gone for good."""


@runtime_checkable
class Deleting(Protocol):
    """An optional power: takes a whole secret away, to be brought back where the store can. Raises as `Store` does."""

    def delete(self, path: str, *, expect: Version) -> None:
        """Delete the secret at `path` if its version still is `expect`. Raises Conflict otherwise.

        Raises NotFound where there is nothing. `write(expect=None)` makes the secret again.
        """


@runtime_checkable
class KeepsFields(Protocol):
    """An optional power: a secret of this store is fields, rather than a text that may be JSON."""

    keeps_fields: bool


@runtime_checkable
class LastingVersions(Protocol):
    """An optional power: says whether a version means something in another process, too; where it isn't said, it does."""

    lasting_versions: bool


@runtime_checkable
class KnowsPlace(Protocol):
    """An optional power: the place that the manifest names in the store may be missing, and the credential still be good."""

    def check_place(self) -> None:
        """Raises Malformed or Unavailable where it isn't there, or isn't what the manifest says."""


@runtime_checkable
class Privileged(Protocol):
    """An optional power of a store: knows what its credential is allowed to do."""

    def excess(self, needs: Needs) -> Sequence[str]:
        """What it may do far beyond its needs, in a sentence each, such as "may delete any secret of the mount".

        Empty where nothing is wrong, or where the store doesn't tell. Raises Unavailable.
        """


@dataclass(frozen=True)
class Context:
    """What a store may know of its surroundings: its name in the manifest, the folder that paths are relative to, how many
    requests it will get at a time, and the keyword arguments that the manifest gives the backend by which Airflow reads it.
    """

    name: str
    folder: Path
    concurrency: int = CONCURRENCY
    backend_kwargs: Mapping[str, Any] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class BackendPaths:
    """Below which paths Airflow looks for connections, variables and configuration; None: not at all.

    `elsewhere` are those below which its server looks, where these are its workers', or the other way round.
    """

    connections: Paths
    variables: Paths
    config: Paths
    elsewhere: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        """All of them."""
        given = (self.connections, self.variables, self.config)
        lists = ((paths,) if isinstance(paths, str) else paths or () for paths in given)
        return tuple(path for paths in lists for path in paths)

    def single(self, kind: str) -> tuple[str | None, str | None, str | None]:
        """The three, for a backend of Airflow's that takes one path each. Raises ManifestError for a list."""
        given = (self.connections, self.variables, self.config)
        if any(isinstance(paths, tuple) for paths in given):
            raise ManifestError(f"Airflow takes a list of paths from a Vault only, not from {kind}", "give one path")
        return given  # type: ignore[return-value]  # no tuple among them


@dataclass(frozen=True)
class AirflowBackend:
    """How Airflow reads a store: the class and the keyword arguments of its secrets backend.

    A credential doesn't belong in airflow.cfg: `secret_kwargs` are the keyword arguments that are one, of which `variables`
    says from where the class takes it by itself (token: VAULT_TOKEN). `environment` are variables that its libraries want.
    `advice` is what the user should know besides.
    """

    backend_class: str
    kwargs: Mapping[str, Any]
    secret_kwargs: Mapping[str, Credential] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, Credential] = field(default_factory=dict)
    advice: tuple[str, ...] = ()


def keeps_fields(store: Store) -> bool:
    """True if a secret of this store is fields, rather than a text that may be JSON."""
    return isinstance(store, KeepsFields) and store.keeps_fields


def pick_field(stored: Stored, where: str, name: str | None) -> Secret:
    """The value that a reference means: one field of a secret, or all of it.

    `where` is the reference as written. A secret whose only field is `value` is that value, and `#value` of a secret
    without fields is all of it. Raises NotFound, Malformed or Empty.
    """
    fields = stored.fields
    hint = f"airflow-bootstrap store put {where.partition('@')[0]}"
    if name is None or (name == "value" and fields is None):
        value = fields["value"] if fields is not None and set(fields) == {"value"} else stored.value
    elif fields is None:
        text, what = stored.value.unmasked(), "one value"
        if text.lstrip().startswith("{"):
            try:
                loads(text)
            except BadInput as err:
                what = f"{err.problem} (line {err.line}, column {err.column})"
        raise Malformed(f"{where}: the secret has no fields, it is {what}", "leave out the #FIELD")
    elif name not in fields:
        known = ", ".join(sorted(fields)) or "none"
        raise NotFound(f"{where}: the secret has no field {name!r}; its fields are: {known}", hint)
    else:
        value = fields[name]
    if not value:
        raise Empty(f"{where}: the value is empty", hint)
    return value


def read_many(
    name: str, store: Store, places: Iterable[PathAt], concurrency: int = CONCURRENCY
) -> Mapping[PathAt, Stored | StoreError]:
    """The content of each place, or the error that reading it raised. Each is read once, `concurrency` at a time.

    Once the store fails to answer, it is not asked for what is still to come: those get an error that says so.
    """
    failures: list[Unavailable] = []  # the first is quoted

    def read(place: PathAt) -> Stored | StoreError:
        if failures:
            return Unavailable(f"{name}:{place[0]}: not read: {failures[0].message}", failures[0].hint)
        try:
            return store.read(*place)
        except StoreError as err:
            if isinstance(err, Unavailable):
                failures.append(err)
            return err

    wanted = list(dict.fromkeys(places))
    if len(wanted) < 2:  # noqa: PLR2004  a thread would only cost time
        return {place: read(place) for place in wanted}
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(min(concurrency, len(wanted)), thread_name_prefix=f"read-{name}") as pool:
        return dict(zip(wanted, pool.map(read, wanted), strict=True))
