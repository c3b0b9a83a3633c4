"""Reads many secrets of one store concurrently, over one client."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from bootstrap.errors import StoreError, Unavailable
from bootstrap.stores.base import CONCURRENCY, Store, Stored, Version

PathAt: TypeAlias = tuple[str, Version | None]  # a path, and the version if not the newest


def read_many(
    name: str, store: Store, places: Iterable[PathAt], concurrency: int = CONCURRENCY
) -> Mapping[PathAt, Stored | StoreError]:
    """The content of each place, or the error that reading it raised. Each is read once, `concurrency` at a time.

    Once the store fails to answer, it is not asked for what is still to come: those get an error that says so.
    """
    wanted = list(dict.fromkeys(places))
    if len(wanted) < 2:  # noqa: PLR2004  a thread would only cost time
        return {place: _read(store, place) for place in wanted}
    return _Reading(name, store).all(wanted, concurrency)


class _Reading:
    def __init__(self, name: str, store: Store) -> None:
        self.name = name
        self.store = store
        self.failure: Unavailable | None = None
        self.lock = threading.Lock()

    def all(self, wanted: list[PathAt], concurrency: int) -> Mapping[PathAt, Stored | StoreError]:
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(min(concurrency, len(wanted)), thread_name_prefix=f"read-{self.name}") as pool:
            return dict(zip(wanted, pool.map(self._read, wanted), strict=True))

    def _read(self, place: PathAt) -> Stored | StoreError:
        if self.failure is not None:
            return Unavailable(f"{self.name}:{place[0]}: not read: {self.failure.message}", self.failure.hint)
        found = _read(self.store, place)
        if isinstance(found, Unavailable):
            with self.lock:
                self.failure = self.failure or found
        return found


def _read(store: Store, place: PathAt) -> Stored | StoreError:
    try:
        return store.read(*place)
    except StoreError as err:
        return err
