"""The providers that are installed here, by what each says of itself.

Each distribution's own `get_provider_info` is run by its path (0.1 s in all); loading the entry point would import Airflow (1.5 s).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from bootstrap.providers import conn_types


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
    if conn_type in providers():
        return providers()[conn_type]
    return conn_types.shipped().get(conn_type)


def _provider_info(entry: Any) -> Mapping[str, Any]:
    module, _, function = entry.value.partition(":")
    path = entry.dist.locate_file(Path(*module.split(".")).with_suffix(".py")) if entry.dist else None
    if path is None or not Path(path).exists():
        return {}
    names: dict[str, Any] = {}
    exec(compile(Path(path).read_text(encoding="utf-8"), str(path), "exec"), names)  # noqa: S102  the provider's own file
    info = names[function]()
    return info if isinstance(info, Mapping) else {}
