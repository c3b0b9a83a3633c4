"""Whether a hook takes connections of this type."""

from __future__ import annotations

from collections.abc import Iterator

from bootstrap.validation import table
from bootstrap.validation.known import Known
from bootstrap.validation.nearest import nearest
from bootstrap.validation.packages import install_command
from bootstrap.validation.problem import Problem

_CLOSE = 0.7  # types are few and differ much


def problems(conn_type: str, known: Known) -> Iterator[Problem]:
    """A type that nobody knows, or whose provider isn't installed beside this tool."""
    if known.has(conn_type):
        return
    package = known.package(conn_type)
    if package is None:
        near = nearest(conn_type, {*known.types, *table.shipped()}, _CLOSE)
        hint = f"did you mean {near!r}?" if near else "conn_type: generic, if your own code reads it"
        message = f"no provider has the conn_type {conn_type!r}"
        yield Problem("conn_type", message, hint, strict=known.airflow and known.complete)
    elif known.airflow:
        message = f"the conn_type {conn_type!r} comes with {package}, which is not installed"
        yield Problem("conn_type", message, install_command([package]), strict=known.complete)
