"""The rows of `store list`: whatever a store tells without reading a value."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timezone

from bootstrap.domain.secret import safe_json
from bootstrap.stores.base import Entry, Listing, Store


def entries(store: Store, prefix: str) -> list[Entry]:
    """All secrets below `prefix`; of a store that tells no more, their paths. Raises StoreError."""
    if isinstance(store, Listing):
        return list(store.entries(prefix))
    return [Entry(path) for path in store.names(prefix)]


def document(name: str, found: Sequence[Entry]) -> str:
    """The list as JSON, for programs: null is what the store doesn't tell."""
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
