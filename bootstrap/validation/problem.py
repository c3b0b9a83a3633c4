"""A problem of a connection, as a value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Severity: TypeAlias = Literal["error", "warning", "note"]


@dataclass(frozen=True)
class Problem:
    """What is wrong with a field ("host", "extra.keyfile_dict"), and the next step. No value of a secret stands in it.

    An `error` certainly can't work; a `warning` looks like a slip; a `note` may be right elsewhere than on this machine.
    `strict`: `register --strict` refuses it, too.
    """

    field: str
    message: str
    hint: str = ""
    severity: Severity = "warning"
    strict: bool = False

    def refused(self, *, strict: bool) -> bool:
        """True if a connection with this problem isn't written."""
        return self.severity == "error" or (strict and self.strict)
