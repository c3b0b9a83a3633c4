"""What a secret holds, with one key and with another; and both contents while its key is rotated, kept beside it in its store.

They are written before the new key is used anywhere, and gone when the rotation is over: the one secret that a rotation needs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from bootstrap.desired import interpret
from bootstrap.domain.connection import FIELDS, Connection
from bootstrap.domain.secret import Secret
from bootstrap.errors import Malformed, NotFound, UsageError
from bootstrap.issuers.base import KeyFields
from bootstrap.manifest.key_place import EXTRA, KeyPlace, candidate_path
from bootstrap.stores.base import Deleting, Fields, Retiring, Store, Stored, Version, pick_field
from bootstrap.stores.structured import as_fields, json_object

Slot = Literal["old", "new"]


@dataclass(frozen=True)
class Content:
    """All that a secret holds: its text, which is a JSON object where the store keeps `fields`."""

    text: Secret
    fields: bool

    def stored(self) -> Stored:
        """As a store would give it."""
        fields = as_fields(json.loads(self.text.unmasked())) if self.fields else None
        return Stored(self.text, version="", fields=fields)

    def payload(self) -> Secret | Fields:
        """What `Store.write` takes."""
        if not self.fields:
            return self.text
        document: dict[str, Any] = json.loads(self.text.unmasked())
        return document


def content(stored: Stored) -> Content:
    """What a store has given."""
    return Content(stored.value, stored.fields is not None)


def require_place(name: str, store: Store, store_name: str) -> None:
    """Raises UsageError for a store that can't take what a rotation keeps in it, or could never forget the old key."""
    hint = "keep the key in another store"
    if not store.writable:
        raise UsageError(f"{name}: store {store_name} is read-only", hint)
    if not isinstance(store, Retiring | Deleting):
        raise UsageError(f"{name}: store {store_name} deletes nothing, so the old key would stay in it", hint)


@dataclass(frozen=True)
class Material:
    """What is kept for the secret at `path`."""

    store: Store
    name: str
    path: str

    @property
    def where(self) -> str:
        """For people."""
        return f"{self.name}:{candidate_path(self.path)}"

    def write(self, run: str, old: Content, new: Content, *, expect: Version | None) -> None:
        """Keep both, instead of what another run has left. Raises StoreError."""
        document = {
            "run": run,
            "old": {"text": old.text.unmasked(), "fields": old.fields},
            "new": {"text": new.text.unmasked(), "fields": new.fields},
        }
        self.store.write(candidate_path(self.path), Secret(json.dumps(document, ensure_ascii=False)), expect=expect)

    def read(self, run: str) -> dict[Slot, Content] | None:
        """Both; None if this run has written none. Raises StoreError."""
        try:
            stored = self.store.read(candidate_path(self.path))
        except NotFound:
            return None
        text = pick_field(stored, self.where, None)
        try:
            document = json.loads(text.unmasked())
            if document["run"] != run:
                return None
            return {slot: Content(Secret(document[slot]["text"]), document[slot]["fields"]) for slot in ("old", "new")}
        except (ValueError, KeyError, TypeError):  # it quotes the value
            message = f"{self.where}: not what a rotation keeps there"
            raise Malformed(message, "put the secret right by hand, then: airflow-bootstrap rotate --give-up") from None

    def forget(self, version: Version) -> None:
        """It is gone, for good where the store can. Raises StoreError."""
        if isinstance(self.store, Retiring):
            self.store.destroy(candidate_path(self.path), version)
        elif isinstance(self.store, Deleting):
            self.store.delete(candidate_path(self.path), expect=version)

    def version(self) -> Version | None:
        """Of what is kept; None: nothing. Raises StoreError."""
        try:
            return self.store.read(candidate_path(self.path)).version
        except NotFound:
            return None


def fields_of(place: KeyPlace, stored: Stored) -> KeyFields:
    """The key's fields as the secret has them. Raises NotFound, Malformed or Empty."""
    if place.whole:
        connection = interpret.whole(stored, place.reference, place.conn_type)
        return {field: _value(connection, field) for field in place.parts}
    where = place.where
    return {
        field: pick_field(stored, f"{where}#{part}" if part else where, part) for field, part in place.parts.items()
    }


def filled(place: KeyPlace, stored: Stored, fields: KeyFields) -> Content:
    """All that the secret holds, with another key's fields. Raises Malformed."""
    missing = sorted(place.parts.keys() - fields.keys())
    if missing:
        raise Malformed(f"{place.reference}: the new key lacks {', '.join(missing)}", "this is a fault of its issuer")
    if place.whole:
        return _whole(place, stored, fields)
    only = next(iter(place.parts))
    if place.parts[only] is None:
        return _alone(stored, fields[only])
    if stored.fields is None:
        if len(place.parts) == 1:
            return Content(fields[only], fields=False)
        raise Malformed(f"{place.reference}: the secret has no fields", "store put STORE:PATH#FIELD")
    document: dict[str, Any] = json.loads(stored.value.unmasked())
    document |= {str(place.parts[field]): fields[field].unmasked() for field in place.parts}
    return Content(Secret(json.dumps(document, ensure_ascii=False)), fields=True)


def _whole(place: KeyPlace, stored: Stored, fields: KeyFields) -> Content:
    """As fields or JSON, whatever it was: a URI can't hold everything."""
    picked = pick_field(stored, str(place.reference), place.reference.field).unmasked()
    if (json_object(picked) or {}).get("type") == "service_account":
        return _in_place(place, stored, fields["extra.keyfile_dict"].unmasked())
    _require_own_words(place, stored, picked)
    found = interpret.whole(stored, place.reference, place.conn_type).as_fields()
    for field, value in fields.items():
        if field in place.parts and field.startswith(EXTRA):
            found["extra"] = {**(found.get("extra") or {}), field.removeprefix(EXTRA): value.unmasked()}
        elif field in place.parts:
            found[field] = value.unmasked()
    return _in_place(place, stored, json.dumps(found, ensure_ascii=False))


def _require_own_words(place: KeyPlace, stored: Stored, text: str) -> None:
    """A secret as RDS writes it has keys that others read, too: they would be gone. Raises Malformed."""
    others = sorted(set(json_object(text) or {}) - {*FIELDS, "conn_uri", "uri"})
    if stored.wording is not None and others:
        message = f"{place.reference}: it has keys that are none of a connection's fields ({', '.join(others)})"
        raise Malformed(message, f'refer to its fields: password: {{secret: "{place.reference}#password"}}')


def _in_place(place: KeyPlace, stored: Stored, text: str) -> Content:
    """The text in the place of the one that the reference means."""
    if place.reference.field is not None and stored.fields is not None:
        document = json.loads(stored.value.unmasked()) | {place.reference.field: text}
        return Content(Secret(json.dumps(document, ensure_ascii=False)), fields=True)
    if stored.fields is not None and set(stored.fields) == {"value"}:
        return Content(Secret(json.dumps({"value": text}, ensure_ascii=False)), fields=True)
    return Content(Secret(text), fields=stored.fields is not None)


def _alone(stored: Stored, value: Secret) -> Content:
    """A secret that is one value: text, or a document whose fields the store shows."""
    if stored.fields is not None and set(stored.fields) == {"value"}:
        return Content(Secret(json.dumps({"value": value.unmasked()}, ensure_ascii=False)), fields=True)
    is_document = json_object(value.unmasked()) is not None
    return Content(value, fields=content(stored).fields and is_document)


def _value(connection: Connection, field: str) -> Secret:
    extra = connection.extra or {}
    found = extra.get(field.removeprefix(EXTRA)) if field.startswith(EXTRA) else getattr(connection, field)
    if isinstance(found, Mapping):
        found = json.dumps(found, ensure_ascii=False)
    return Secret("" if found is None else str(found))
