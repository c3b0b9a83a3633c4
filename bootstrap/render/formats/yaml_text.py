"""Texts in YAML, quoted so that every reader of YAML sees a text: 1.1 and 1.2 differ in what is a number or a yes."""

from __future__ import annotations

import math


def quoted(value: str) -> str:
    """The text in quotes, on one line."""
    if value.isprintable():
        return "'" + value.replace("'", "''") + "'"
    import yaml

    return yaml.safe_dump(value, default_style='"', allow_unicode=True, width=math.inf).rstrip("\n")
