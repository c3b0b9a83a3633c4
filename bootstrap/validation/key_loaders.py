"""Loads a private key by the call that the hook makes, with the library that is installed here.

True and False are its answer; None: the library isn't here, and nothing is said. No message of theirs is kept: they quote keys.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

_PARAMIKO = (
    "RSAKey",
    "ECDSAKey",
    "Ed25519Key",
    "DSSKey",
)  # airflow.providers.ssh.hooks.ssh.SSHHook._pkey_loaders; the last one before paramiko 4


def paramiko(text: str, passphrase: str | None) -> bool | None:
    """As SSHHook._pkey_from_private_key does."""
    try:
        import paramiko as library  # type: ignore[import-untyped]  # there are no stubs of it
    except ImportError:
        return None
    if len(text.splitlines()) < 2:  # noqa: PLR2004  the hook's own look
        return False
    kinds = (getattr(library, name, None) for name in _PARAMIKO)
    return any(_loads(kind, text, passphrase) for kind in kinds if kind is not None)


def _loads(kind: Any, text: str, passphrase: str | None) -> bool:
    try:
        kind.from_private_key(io.StringIO(text), password=passphrase).sign_ssh_data(b"")
    except Exception:  # of cryptography's as well, for a key of another kind
        return False
    return True


def google(info: Mapping[str, Any]) -> bool | None:
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


def cryptography(text: str, passphrase: str | None) -> bool | None:
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
