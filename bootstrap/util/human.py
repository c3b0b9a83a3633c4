"""Text for people: sizes, ages, and foreign text made harmless for terminals, logs and pages."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime

_SIZES = ("kB", "MB", "GB", "TB")
_STEP = 1000
_AGES = (("d", 86400), ("h", 3600), ("min", 60))  # seconds
# ECMA-48: control sequences (colours, cursor), and strings that a terminal takes as its title, a link, the clipboard
_SEQUENCE = re.compile(
    "(?:\x1b\\[|\x9b)[0-?]*[ -/]*[@-~]|(?:\x1b[]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\\\|\x9c)"
)
# What XML forbids, what a terminal obeys, and what turns the direction of writing or ends a line unseen
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


def counted(number: int, what: str) -> str:
    """`1 file`, `2 files`."""
    return f"{number} {what}" + ("" if number == 1 else "s")


def few(names: Sequence[str], most: int) -> str:
    """The first names, and how many more there are: `a, b and 3 more`."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def measured(values: Mapping[str, Any]) -> str:
    """What a check measured, in one line: `route: through the worker, peak memory: 1.2 MB`."""
    parts = []
    for name, value in values.items():
        about = name.removesuffix("_bytes")
        label = {"bytes": "moved", "bytes_per_second": "speed"}.get(about, about.replace("_", " "))
        amount = str(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            speed = "/s" if name.endswith("_per_second") else ""
            amount = _size(float(value)) + speed if "bytes" in name else f"{value:,}"
        parts.append(f"{label}: {amount}")
    return printable(", ".join(parts))


def _size(count: float) -> str:
    if count < _STEP:
        return f"{count:.0f} B"
    power = next((power for power in (1, 2, 3) if count < _STEP ** (power + 1)), len(_SIZES))
    return f"{count / _STEP**power:.1f} {_SIZES[power - 1]}"


def age(created: datetime, now: datetime) -> str:
    """How long ago, in the largest unit that fits: `3 d`, `5 h`, `12 min`, `40 s`. A clock that is behind counts from 0."""
    seconds = max(0, int((now - created).total_seconds()))
    unit, length = next(((unit, length) for unit, length in _AGES if seconds >= length), ("s", 1))
    return f"{seconds // length} {unit}"


def printable(text: str) -> str:
    """`text` with U+FFFD instead of each control character but tab and newline."""
    return _CONTROL.sub("\ufffd", text)


def plain(text: str) -> str:
    """`text` without a terminal's sequences, its colours for instance, and otherwise `printable`."""
    if _CONTROL.search(text) is None:
        return text
    return printable(_SEQUENCE.sub("", text.replace("\r\n", "\n")))


def visible(text: str) -> str:
    """`text` on one line, without what a terminal would obey."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)
