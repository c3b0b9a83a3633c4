"""Durations such as 30s, 15m, 48h, 90d, 2w, and times as servers write them."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import PlainValidator, WithJsonSchema

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_SHAPE = re.compile(r"([0-9]{1,6})([smhdw])")
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)")
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


def moment(text: str) -> datetime:
    """From RFC 3339, in whatever zone, with decimals of any number: Python 3.10 reads no more than six. Raises ValueError."""
    found = _MOMENT.fullmatch(text)
    if found is None:
        raise ValueError(text)
    return datetime.fromisoformat(f"{found[1]}.{(found[2] or '')[:6].ljust(6, '0')}{found[3].replace('Z', '+00:00')}")


def shown(span: timedelta) -> str:
    """In the largest unit that leaves more than one of it: 36h, 90d."""
    seconds = max(0, int(span.total_seconds()))
    unit, size = next(((unit, size) for unit, size in _LARGEST_FIRST if seconds >= 2 * size), ("s", 1))
    return f"{seconds // size}{unit}"
