"""Plain JSON data as text, the same for data that is equal in JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

_JSON = json.JSONEncoder(sort_keys=True)  # made once: `json.dumps` makes one each time


def canonical(value: Any) -> str:
    """The order of keys makes no difference, nor does 2.0 for 2: a Vault gives back the one for the other."""
    return _JSON.encode(value if isinstance(value, str) else _plain(value))


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(Decimal(repr(value)))  # the digits that JSON writers write, not those of the binary number
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
