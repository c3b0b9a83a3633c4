"""The keys of `extra` that providers declare as passwords, by conn_type."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from functools import cache

from bootstrap.util.templates import folder_of

NAME = "secret_extras.json"


@cache
def shipped() -> Mapping[str, frozenset[str]]:
    """Those of Airflow's community providers."""
    rows = json.loads((folder_of(NAME) / NAME).read_text(encoding="utf-8"))
    return {conn_type: frozenset(keys) for conn_type, keys in rows.items()}


@cache
def declared(conn_type: str | None) -> frozenset[str]:
    """The keys of one conn_type; of a provider that isn't Airflow's own, as it is installed here."""
    from bootstrap.providers import conn_types

    if conn_type is None or conn_type in shipped() or conn_type in conn_types.shipped():
        return shipped().get(conn_type or "", frozenset())
    return _installed(tuple(sys.path)).get(conn_type, frozenset())


def generated(more: Sequence[str] = ()) -> str:
    """The table as JSON: of what is installed, and of what lies in `more` folders; the rest as it is."""
    rows = {**shipped(), **_installed((*more, *sys.path))}
    return json.dumps({name: sorted(rows[name]) for name in sorted(rows) if rows[name]}, indent=1) + "\n"


@cache
def _installed(folders: tuple[str, ...]) -> Mapping[str, frozenset[str]]:
    from bootstrap.providers.hook_source import passwords
    from bootstrap.providers.metadata import installed
    from bootstrap.providers.python_source import Sources

    sources = Sources(folders)
    return {name: frozenset(passwords(row, sources)) for name, row in installed(folders).types.items()}
