"""A real Redis that asks for a password, from Debian's redis-server."""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from . import require
from .process import HOST
from .server import Server, clean_env, on_free_port, write_private

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import redis

    from .certificates import Pair

_SECONDS = 30.0
# Nothing is kept on disk, and the process goes by the command line that it was started with.
_SETTINGS = ('save ""', "appendonly no", "databases 4", "set-proc-title no", "daemonize no")


@dataclass(frozen=True)
class Redis:
    """A running server; the user `default` has this password and may do everything."""

    host: str
    port: int
    password: str = field(repr=False)
    tls: bool = False

    def acl_user(self, name: str, password: str, rules: Sequence[str]) -> None:
        """Let a user log in with `password` and do what these rules allow: `["~smoke:*", "+get"]`; made anew if known."""
        with self.client() as administrator:
            administrator.execute_command("ACL", "SETUSER", name, "reset", "on", f">{password}", *rules)

    def set(self, key: str, value: str) -> None:
        """Store a text."""
        with self.client() as administrator:
            administrator.set(key, value)

    def client(self, **settings: Any) -> redis.Redis:
        """Return a client of the user `default`, or as `settings` say; it checks no certificate unless they say so."""
        import redis

        tls = {"ssl": True, "ssl_cert_reqs": "none", "ssl_check_hostname": False} if self.tls else {}
        own: dict[str, Any] = {"host": self.host, "port": self.port, "password": self.password}
        own |= {"decode_responses": True, "retry": None}  # by default it repeats even a wrong password, for seconds
        return redis.Redis(**{**own, **tls, **settings})


@contextlib.contextmanager
def running(folder: Path, password: str, tls: Pair | None = None) -> Iterator[Redis]:
    """Run a server for a while, with its log in `folder`; with `tls`, it speaks nothing else."""
    require("redis-server", "make system-deps")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = folder.resolve()
    try:
        yield on_free_port(partial(_start, folder, password, tls))
    finally:
        _server(folder).stop()


def _start(folder: Path, password: str, tls: Pair | None, port: int) -> Redis:
    known = (f"bind {HOST}", f"dir {_quoted(str(folder))}", f"requirepass {_quoted(password)}")
    lines = (*_SETTINGS, *known, *_listening(port, tls))
    write_private(_config(folder), "".join(f"{line}\n" for line in lines))
    made = Redis(HOST, port, password, tls is not None)
    _server(folder).start(lambda _: _answers(made), _SECONDS)
    return made


def _server(folder: Path) -> Server:
    config = str(_config(folder))
    return Server(
        name="redis",
        folder=folder,
        argv=(shutil.which("redis-server") or "redis-server", config),
        needle=f"redis-server {config}",
        env=clean_env(),
    )


def _listening(port: int, tls: Pair | None) -> Sequence[str]:
    if tls is None:
        return (f"port {port}",)
    return (
        "port 0",
        f"tls-port {port}",
        f"tls-cert-file {_quoted(str(tls.certificate))}",
        f"tls-key-file {_quoted(str(tls.key))}",
        f"tls-ca-cert-file {_quoted(str(tls.certificate))}",  # demanded, though no client shows a certificate
        "tls-auth-clients no",
    )


def _answers(server: Redis) -> bool:
    import redis

    with server.client() as client, contextlib.suppress(redis.ConnectionError):
        return bool(client.ping())
    return False


def _quoted(text: str) -> str:
    """Return a text as redis.conf takes any."""
    return '"' + "".join(f"\\x{byte:02x}" for byte in text.encode()) + '"'


def _config(folder: Path) -> Path:
    return folder / "redis.conf"
