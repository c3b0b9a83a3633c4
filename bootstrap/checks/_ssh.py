"""What the checks over SSH have in common: the hook, the login, and what paramiko says."""

from __future__ import annotations

from typing import Any

from bootstrap.checks import base
from bootstrap.checks.base import Cause, CauseName, CheckParams, Diagnosed, Endpoint, Run, by_text, endpoint_of_host
from bootstrap.domain.secret import foreign

_PRIVATE_KEY = (
    "put a whole private key (RSA, ECDSA or Ed25519) into extra's private_key, and its passphrase if it has one"
)
_HOST_KEY = "put the server's public key, as \"ssh-ed25519 AAAA…\", into extra's host_key"
_UNKNOWN = f"{_HOST_KEY} (ssh-keyscan shows it; ask the server's owner whether it is right)"
_CHANGED = "ask the server's owner whether its host key was changed; if so, put the new one into extra's host_key"
_ONE = "leave one of them out of the connection's extra"
_HOST = "put it into the connection's `host`"
_NO_KEY = "extra's host_key is no public key"
_BY_TEXT: tuple[tuple[str, CauseName, str, str], ...] = (
    (r"not found in known_hosts", "tls", "", _UNKNOWN),
    (r"Key must have BEGIN|Private key provided", "secret_malformed", "the private key can't be read", _PRIVATE_KEY),
    (r"^Invalid key \(class|SSH host key", "secret_malformed", _NO_KEY, _HOST_KEY),
    (r"host key when provided|key_file and private_key both", "secret_malformed", "", _ONE),
    (r"Missing required param: remote_host", "secret_malformed", "the connection names no host", _HOST),
    (r"No authentication methods available", "auth", "the connection has neither a password nor a key", ""),
)
_PORT = "is it an SSH server? Correct the connection's port"


def endpoint(conn: Any) -> Endpoint | None:
    """Host and port. A ProxyCommand in ~/.ssh/config goes another way, which can't be tried here."""
    from airflow.providers.ssh.hooks.ssh import SSHHook

    if not conn.host or SSHHook(remote_host=conn.host).host_proxy_cmd:
        return None
    return endpoint_of_host(conn, 22)


def made(kind: Any, conn_id: str) -> Any:
    """A hook that won't repeat a login that was refused; by default it waits and tries twice more.

    Raises Diagnosed where paramiko stumbles over a key, as it does with IndexError and others.
    """
    try:
        hook = kind(ssh_conn_id=conn_id)
    except Exception as err:
        if cause(err):
            raise
        message = f"a key or another option in extra can't be read ({type(err).__name__})"
        raise Diagnosed(Cause("secret_malformed", message, _PRIVATE_KEY)) from None
    hook.conn_retry_attempts = 1  # older ones don't know it, and repeat
    return hook


def login(conn_id: str, params: CheckParams, run: Run) -> str:  # noqa: ARG001
    """Log in and out again. A server may accept whatever it is given: only its host key says which one it is."""
    from airflow.providers.ssh.hooks.ssh import SSHHook

    hook = made(SSHHook, conn_id)
    hook.get_conn().close()
    compared = "is the one in extra" if hook.host_key is not None else "was not compared with extra"
    return base.login_proof(run, "unknown", f"its host key {compared}")


def cause(error: BaseException) -> Cause | None:
    """What paramiko and the hook say of keys and logins. Not all of it has a type of its own."""
    kind, text = type(error), str(error)
    if kind.__name__ == "BadHostKeyException":
        return Cause("tls", foreign(error).partition(": got")[0], _CHANGED)
    if kind.__module__ == "binascii":
        return Cause("secret_malformed", _NO_KEY, _HOST_KEY)
    if isinstance(error, FileNotFoundError) and error.filename:  # a local one; the server's names none
        return Cause("secret_malformed", f"there is no file {error.filename}", "correct key_file in extra")
    if kind.__name__ in ("AuthenticationException", "BadAuthenticationType", "PartialAuthentication"):
        return Cause("auth")
    if "reading SSH protocol banner" in text or "Indecipherable protocol version" in text:
        silent = isinstance(error.__context__, TimeoutError)
        return Cause("timeout") if silent else Cause("check_error", foreign(text), _PORT)
    return by_text(error, _BY_TEXT)
