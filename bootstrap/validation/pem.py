"""Explains why a text can't be loaded as a private key, without quoting it."""

from __future__ import annotations

import contextlib
import re

_PKCS8 = ("-----BEGIN PRIVATE KEY", "-----BEGIN ENCRYPTED PRIVATE KEY")
_BEGIN, _END = "-----BEGIN ", "-----END "


def flaw(text: str, passphrase: str | None = None, *, library: str) -> str:
    """What keeps that library from reading a text, which it has refused."""
    stripped = text.strip()
    if shape := _shape(_without_preamble(stripped)):
        return shape
    if stripped.startswith(_PKCS8) and library == "paramiko":
        return "is a PKCS #8 file, which paramiko doesn't read"
    with contextlib.suppress(ImportError):  # the tool does without cryptography; Airflow brings it
        if reason := _unreadable(f"{stripped}\n".encode(), passphrase):
            return reason
    return f"is none that {library} reads as it stands there"


def _without_preamble(text: str) -> str:
    """From the first line that begins a PEM: openssl pkcs12 puts lines about the key before it."""
    begin = re.search(f"^{_BEGIN}", text, re.MULTILINE)
    return text[begin.start() :] if begin else text


def _shape(text: str) -> str:
    if text.startswith("PuTTY-User-Key-File"):
        return "is a key of PuTTY's: export it as an OpenSSH key"
    if text.startswith(("ssh-", "ecdsa-", "-----BEGIN PUBLIC", "-----BEGIN CERT", "-----BEGIN RSA PUBLIC")):
        return "is a public key or a certificate, not a private key"
    if not text.startswith(_BEGIN):
        return "is no PEM: it doesn't begin with -----BEGIN"
    if len(text.splitlines()) < 2:  # noqa: PLR2004  a header and the rest
        return "has lost its line breaks"
    return "" if _END in text else "is cut off: there is no -----END"


def _unreadable(data: bytes, passphrase: str | None) -> str:
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        if _load(data, passphrase.encode() if passphrase else None):
            return ""
    except UnsupportedAlgorithm:  # an old kind of key, or bcrypt isn't there: no judgement
        return ""
    except TypeError:
        return "is encrypted, and there is no passphrase for it"
    except ValueError:
        return "can't be decoded" + (", or the passphrase is another one" if passphrase else "")
    return ""


def _load(data: bytes, passphrase: bytes | None) -> bool:
    from cryptography.hazmat.primitives import serialization

    openssh = b"BEGIN OPENSSH" in data
    load = serialization.load_ssh_private_key if openssh else serialization.load_pem_private_key
    try:
        load(data, passphrase)
    except TypeError:
        if passphrase is None:
            raise
        load(data, None)  # a passphrase beside a key that isn't encrypted does no harm
    return True
