"""`seal.key` opens what the server keeps, and nobody can make it again."""

from __future__ import annotations

import secrets
from pathlib import Path

from bootstrap.util.files import write_atomic

BYTES = 32


def key_file(folder: Path) -> Path:
    """What the server reads when it starts."""
    return folder / "seal.key"


def make(folder: Path) -> None:
    """The key of a new server."""
    write_atomic(key_file(folder), secrets.token_bytes(BYTES))
