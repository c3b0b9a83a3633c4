"""Throw-away SSH keys."""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


@dataclass(frozen=True)
class Key:
    """An Ed25519 key: as a line of known_hosts or authorized_keys has it, and OpenSSH's text of the private one."""

    public: str
    private: str = field(repr=False)


def new() -> Key:
    """Make a key without a passphrase."""
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    return Key(public.decode(), private.decode())
