"""Private keys in connections: each is loaded by the call that its hook makes, with the library that is installed here.

No message of a library is kept: they quote keys. A loader's None: the library isn't here, and nothing is said.
"""

from __future__ import annotations

import base64
import contextlib
import io
import re
from collections.abc import Iterator, Mapping
from typing import Any

from bootstrap.domain.connection import Connection
from bootstrap.validation.problem import Problem

_SNOWFLAKE = ("private_key_content", "extra__snowflake__private_key_content")
_HINT = "store the key file as it is, with its line breaks"
# airflow.providers.ssh.hooks.ssh.SSHHook._pkey_loaders; the last one before paramiko 4
_PARAMIKO = ("RSAKey", "ECDSAKey", "Ed25519Key", "DSSKey")
_PKCS8 = ("-----BEGIN PRIVATE KEY", "-----BEGIN ENCRYPTED PRIVATE KEY")
_BEGIN, _END = "-----BEGIN ", "-----END "


def problems(connection: Connection) -> Iterator[Problem]:
    """What keeps the key of an SSH or a Snowflake connection from being read."""
    extra = connection.extra or {}
    if connection.conn_type in ("ssh", "sftp"):
        yield from _ssh(extra)
    elif connection.conn_type == "snowflake":
        passphrase = connection.password
        for key in _SNOWFLAKE:
            if isinstance(value := extra.get(key), str):
                text = _decoded(value)
                if _load_cryptography(text, passphrase) is False:
                    reason = flaw(text, passphrase, library="cryptography")
                    yield Problem(f"extra.{key}", f"the key {reason}", _HINT, "error")


def _ssh(extra: Mapping[str, Any]) -> Iterator[Problem]:
    text, passphrase = extra.get("private_key"), extra.get("private_key_passphrase")
    if not isinstance(text, str) or not text:
        return
    word = str(passphrase) if passphrase else None
    if _load_paramiko(text, word) is False:
        reason = flaw(text, word, library="paramiko")
        hint = "ssh-keygen -p -f KEY writes it in OpenSSH's form" if "#8" in reason else _HINT
        yield Problem("extra.private_key", f"the key {reason}", hint, "error")


def _decoded(text: str) -> str:
    """Snowflake's hook takes the PEM in base64; its older releases took it as it is."""
    if "-----BEGIN" in text:
        return text
    try:
        return base64.b64decode("".join(text.split()), validate=True).decode()
    except ValueError:
        return text


def _load_paramiko(text: str, passphrase: str | None) -> bool | None:
    """As SSHHook._pkey_from_private_key does."""
    try:
        import paramiko  # type: ignore[import-untyped]  # there are no stubs of it
    except ImportError:
        return None
    if len(text.splitlines()) < 2:  # noqa: PLR2004  the hook's own look
        return False
    for name in _PARAMIKO:
        with contextlib.suppress(Exception):  # of cryptography's as well, for a key of another kind
            getattr(paramiko, name).from_private_key(io.StringIO(text), password=passphrase).sign_ssh_data(b"")
            return True
    return False


def _load_cryptography(text: str, passphrase: str | None) -> bool | None:
    """As Snowflake's hook does."""
    try:
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
    except ImportError:
        return None
    try:
        load_pem_private_key(text.encode(), passphrase.encode() if passphrase else None)
    except Exception:
        return False
    return True


def load_google(info: Mapping[str, Any]) -> bool | None:
    """As the credentials provider of Google's hooks does with `keyfile_dict`."""
    try:
        from google.oauth2.service_account import Credentials
    except ImportError:
        return None
    key = {**info, "private_key": str(info.get("private_key")).replace("\\n", "\n")}
    try:
        Credentials.from_service_account_info(key)  # type: ignore[no-untyped-call]
    except Exception:
        return False
    return True


def flaw(text: str, passphrase: str | None = None, *, library: str) -> str:
    """Why that library refused a text as a private key; nothing of the text is quoted."""
    stripped = text.strip()
    begin = re.search(f"^{_BEGIN}", stripped, re.MULTILINE)  # openssl pkcs12 puts lines about the key before it
    if shape := _shape(stripped[begin.start() :] if begin else stripped):
        return shape
    if stripped.startswith(_PKCS8) and library == "paramiko":
        return "is a PKCS #8 file, which paramiko doesn't read"
    with contextlib.suppress(ImportError):  # the tool does without cryptography; Airflow brings it
        if reason := _unreadable(f"{stripped}\n".encode(), passphrase.encode() if passphrase else None):
            return reason
    return f"is none that {library} reads as it stands there"


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


def _unreadable(data: bytes, passphrase: bytes | None) -> str:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization

    openssh = b"BEGIN OPENSSH" in data
    load = serialization.load_ssh_private_key if openssh else serialization.load_pem_private_key
    try:
        try:
            load(data, passphrase)
        except TypeError:
            if passphrase is None:
                raise
            load(data, None)  # a passphrase beside a key that isn't encrypted does no harm
    except UnsupportedAlgorithm:  # an old kind of key, or bcrypt isn't there: no judgement
        return ""
    except TypeError:
        return "is encrypted, and there is no passphrase for it"
    except ValueError:
        return "can't be decoded" + (", or the passphrase is another one" if passphrase else "")
    return ""
