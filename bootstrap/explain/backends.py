"""The names that a secrets backend asks its store for, and the metadata that the store gives of such a secret, by kind of store.

For use inside Airflow's processes, where the backend objects are.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from bootstrap.stores.airflow_look import OPTIONS, BackendLook, Look, Query, Told
from bootstrap.stores.kind import known_in_airflow


def names(backend: Any, query: Query) -> list[str] | None:
    """What the backend asks its store for, in order, as the store calls it; None for a class that we don't know."""
    known = _known(backend)
    return None if known is None else [known.shown(backend, name) for name in known.names(backend, query)]


def look(backend: Any, query: Query) -> Look | None:
    """The first secret that is there, asked through the backend's own client. Raises the client's errors, also those
    that the backend would hide behind a None, and Told.
    """
    known, told = _known(backend), None
    if known is None:
        return None
    for name in known.names(backend, query):
        try:
            if found := known.look(backend, query, name):
                return found
        except Told as err:
            if err.state != "miss":
                raise
            told = told or err  # the next path may have one
    if told is not None:
        raise told
    return None


def _known(backend: Any) -> BackendLook | None:
    return next((_looks()[kind.__name__] for kind in type(backend).__mro__ if kind.__name__ in _looks()), None)


@cache
def _looks() -> dict[str, BackendLook]:
    """By the name of the backend's class."""
    found: dict[str, BackendLook] = {"LocalFilesystemBackend": _File()}
    for kind in known_in_airflow():
        found |= kind.LOOKS
    return found


class _File:
    """Airflow's own LocalFilesystemBackend."""

    def names(self, backend: Any, query: Query) -> Sequence[str]:
        name = "configs_file" if query.kind == "config" else f"{OPTIONS[query.kind]}_file"
        file = getattr(backend, name, None)
        return (str(file),) if file else ()

    def shown(self, backend: Any, name: str) -> str:  # noqa: ARG002
        return name

    def look(self, backend: Any, query: Query, name: str) -> Look | None:  # noqa: ARG002
        if not Path(name).exists():
            raise Told("broken", "its file is not there")
        return None  # a file has one date for all of its secrets
