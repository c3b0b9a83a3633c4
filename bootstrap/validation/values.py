"""Finds values that are almost never meant: surrounding blanks, an invalid port."""

from __future__ import annotations

from collections.abc import Iterator

from bootstrap.domain.connection import Connection
from bootstrap.validation.problem import Problem

_FIELDS = ("conn_type", "host", "login", "password", "schema")
_PORTS = range(1, 65536)


def problems(connection: Connection) -> Iterator[Problem]:
    """Blanks, and ports."""
    values = {name: getattr(connection, name) for name in _FIELDS}
    values |= {f"extra.{key}": value for key, value in (connection.extra or {}).items() if _is_line(value)}
    for name, value in values.items():
        if value and (value.strip() or name != "host") and (said := blank(value)):
            yield Problem(name, said, "store it without")
    if connection.port is not None and connection.port not in _PORTS:
        yield Problem("port", "the port is not a number from 1 to 65535", "store a number", "error")


def blank(value: str) -> str:
    """What white space stands around a value, as a sentence; '' for none."""
    if value == value.strip():
        return ""
    end = "a line break" if value.endswith("\n") else "a blank"
    return f"{end} stands {'at its end' if value != value.rstrip() else 'before it'}"


def _is_line(value: object) -> bool:
    """A text of one line: PEMs and JSON documents may well end in a line break."""
    text = value.strip() if isinstance(value, str) else ""
    return bool(text) and "\n" not in text and not text.startswith("{")
