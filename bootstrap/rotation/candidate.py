"""Both contents of a secret while its key is rotated, kept beside it in the same store: the one secret that a rotation needs.

It is written before the new key is used anywhere, and gone when the rotation is over.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

from bootstrap.domain.secret import Secret
from bootstrap.errors import Malformed, NotFound, UsageError
from bootstrap.manifest.key_place import candidate_path
from bootstrap.stores.base import Deleting, Fields, Retiring, Store, Stored, Version, pick_field
from bootstrap.stores.structured import as_fields

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
            raise Malformed(
                f"{self.where}: not what a rotation keeps there",
                "put the secret right by hand, then: airflow-bootstrap rotate --give-up",
            ) from None

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
