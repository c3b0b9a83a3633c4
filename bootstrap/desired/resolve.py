"""Resolves connections and variables: reads their references from the stores."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from bootstrap import plugins
from bootstrap.desired import interpret
from bootstrap.domain import connection
from bootstrap.domain.connection import Connection
from bootstrap.domain.reference import Reference
from bootstrap.domain.secret import Secret
from bootstrap.domain.sensitive import is_secret
from bootstrap.domain.variable import Variable
from bootstrap.errors import IllegalName, Malformed, NotFound, StoreError
from bootstrap.manifest.loader import ConnectionSpec, Manifest
from bootstrap.manifest.models import find_references
from bootstrap.stores.base import CONCURRENCY, Context, PathAt, Store, Stored, pick_field, read_many
from bootstrap.stores.kind import StoreKind


class SecretReader:
    """The manifest's stores. Each secret is read once, however often it is referenced, `concurrency` at a time."""

    def __init__(self, manifest: Manifest, concurrency: int = CONCURRENCY) -> None:
        self.concurrency = concurrency
        self._manifest = manifest
        self._stores: dict[str, Store] = {}
        self._read: dict[tuple[str, str, str | None], Stored | StoreError] = {}

    def store(self, name: str) -> Store:
        """The store of that name, opened."""
        if name not in self._stores:
            spec = self._manifest.stores[name]
            kind = plugins.STORES.get(spec.kind, StoreKind)
            sources = (source for source in self._manifest.sources if source.store == name)
            kwargs = {key: value for source in sources for key, value in source.kwargs.items()}
            context = Context(name, self._manifest.folder, self.concurrency, kwargs)
            self._stores[name] = kind.open_store(spec.options, context)
        return self._stores[name]

    def fresh(self) -> SecretReader:
        """The same stores, with nothing read yet."""
        other = SecretReader(self._manifest, self.concurrency)
        other._stores = self._stores
        return other

    def replaced(self, store: str, path: str, stored: Stored) -> SecretReader:
        """The same stores, read anew, with something else at one path."""
        other = self.fresh()
        other._read[store, path, None] = stored  # noqa: SLF001
        return other

    def fetch(self, references: Iterable[Reference]) -> None:
        """Read what these point into, as far as it hasn't been read: then `stored` has it. Raises nothing of a store's."""
        places: dict[str, list[PathAt]] = {}
        for reference in references:
            if (reference.store, reference.path, reference.version) not in self._read:
                places.setdefault(reference.store, []).append((reference.path, reference.version))
        for name, wanted in places.items():
            found = read_many(name, self.store(name), wanted, self.concurrency)
            self._read |= {(name, *place): item for place, item in found.items()}

    def stored(self, reference: Reference) -> Stored:
        """The secret that a reference points into. Raises StoreError."""
        self.fetch([reference])
        found = self._read[reference.store, reference.path, reference.version]
        if isinstance(found, StoreError):
            raise found
        return found

    def found(self, reference: Reference) -> Stored:
        """As `stored`; where it is missing, the error says how to put it there. Raises StoreError."""
        try:
            return self.stored(reference)
        except NotFound as err:
            if isinstance(err, IllegalName) or not self.store(reference.store).writable:
                raise
            place = str(reference).partition("@")[0]
            raise NotFound(err.message, f"airflow-bootstrap store put {place}") from err

    def value(self, reference: Reference) -> Secret:
        """The value that a reference means. Raises StoreError."""
        return pick_field(self.found(reference), str(reference), reference.field)


def resolve_all(
    manifest: Manifest, secrets: SecretReader, conn_ids: Iterable[str]
) -> dict[str, Connection | StoreError]:
    """Each connection, or what stands in its way."""
    wanted = list(conn_ids)
    secrets.fetch(item for conn_id in wanted for _, item in find_references(manifest.connections[conn_id]))
    found: dict[str, Connection | StoreError] = {}
    for conn_id in wanted:
        try:
            found[conn_id] = resolve(manifest.connections[conn_id], secrets)
        except StoreError as err:
            found[conn_id] = _about(f"connection {conn_id}", err)
    return found


def resolve_variables(manifest: Manifest, secrets: SecretReader) -> dict[str, Variable | StoreError]:
    """Each variable, or what stands in its way."""
    secrets.fetch(item for _, item in find_references(manifest.variables))
    found: dict[str, Variable | StoreError] = {}
    for key, said in manifest.variables.items():
        try:
            value = _filled(said, secrets, f"variables.{key}")
        except StoreError as err:
            found[key] = _about(f"variable {key}", err)
            continue
        text = value if isinstance(value, str) else json.dumps(value)
        secret = is_secret(key, text) or any(True for _ in find_references(said))
        variable = found[key] = Variable(text, secret)
        variable.mask()
    return found


def _about(what: str, err: StoreError) -> StoreError:
    """The error, said of one connection or variable; the error itself may be told to several that share a secret."""
    named = type(err)(f"{what}: {err.message}", err.hint)
    named.__cause__ = err
    return named


def resolve(spec: ConnectionSpec, secrets: SecretReader) -> Connection:
    """One connection with its secrets in place. Raises StoreError."""
    if spec.from_ is not None:
        resolved = interpret.whole(secrets.found(spec.from_), spec.from_, spec.conn_type)
    else:
        resolved = _from_parts(spec, secrets)
    if spec.conn_type is not None and connection.normalize(spec.conn_type) != resolved.conn_type:
        raise Malformed(
            f"{spec.from_}: a connection of type {resolved.conn_type!r}, not {spec.conn_type!r} as the manifest says",
            "correct conn_type, or the secret",
        )
    resolved.mask()
    return resolved


def _from_parts(spec: ConnectionSpec, secrets: SecretReader) -> Connection:
    def text(name: str) -> str | None:
        value = spec.field(name)
        return _raw(value, name, secrets).unmasked() if isinstance(value, Reference) else value

    resolved = Connection(
        conn_type=connection.normalize(str(spec.conn_type)),
        description=text("description"),
        host=text("host"),
        login=text("login"),
        password=text("password"),
        schema=text("schema"),
        port=connection.port_number(text("port"), str(spec.port)),
    )
    extra = _filled(spec.extra, secrets, "extra")
    return replace(resolved, extra=connection.extra_object(extra, str((spec.extra or {}).get("secret"))))


def _raw(reference: Reference, name: str, secrets: SecretReader) -> Secret:
    return interpret.raw(secrets.found(reference), reference, name)


def _filled(node: Any, secrets: SecretReader, name: str) -> Any:
    """`extra` with each reference replaced by its value, which is masked in output from now on."""
    if isinstance(node, Reference):
        return _raw(node, name, secrets).reveal()
    if isinstance(node, Mapping):
        if set(node) == {"secret"} and isinstance(node["secret"], Reference):
            return _filled(node["secret"], secrets, name)
        return {key: _filled(item, secrets, f"{name}.{key}") for key, item in node.items()}
    if isinstance(node, list):
        return [_filled(item, secrets, name) for item in node]
    return node
