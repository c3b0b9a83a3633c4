"""Smoke checks. One file per external system; the file's name is the check's name, so there is no list to keep.

A check's module has `Params`, `CONN_TYPES` (whose default it is), `PERMISSIONS`, `COMPARES` (what only the named resource can say), `endpoint`,
`task` and, where it has anything to add, `authenticate` or `proof` (what the login proves), `verify` and `cause`. What its operator is given is literal, unless it has `TEMPLATES = True`.
Airflow is imported inside functions only.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from bootstrap.util.registry import Registry

_OURS = sorted(file.stem for file in Path(__file__).parent.glob("[!_]*.py") if file.stem != "base")
KINDS = Registry(group="airflow_bootstrap.checks", builtin={name: f"{__name__}.{name}" for name in _OURS})
FALLBACK = "hook"


def defaults(conn_type: str | None) -> Iterator[str]:
    """The checks that a connection of this type gets where the manifest names none."""
    found = [name for name in _OURS if conn_type in import_module(KINDS.builtin[name]).CONN_TYPES]
    yield from found or [FALLBACK]
