"""The providers that are installed here, by what each says of itself, and shipped tables of those that aren't.

Each distribution's own `get_provider_info` is run by its path (0.1 s in all); loading the entry point would import Airflow (1.5 s).
`make schema` adds what is installed to the tables; the other rows are kept by hand, from the providers' lists of connections.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from bootstrap.util.templates import folder_of

CONN_TYPES, SECRET_EXTRAS = "conn_types.json", "secret_extras.json"
PROVIDERS = "apache-airflow-providers-"


@cache
def providers() -> Mapping[str, str]:
    """The distribution of each conn_type that an installed provider brings."""
    from importlib.metadata import entry_points

    found: dict[str, str] = {}
    for entry in entry_points(group="apache_airflow_provider"):
        for connection_type in _provider_info(entry).get("connection-types", []):
            found[connection_type["connection-type"]] = entry.dist.name if entry.dist else entry.value
    return found


@cache
def sensitive_options() -> frozenset[str]:
    """The sensitive options of airflow.cfg that installed providers bring, as SECTION.OPTION."""
    from importlib.metadata import entry_points

    return frozenset(
        f"{section}.{name}"
        for entry in entry_points(group="apache_airflow_provider")
        for section, described in (_provider_info(entry).get("config") or {}).items()
        for name, option in (described.get("options") or {}).items()
        if option.get("sensitive")
    )


def package_for(conn_type: str) -> str | None:
    """The distribution that brings a conn_type, installed or well known; None if we don't know."""
    return providers().get(conn_type) or conn_types().get(conn_type)


@cache
def conn_types() -> Mapping[str, str]:
    """The distribution that brings each conn_type of Airflow's community providers, installed or not."""
    rows = json.loads((folder_of(CONN_TYPES) / CONN_TYPES).read_text(encoding="utf-8"))
    return {conn_type: PROVIDERS + package for conn_type, package in rows.items()}


@cache
def secret_extras() -> Mapping[str, frozenset[str]]:
    """The keys of `extra` that Airflow's community providers declare as passwords, by conn_type."""
    rows = json.loads((folder_of(SECRET_EXTRAS) / SECRET_EXTRAS).read_text(encoding="utf-8"))
    return {conn_type: frozenset(keys) for conn_type, keys in rows.items()}


@cache
def declared(conn_type: str | None) -> frozenset[str]:
    """Those keys for one conn_type; of a provider that isn't Airflow's own, as it is installed here."""
    if conn_type is None or conn_type in secret_extras() or conn_type in conn_types():
        return secret_extras().get(conn_type or "", frozenset())
    return installed_extras(tuple(sys.path)).get(conn_type, frozenset())


@cache
def installed_extras(folders: tuple[str, ...]) -> Mapping[str, frozenset[str]]:
    """As `secret_extras`, of the providers that are installed in these folders."""
    from bootstrap.providers.hook_source import passwords
    from bootstrap.providers.metadata import installed
    from bootstrap.providers.python_source import Sources

    sources = Sources(folders)
    return {name: frozenset(passwords(row, sources)) for name, row in installed(folders).types.items()}


def _provider_info(entry: Any) -> Mapping[str, Any]:
    module, _, function = entry.value.partition(":")
    path = entry.dist.locate_file(Path(*module.split(".")).with_suffix(".py")) if entry.dist else None
    if path is None or not Path(path).exists():
        return {}
    names: dict[str, Any] = {}
    exec(compile(Path(path).read_text(encoding="utf-8"), str(path), "exec"), names)  # noqa: S102  the provider's own file
    info = names[function]()
    return info if isinstance(info, Mapping) else {}
