"""Durations such as 30s, 15m, 48h, 90d, 2w."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import PlainValidator, WithJsonSchema

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_SHAPE = re.compile(r"([0-9]{1,6})([smhdw])")
_LARGEST_FIRST = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


def duration(data: Any) -> timedelta:
    """A span from its text. Raises ValueError."""
    if isinstance(data, timedelta):
        return data
    found = _SHAPE.fullmatch(data) if isinstance(data, str) else None
    if found is None:
        msg = "expected a number and a unit: 30s, 15m, 48h, 90d or 2w"
        raise ValueError(msg)
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


Duration = Annotated[
    timedelta,
    PlainValidator(duration),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9]+[smhdw]$", "description": "30s, 15m, 48h, 90d or 2w"}),
]


def shown(span: timedelta) -> str:
    """In the largest unit that leaves more than one of it: 36h, 90d."""
    seconds = max(0, int(span.total_seconds()))
    unit, size = next(((unit, size) for unit, size in _LARGEST_FIRST if seconds >= 2 * size), ("s", 1))
    return f"{seconds // size}{unit}"
