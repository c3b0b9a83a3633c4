"""Private keys in the extra of SSH and Snowflake connections."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from typing import Any

from bootstrap.domain.connection import Connection
from bootstrap.validation import key_loaders, pem
from bootstrap.validation.problem import Problem

_SSH = ("ssh", "sftp")
_SNOWFLAKE = ("private_key_content", "extra__snowflake__private_key_content")
_HINT = "store the key file as it is, with its line breaks"


def problems(connection: Connection) -> Iterator[Problem]:
    """What keeps a key from being read."""
    extra = connection.extra or {}
    if connection.conn_type in _SSH:
        yield from _ssh(extra)
    elif connection.conn_type == "snowflake":
        for key in _SNOWFLAKE:
            if isinstance(text := extra.get(key), str):
                yield from _snowflake(f"extra.{key}", _decoded(text), connection.password)


def _snowflake(field: str, text: str, passphrase: str | None) -> Iterator[Problem]:
    if key_loaders.cryptography(text, passphrase) is False:
        flaw = pem.flaw(text, passphrase, library="cryptography")
        yield Problem(field, f"the key {flaw}", _HINT, "error")


def _ssh(extra: Mapping[str, Any]) -> Iterator[Problem]:
    text, passphrase = extra.get("private_key"), extra.get("private_key_passphrase")
    if not isinstance(text, str) or not text:
        return
    word = str(passphrase) if passphrase else None
    if key_loaders.paramiko(text, word) is False:
        flaw = pem.flaw(text, word, library="paramiko")
        hint = "ssh-keygen -p -f KEY writes it in OpenSSH's form" if "#8" in flaw else _HINT
        yield Problem("extra.private_key", f"the key {flaw}", hint, "error")


def _decoded(text: str) -> str:
    """Snowflake's hook takes the PEM in base64; its older releases took it as it is."""
    if "-----BEGIN" in text:
        return text
    try:
        return base64.b64decode("".join(text.split()), validate=True).decode()
    except (binascii.Error, ValueError):
        return text
