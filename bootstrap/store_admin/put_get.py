"""Implements `store put`, `get`, `list`, `start`, `stop` and `status`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import timezone

from bootstrap.desired.resolve import SecretReader
from bootstrap.domain.reference import Reference, parse_reference
from bootstrap.domain.secret import MASK, Secret, safe_json
from bootstrap.errors import Conflict, NotFound, UsageError
from bootstrap.manifest.loader import Manifest
from bootstrap.stores.base import Context, Entry, Listing, Store, Version, pick_field
from bootstrap.stores.embedded import Server
from bootstrap.stores.embedded import store as embedded

_ATTEMPTS = 5  # of a read-modify-write that meets other writers


def known_store(secrets: SecretReader, manifest: Manifest, name: str) -> Store:
    """The store of that name. Raises UsageError."""
    if name not in manifest.stores:
        raise UsageError(f"the manifest has no store {name!r}", f"there are: {', '.join(manifest.stores) or 'none'}")
    return secrets.store(name)


def _known(secrets: SecretReader, manifest: Manifest, text: str) -> Reference:
    reference = parse_reference(text)
    known_store(secrets, manifest, reference.store)
    return reference


def as_text(data: bytes, source: str) -> str:
    """The value that `source` gave. Raises UsageError for what is no text; the message quotes nothing of it."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        message = f"{source} is not UTF-8 text, and a secret is text"
        raise UsageError(message, "put it as base64: base64 FILE | airflow-bootstrap store put …") from None


def put_value(secrets: SecretReader, manifest: Manifest, text: str, value: str) -> Version:
    """Write a whole secret, or one field and leave the others as they are. Raises UsageError or StoreError."""
    from tenacity import Retrying, retry_if_exception_type, stop_after_attempt

    reference = _known(secrets, manifest, text)
    if reference.version is not None:
        raise UsageError(f"{text}: a new value makes a new version", "leave out the @VERSION")
    if not value:
        raise UsageError(f"{text}: the value is empty, and empty secrets are refused", "give a value on stdin")
    store = secrets.store(reference.store)
    retrying = Retrying(retry=retry_if_exception_type(Conflict), stop=stop_after_attempt(_ATTEMPTS), reraise=True)
    return retrying(_put_once, store, reference, Secret(value))


def _put_once(store: Store, reference: Reference, value: Secret) -> Version:
    try:
        current = store.read(reference.path)
    except NotFound:
        current = None
    expect = current.version if current else None
    if reference.field is None:
        return store.write(reference.path, value, expect=expect)
    fields = json.loads(current.value.reveal()) if current and current.fields is not None else {}
    return store.write(reference.path, fields | {reference.field: value.reveal()}, expect=expect)


def value_of(secrets: SecretReader, manifest: Manifest, text: str) -> str:
    """The value itself. Raises UsageError or StoreError."""
    return secrets.value(_known(secrets, manifest, text)).reveal()


def describe(secrets: SecretReader, manifest: Manifest, text: str) -> str:
    """What may be known of a secret without its value."""
    reference = _known(secrets, manifest, text)
    stored = secrets.stored(reference)
    pick_field(stored, str(reference), reference.field)
    written = f", written {stored.created:%Y-%m-%d %H:%M:%S} UTC" if stored.created else ""
    has_versions = isinstance(secrets.store(reference.store), Listing)  # elsewhere it is a fingerprint
    number = f", version {stored.version}" if has_versions else ""
    fields = f", fields: {', '.join(sorted(stored.fields))}" if stored.fields and reference.field is None else ""
    return f"{reference}: {MASK}{number}{written}{fields}"


def entries(store: Store, prefix: str) -> list[Entry]:
    """What a store tells of all secrets below `prefix` without reading a value; of a store that tells no more, their paths. Raises StoreError."""
    if isinstance(store, Listing):
        return list(store.entries(prefix))
    return [Entry(path) for path in store.names(prefix)]


def document(name: str, found: Sequence[Entry]) -> str:
    """Such a list as JSON, for programs: null is what the store doesn't tell."""
    rows = [
        {
            "reference": f"{name}:{entry.path}",
            "path": entry.path,
            "version": entry.version,
            "versions": entry.versions,
            "created": entry.created.astimezone(timezone.utc).isoformat() if entry.created else None,
            "state": entry.state or None,
        }
        for entry in found
    ]
    return safe_json(rows, indent=1)


def embedded_servers(manifest: Manifest) -> Iterator[tuple[str, Server]]:
    """The manifest's embedded stores. Raises UsageError where there is none."""
    names = [name for name, spec in manifest.stores.items() if spec.kind == "embedded"]
    if not names:
        raise UsageError(f"{manifest.file} has no store of kind embedded", "only an embedded store can be started")
    for name in names:
        yield name, embedded.server(Context(name, manifest.folder))
