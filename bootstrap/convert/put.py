"""Puts the secrets of a conversion into their store. If one exists and differs, nothing is written."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from bootstrap.errors import Conflict, NotFound, StoreError, UsageError
from bootstrap.stores.base import CONCURRENCY, Store, Stored
from bootstrap.stores.bulk_read import read_many


def put(name: str, store: Store, secrets: Mapping[str, Mapping[str, str]], concurrency: int = CONCURRENCY) -> int:
    """How many were written; those that are there with the same fields are left alone. Raises StoreError, UsageError."""
    if not secrets:
        return 0
    if not store.writable:
        raise UsageError(f"store {name} is read-only, so no secret can be put into it", "--store NAME of another one")
    there = read_many(name, store, ((path, None) for path in secrets), concurrency)
    pending, differing = {}, []
    for path, fields in secrets.items():
        found = there[path, None]
        if isinstance(found, NotFound):
            pending[path] = fields
        elif isinstance(found, StoreError):
            raise found
        elif not _holds(found, fields):
            differing.append(f"{name}:{path}")
    if differing:
        raise Conflict(
            f"nothing was written: the store has other values at {', '.join(differing)}",
            "remove those, or put them into another store with --store NAME",
        )
    with ThreadPoolExecutor(max(1, min(concurrency, len(pending))), thread_name_prefix=f"put-{name}") as pool:
        list(pool.map(lambda item: store.write(item[0], dict(item[1]), expect=None), pending.items()))
    return len(pending)


def _holds(stored: Stored, fields: Mapping[str, str]) -> bool:
    kept = stored.fields or {}
    return all(name in kept and kept[name].unmasked() == value for name, value in fields.items())
