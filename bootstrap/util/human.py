"""How values look in a report for people."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from bootstrap.util.printable import printable

_UNITS = ("kB", "MB", "GB", "TB")
_STEP = 1000


def measured(values: Mapping[str, Any]) -> str:
    """What a check measured, in one line: `route: through the worker, peak memory: 1.2 MB`."""
    return printable(", ".join(f"{_label(name)}: {_amount(name, value)}" for name, value in values.items()))


def _label(name: str) -> str:
    about = re.sub(r"_bytes$", "", name)
    return {"bytes": "moved", "bytes_per_second": "speed"}.get(about, about.replace("_", " "))


def _amount(name: str, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if "bytes" not in name:
        return f"{value:,}"
    return _size(float(value)) + ("/s" if name.endswith("_per_second") else "")


def _size(count: float) -> str:
    if count < _STEP:
        return f"{count:.0f} B"
    power = next((power for power in (1, 2, 3) if count < _STEP ** (power + 1)), len(_UNITS))
    return f"{count / _STEP**power:.1f} {_UNITS[power - 1]}"
