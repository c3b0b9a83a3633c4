"""Reads many secrets of one store concurrently, over one client."""

from __future__ import annotations

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
    failures: list[Unavailable] = []  # the first is quoted

    def read(place: PathAt) -> Stored | StoreError:
        if failures:
            return Unavailable(f"{name}:{place[0]}: not read: {failures[0].message}", failures[0].hint)
        try:
            return store.read(*place)
        except StoreError as err:
            if isinstance(err, Unavailable):
                failures.append(err)
            return err

    wanted = list(dict.fromkeys(places))
    if len(wanted) < 2:  # noqa: PLR2004  a thread would only cost time
        return {place: read(place) for place in wanted}
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(min(concurrency, len(wanted)), thread_name_prefix=f"read-{name}") as pool:
        return dict(zip(wanted, pool.map(read, wanted), strict=True))
