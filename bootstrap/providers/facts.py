"""What the installed providers declare of conn_types and extras; read once per installation."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from bootstrap.providers.installed import conn_types as shipped
from bootstrap.util import distributions
from bootstrap.util.file_cache import remembered

UNREGISTERED = {"vaults": "vault"}  # VaultHook: the same over TLS; no provider lists it


@dataclass(frozen=True)
class Extras:
    """The keys of `extra` that a conn_type's hook reads, other words of its source, the fields that its form hides and its
    source never reads, and the keys that the provider declares as true or false.
    """

    keys: frozenset[str] = frozenset()
    words: frozenset[str] = frozenset()
    ignored: frozenset[str] = frozenset()
    booleans: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Known:
    """`types`: the distribution of each conn_type that is installed. `extras`: of those that were asked for.

    `airflow`: it is installed here, so what it lacks is lacking. `complete`: every provider's list could be read.
    """

    types: Mapping[str, str]
    extras: Mapping[str, Extras] = field(default_factory=dict)
    airflow: bool = True
    complete: bool = True

    def has(self, conn_type: str) -> bool:
        """True if a hook takes connections of this type."""
        return UNREGISTERED.get(conn_type, conn_type) in self.types

    def package(self, conn_type: str) -> str | None:
        """The distribution that brings it, installed or not; None for one that nobody knows."""
        name = UNREGISTERED.get(conn_type, conn_type)
        return self.types.get(name) or shipped().get(name)


def known(conn_types: Iterable[str], cache: Path) -> Known:
    """What there is to know of these; kept in the folder `cache`, which exists."""
    folders = [[folder, sorted(distributions.metadata_folders(folder))] for folder in sys.path]
    stamp = hashlib.sha256(json.dumps(folders).encode()).hexdigest()  # of what is installed, with its versions
    rows, complete = remembered(cache, "conn-types", [stamp, "booleans"], _types)
    wanted = {UNREGISTERED.get(name, name) for name in conn_types} & set(rows)
    airflow = distributions.version("apache-airflow-core") or distributions.version("apache-airflow")
    extras = {}
    for name in wanted:
        row = rows[name]
        extras[name] = Extras(*map(frozenset, remembered(cache, "conn-extras", [stamp, row], partial(_read, row))))
    return Known({name: row[0] for name, row in rows.items()}, extras, airflow is not None, complete)


def _types() -> tuple[Any, Collection[str]]:
    from bootstrap.providers.metadata import installed

    found = installed(sys.path)
    rows = {name: [d.package, d.hook, d.home, d.fields, d.hidden, d.booleans] for name, d in found.types.items()}
    return [rows, found.complete], found.files


def _read(row: list[Any]) -> tuple[Any, Collection[str]]:
    from bootstrap.providers.hook_source import facts
    from bootstrap.providers.metadata import Declared

    sources = _sources(tuple(sys.path))
    package, hook, home, fields, hidden, booleans = row
    found = facts(Declared(package, hook, home, tuple(fields), tuple(hidden)), sources)
    answer = [sorted(each) for each in (*found, booleans)]
    return answer, [str(file) for file in sources.files]


@lru_cache(1)
def _sources(folders: tuple[str, ...]) -> Any:
    """Several hooks share a base: each file is parsed once."""
    from bootstrap.providers.python_source import Sources

    return Sources(folders)
