"""A real MariaDB that asks for passwords, from Debian's mariadb-server."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from . import require
from .process import HOST
from .server import Server, clean_env, on_free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .certificates import Pair

_SECONDS = 60.0
_ECHOED = "-" * 14 + "\n\n"  # ends the statement, which may hold a password, before the client's error
_SBIN = "/usr/sbin:/usr/bin:/sbin:/bin"
_UNSYNCED = (
    "--innodb-flush-method=O_DIRECT_NO_FSYNC",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-doublewrite=0",
)
# Quick rather than safe, and small. A client that resolves to localhost must not become root@localhost.
_SETTINGS = (
    *_UNSYNCED,
    f"--bind-address={HOST}",
    "--skip-name-resolve",
    "--skip-log-bin",
    "--performance-schema=OFF",
    "--innodb-buffer-pool-size=16M",
    "--innodb-fast-shutdown=2",
)


@dataclass(frozen=True)
class MariaDB:
    """A running server; `socket` lets in root, which is whoever started it, and nobody else."""

    host: str
    port: int
    socket: Path

    def sql(self, statement: str, database: str = "mysql") -> str:
        """Run SQL as root; return the rows, one a line, columns separated by tabs.

        Raises RuntimeError with the server's words.
        """
        flags = ("--user=root", "--batch", "--skip-column-names", "--default-character-set=utf8mb4")
        argv = (_program("mariadb"), "--no-defaults", f"--socket={self.socket}", *flags, database)
        return _run(argv, statement).removesuffix("\n")

    def ensure_login(self, user: str, password: str, database: str) -> None:
        """Let `user` log in over TCP with `password` and do all in `database`, each made if it is missing."""
        who = _account(user)
        self.sql(
            f"CREATE DATABASE IF NOT EXISTS {_identifier(database)};"
            f"CREATE USER IF NOT EXISTS {who};"
            f"ALTER USER {who} IDENTIFIED BY {_literal(password)};"
            f"GRANT ALL ON {_identifier(database)}.* TO {who}"
        )

    def revoke(self, user: str, rights: str, database: str) -> None:
        """Take rights ("SELECT, INSERT", "ALL") on `database` from `user`, who may still log in."""
        self.sql(f"REVOKE {rights} ON {_identifier(database)}.* FROM {_account(user)}")


@contextlib.contextmanager
def running(folder: Path, tls: Pair | None = None, options: Sequence[str] = ()) -> Iterator[MariaDB]:
    """Run a new server for a while, with its log in `folder`; its data is deleted at the end.

    With `tls` it offers TLS, which a client may decline; `options` are of its command line.
    """
    require("mariadbd", "make system-deps")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = folder.resolve()
    try:
        with tempfile.TemporaryDirectory(prefix="airflow-bootstrap-", dir="/tmp") as short:  # sockets' paths are
            socket = Path(short, "socket")
            _initialise(_data(folder))
            try:
                yield on_free_port(partial(_start, folder, socket, tls, options))
            finally:
                _server(folder, ()).stop(_SECONDS)
    finally:
        shutil.rmtree(_data(folder), ignore_errors=True)


def _initialise(data: Path) -> None:
    """Make the data folder, with no account but root, who is let in by the socket alone."""
    root = ("--auth-root-authentication-method=socket", f"--auth-root-socket-user={getpass.getuser()}")
    own = ("--no-defaults", *_user(), f"--datadir={data}", "--skip-test-db", *_UNSYNCED)
    _run((_program("mariadb-install-db"), *own, *root))


def _start(folder: Path, socket: Path, tls: Pair | None, options: Sequence[str], port: int) -> MariaDB:
    shown = () if tls is None else (f"--ssl-cert={tls.certificate}", f"--ssl-key={tls.key}")
    made = MariaDB(HOST, port, socket)
    _server(folder, (f"--socket={socket}", f"--port={port}", *shown, *options)).start(
        lambda _: _answers(made), _SECONDS
    )
    return made


def _server(folder: Path, address: Sequence[str]) -> Server:
    data = f"--datadir={_data(folder)}"
    return Server(
        name="mariadb",
        folder=folder,
        argv=(_program("mariadbd"), "--no-defaults", data, *_user(), *_SETTINGS, *address),
        needle=f"{data} ",
        env=clean_env(),
    )


def _answers(server: MariaDB) -> bool:
    with contextlib.suppress(RuntimeError):
        return server.sql("SELECT 1") == "1"
    return False


def _user() -> tuple[str, ...]:
    """Return what MariaDB wants to be told before it runs as root."""
    return ("--user=root",) if os.geteuid() == 0 else ()


def _run(argv: Sequence[str], stdin: str = "") -> str:
    done = subprocess.run(
        argv, check=False, capture_output=True, input=stdin.encode(), env={**clean_env(), "PATH": _SBIN}, cwd="/"
    )
    if done.returncode != 0:
        words = (done.stderr or done.stdout).decode(errors="replace").rpartition(_ECHOED)[2].strip()
        message = f"{Path(argv[0]).name}: {words}"
        raise RuntimeError(message)
    return done.stdout.decode()


def _program(name: str) -> str:
    return shutil.which(name) or f"/usr/sbin/{name}"


def _data(folder: Path) -> Path:
    return folder / "data"


def _account(user: str) -> str:
    return f"{_literal(user)}@{_literal(HOST)}"


def _literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def _identifier(text: str) -> str:
    return "`" + text.replace("`", "``") + "`"
