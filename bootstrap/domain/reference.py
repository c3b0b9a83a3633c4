"""`{secret: "STORE:PATH[#FIELD][@VERSION]"}`: the one way to point at a secret."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bootstrap.errors import UsageError

_SHAPE = re.compile(r"(?P<store>[^:#@\s]+):(?P<path>[^#@\0]+)(?:#(?P<field>[^@]+))?(?:@(?P<version>[^#@]+))?")
SHAPE_HELP = "STORE:PATH[#FIELD][@VERSION]"


@dataclass(frozen=True)
class Reference:
    """A place in a store; `field` picks one field of the secret, `version` pins one version."""

    store: str
    path: str
    field: str | None = None
    version: str | None = None

    def __str__(self) -> str:
        field = f"#{self.field}" if self.field else ""
        version = f"@{self.version}" if self.version else ""
        return f"{self.store}:{self.path}{field}{version}"


def parse_reference(text: str) -> Reference:
    """Read STORE:PATH[#FIELD][@VERSION]. Raises UsageError."""
    match = _SHAPE.fullmatch(text)
    if match is None:
        message = f"{text!r} is not a secret reference"
        raise UsageError(message, f"write {SHAPE_HELP}, e.g. local:databases/warehouse#password")
    return Reference(**match.groupdict())
