"""The fields of a key as a secret holds them, and the same secret with those of another key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bootstrap.desired import interpret
from bootstrap.domain.connection import FIELDS, Connection
from bootstrap.domain.secret import Secret
from bootstrap.errors import Malformed
from bootstrap.issuers.base import KeyFields
from bootstrap.manifest.key_place import EXTRA, KeyPlace
from bootstrap.rotation.candidate import Content, content
from bootstrap.stores.base import Stored, pick_field
from bootstrap.stores.structured import json_object


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
