"""Where in a secret the fields of a key stand, and the same secret with those of another key."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bootstrap.desired import interpret
from bootstrap.domain.connection import FIELDS, Connection
from bootstrap.domain.reference import Reference
from bootstrap.domain.secret import Secret
from bootstrap.errors import Malformed, ManifestError
from bootstrap.issuers.base import KeyFields
from bootstrap.manifest.models import ConnectionSpec
from bootstrap.rotation.candidate import Content, content
from bootstrap.stores.base import Stored, pick_field
from bootstrap.stores.structured import json_object

_EXTRA = "extra."


@dataclass(frozen=True)
class KeyPlace:
    """The one secret that holds a key, and where in it each field of the key stands.

    `parts`: for each field of the connection, the field of the secret (None: all of it). `whole`: the secret is a whole
    connection, of the type `conn_type` if the manifest says.
    """

    reference: Reference
    parts: Mapping[str, str | None]
    whole: bool = False
    conn_type: str | None = None

    @property
    def where(self) -> str:
        """The secret, for people."""
        return f"{self.reference.store}:{self.reference.path}"

    def fields_of(self, stored: Stored) -> KeyFields:
        """The key's fields as the secret has them. Raises NotFound, Malformed or Empty."""
        if self.whole:
            return dict(_picked(interpret.whole(stored, self.reference, self.conn_type), self.parts))
        where = self.where
        return {
            field: pick_field(stored, f"{where}#{part}" if part else where, part) for field, part in self.parts.items()
        }

    def filled(self, stored: Stored, fields: KeyFields) -> Content:
        """All that the secret holds, with another key's fields. Raises Malformed."""
        missing = sorted(self.parts.keys() - fields.keys())
        if missing:
            raise Malformed(
                f"{self.reference}: the new key lacks {', '.join(missing)}", "this is a fault of its issuer"
            )
        if self.whole:
            return self._whole(stored, fields)
        only = next(iter(self.parts))
        if self.parts[only] is None:
            return _alone(stored, fields[only])
        if stored.fields is None:
            if len(self.parts) == 1:
                return Content(fields[only], fields=False)
            raise Malformed(f"{self.reference}: the secret has no fields", "store put STORE:PATH#FIELD")
        document: dict[str, Any] = json.loads(stored.value.as_public())
        document |= {str(self.parts[field]): fields[field].as_public() for field in self.parts}
        return Content(Secret(json.dumps(document, ensure_ascii=False)), fields=True)

    def _whole(self, stored: Stored, fields: KeyFields) -> Content:
        """As fields or JSON, whatever it was: a URI can't hold everything."""
        picked = pick_field(stored, str(self.reference), self.reference.field).as_public()
        if (json_object(picked) or {}).get("type") == "service_account":
            return self._in_place(stored, fields["extra.keyfile_dict"].as_public())
        self._require_own_words(stored, picked)
        found = interpret.whole(stored, self.reference, self.conn_type).as_fields()
        for field, value in fields.items():
            if field in self.parts:
                _put(found, field, value.as_public())
        return self._in_place(stored, json.dumps(found, ensure_ascii=False))

    def _require_own_words(self, stored: Stored, text: str) -> None:
        """A secret as RDS writes it has keys that others read, too: they would be gone. Raises Malformed."""
        others = sorted(set(json_object(text) or {}) - {*FIELDS, "conn_uri", "uri"})
        if stored.wording is not None and others:
            message = f"{self.reference}: it has keys that are none of a connection's fields ({', '.join(others)})"
            raise Malformed(message, f'refer to its fields: password: {{secret: "{self.reference}#password"}}')

    def _in_place(self, stored: Stored, text: str) -> Content:
        """The text in the place of the one that the reference means."""
        if self.reference.field is not None and stored.fields is not None:
            document = json.loads(stored.value.as_public()) | {self.reference.field: text}
            return Content(Secret(json.dumps(document, ensure_ascii=False)), fields=True)
        if stored.fields is not None and set(stored.fields) == {"value"}:
            return Content(Secret(json.dumps({"value": text}, ensure_ascii=False)), fields=True)
        return Content(Secret(text), fields=stored.fields is not None)


def _alone(stored: Stored, value: Secret) -> Content:
    """A secret that is one value: text, or a document whose fields the store shows."""
    if stored.fields is not None and set(stored.fields) == {"value"}:
        return Content(Secret(json.dumps({"value": value.as_public()}, ensure_ascii=False)), fields=True)
    is_document = json_object(value.as_public()) is not None
    return Content(value, fields=content(stored).fields and is_document)


def _picked(connection: Connection, wanted: Mapping[str, str | None]) -> Iterator[tuple[str, Secret]]:
    for field in wanted:
        found = _get(connection, field)
        if isinstance(found, Mapping):
            found = json.dumps(found, ensure_ascii=False)
        yield field, Secret("" if found is None else str(found))


def _get(connection: Connection, field: str) -> Any:
    if field.startswith(_EXTRA):
        return (connection.extra or {}).get(field.removeprefix(_EXTRA))
    return getattr(connection, field)


def _put(document: dict[str, Any], field: str, value: str) -> None:
    if field.startswith(_EXTRA):
        document["extra"] = {**(document.get("extra") or {}), field.removeprefix(_EXTRA): value}
    else:
        document[field] = value


def place_of(conn_id: str, spec: ConnectionSpec, fields: Sequence[str]) -> KeyPlace:
    """Where the key of a connection is kept. Raises ManifestError where that isn't one secret of a store."""
    if spec.from_ is not None:
        _not_pinned(conn_id, spec.from_)
        return KeyPlace(spec.from_, dict.fromkeys(fields), whole=True, conn_type=spec.conn_type)
    found = {field: _reference(conn_id, spec, field) for field in fields}
    places = {(reference.store, reference.path) for reference in found.values()}
    if len(places) > 1:
        raise ManifestError(
            f"connections.{conn_id}: its key is in several secrets: {', '.join(map(str, found.values()))}",
            "keep it in fields of one secret, so that it changes in one step",
        )
    return KeyPlace(next(iter(found.values())), {field: reference.field for field, reference in found.items()})


def _reference(conn_id: str, spec: ConnectionSpec, field: str) -> Reference:
    said = (spec.extra or {}).get(field.removeprefix(_EXTRA)) if field.startswith(_EXTRA) else spec.field(field)
    if not isinstance(said, Reference):
        raise ManifestError(
            f"connections.{conn_id}: {field} changes with each rotation, and is no secret of a store",
            f'keep it in one: {{secret: "STORE:PATH#{field.removeprefix(_EXTRA)}"}}',
        )
    _not_pinned(conn_id, said)
    return said


def _not_pinned(conn_id: str, reference: Reference) -> None:
    if reference.version is not None:
        raise ManifestError(
            f"connections.{conn_id}: {reference} names a version, which a new key would not change",
            "leave out the @VERSION",
        )
