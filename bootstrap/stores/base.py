"""What a store is."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Protocol, TypeAlias

from pydantic import Field, ModelWrapValidatorHandler, ValidationInfo, model_validator
from typing_extensions import Self

from bootstrap.errors import Denied, Empty, Malformed, NotFound
from bootstrap.model import Model
from bootstrap.secret import Secret

Version: TypeAlias = str
Fields: TypeAlias = Mapping[str, Any]  # plain JSON data; lives in local variables only


@dataclass(frozen=True)
class Stored:
    """One secret as a store holds it.

    `value` is the whole secret as text (JSON, where the store keeps fields); `fields` its fields, where it has any.
    `version` is what check-and-set compares; `created` when this version was written, where the store knows.
    """

    value: Secret
    version: Version
    created: datetime | None = None
    fields: Mapping[str, Secret] | None = None


class Store(Protocol):
    """Reads and writes secrets.

    Every method raises NotFound, Denied, Unavailable or Malformed, and nothing else that comes from the store.
    """

    writable: bool

    def read(self, path: str, version: Version | None = None) -> Stored:
        """The secret at `path`: the newest version, or the one asked for."""
        ...

    def write(self, path: str, value: Secret | Fields, *, expect: Version | None) -> Version:
        """Write `path` if its version still is `expect` (None: it doesn't exist). Raises Conflict otherwise."""
        ...

    def names(self, prefix: str) -> Iterator[str]:
        """The paths of all secrets below `prefix`, sorted."""
        ...

    def ping(self) -> str:
        """Reach the store and log in; returns where it is, for people."""
        ...


@dataclass(frozen=True)
class Context:
    """What a store may know of its surroundings: its name in the manifest, and the folder that paths are relative to."""

    name: str
    folder: Path


@dataclass(frozen=True)
class BackendPaths:
    """Below which paths Airflow looks for connections, variables and configuration; None: not at all."""

    connections: str | None
    variables: str | None
    config: str | None


@dataclass(frozen=True)
class AirflowBackend:
    """How Airflow reads a store: the class and the keyword arguments of its secrets backend.

    `environment` are variables that Airflow's processes must have besides, since a credential doesn't belong in
    airflow.cfg; `advice` says so to the user.
    """

    backend_class: str
    kwargs: Mapping[str, Any]
    environment: Mapping[str, Credential] = field(default_factory=dict)
    advice: tuple[str, ...] = ()


class Credential(Model):
    """Where the credential for a store comes from: `{env: NAME}` or `{file: PATH}`."""

    env: Annotated[str, Field(min_length=1)] | None = None
    file: Annotated[str, Field(min_length=1)] | None = None

    @model_validator(mode="wrap")
    @classmethod
    def _allow_text(cls, data: Any, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo) -> Any:
        if not isinstance(data, str):
            found = handler(data)
            if (found.env is None) == (found.file is None):
                msg = "expected one of {env: NAME} or {file: PATH}"
                raise ValueError(msg)
            return found
        if not (info.context or {}).get("allow_plaintext"):
            msg = "a credential in plain text; write {env: NAME} or {file: PATH} (or use --allow-plaintext)"
            raise ValueError(msg)
        return PlainCredential(Secret(data))

    def read(self, store: str, folder: Path) -> Secret:
        """The credential itself, without white space around it. Raises Denied: without it the store lets nobody in."""
        if self.env is not None:
            value = os.environ.get(self.env, "").strip()
            if not value:
                raise Denied(f"store {store}: ${self.env} is not set", f"export {self.env}=…")
            return Secret(value)
        return Secret(self._content(store, self.path(folder)))

    def path(self, folder: Path) -> Path:
        """Where the file is; a relative path starts in `folder`."""
        return (folder / Path(str(self.file)).expanduser()).absolute()

    @staticmethod
    def _content(store: str, path: Path) -> str:
        try:
            value = path.read_text(encoding="utf-8").strip()
        except OSError as err:
            raise Denied(
                f"store {store}: can't read its credential {path}: {err.strerror}", f"write it to {path}"
            ) from err
        except UnicodeDecodeError:  # it quotes the content
            raise Denied(f"store {store}: its credential {path} is not text", f"write it to {path}") from None
        if not value:
            raise Denied(f"store {store}: its credential {path} is empty", f"write it to {path}")
        return value


@dataclass(frozen=True)
class PlainCredential:
    """A credential that stands in the manifest itself; takes a Credential's place, only with --allow-plaintext."""

    value: Secret
    env: None = None
    file: None = None

    def read(self, _store: str, _folder: Path) -> Secret:
        """The value."""
        return self.value


def pick_field(stored: Stored, where: str, name: str | None) -> Secret:
    """The value that a reference means: one field of a secret, or all of it.

    `where` is the reference as written. A secret whose only field is `value` is that value. Raises NotFound or Empty.
    """
    fields = stored.fields
    hint = f"airflow-bootstrap store put {where.partition('@')[0]}"
    if name is None:
        value = fields["value"] if fields is not None and set(fields) == {"value"} else stored.value
    elif fields is None:
        raise Malformed(f"{where}: the secret has no fields, it is one value", "leave out the #FIELD")
    elif name not in fields:
        known = ", ".join(sorted(fields)) or "none"
        raise NotFound(f"{where}: the secret has no field {name!r}; its fields are: {known}", hint)
    else:
        value = fields[name]
    if not value:
        raise Empty(f"{where}: the value is empty", hint)
    return value
