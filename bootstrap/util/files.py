"""Writes files atomically, and files with secrets for their owner only."""

from __future__ import annotations

import contextlib
import glob
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from bootstrap.errors import Busy, UsageError
from bootstrap.util import special_files

PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700
LEFTOVER_AGE = 60.0  # seconds
_NAME_KEPT = 60  # characters of a file's name in that of the one beside it: 255 bytes are the limit


def shown(path: Path) -> str:
    """A path for people: relative where it is below the current folder."""
    with contextlib.suppress(ValueError, OSError):
        return str(path.absolute().relative_to(Path.cwd()))
    return str(path)


def expanded(written: str | Path) -> Path:
    """A path with its `~` or `~user` filled in. Raises UsageError where there is no such home, or can be no such file."""
    if "\0" in str(written):
        raise UsageError(f"{str(written)!r}: no path has a NUL in it", "correct it")
    try:
        return Path(written).expanduser()
    except RuntimeError as err:
        message = f"{written}: there is no home folder for ~ here"
        raise UsageError(message, "write the path without ~, or set HOME") from err


def write_atomic(path: Path, content: str | bytes, *, mode: int = PRIVATE_FILE) -> None:
    """Replace `path` with `content` in one step: a reader, or a crash, sees the old file or the new one.

    A symbolic link stays a link; its target is replaced. What is no regular file is written to as it is. Raises
    OSError with the name of `path`.
    """
    data = content.encode() if isinstance(content, str) else content
    try:
        if special_files.is_special(path):
            special_files.write(path, data)
        else:
            _replace(Path(os.path.realpath(path)), data, mode)  # resolve() may raise what is no OSError
    except OSError as err:  # not with the name of the file beside it, nor without one, as of a full disk
        raise OSError(err.errno, err.strerror, str(path)) from err


def _replace(target: Path, data: bytes, mode: int) -> None:
    import tempfile

    for leftover in target.parent.glob(f".{glob.escape(target.name[:_NAME_KEPT])}.*.tmp"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - leftover.stat().st_mtime > LEFTOVER_AGE:  # younger ones may be another process's work
                leftover.unlink()  # a killed run left it half-written
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name[:_NAME_KEPT]}.", suffix=".tmp", dir=target.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            if os.geteuid() == 0:
                with contextlib.suppress(FileNotFoundError):  # root who replaces somebody's file leaves it theirs
                    found = target.stat()
                    os.fchown(file.fileno(), found.st_uid, found.st_gid)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise


def file_mode(path: Path, default: int = PRIVATE_FILE) -> int:
    """Permission bits of `path`, or `default` where there is no such file."""
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        return default


def private_folder(path: Path) -> Path:
    """Make `path` a folder that only its owner may enter. Raises UsageError for a link to one that others may enter."""
    path.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    found = path.stat()
    if path.is_symlink():  # whatever else is in there, it is not ours to change
        if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & ~PRIVATE_FOLDER:
            message = f"{shown(path)} is a link to {path.resolve()}, which others may enter; and secrets are kept there"
            raise UsageError(message, f"remove the link, or chmod 700 {path.resolve()}")
    elif stat.S_IMODE(found.st_mode) != PRIVATE_FOLDER:
        path.chmod(PRIVATE_FOLDER)
    return path


def state_folder(base: Path) -> Path:
    """`.bootstrap/` beside the manifest: 0700, and ignored by git through a .gitignore of its own."""
    return _ignored(private_folder(base / ".bootstrap"))


def airflow_home(home: Path) -> None:
    """Make an Airflow home: keys, passwords and a database come into it. One that is in use stays as it is. Raises OSError."""
    if not home.exists():
        home.parent.mkdir(parents=True, exist_ok=True)
        private_folder(home)
    if not any(home.iterdir()):
        _ignored(home)


def _ignored(folder: Path) -> Path:
    ignore = folder / ".gitignore"
    if not ignore.exists():
        write_atomic(ignore, "*\n")
    return folder


def cache_folder(base: Path) -> Path:
    """Where what can be made again is kept."""
    folder = state_folder(base.absolute()) / "cache"
    if folder.exists() and not folder.is_dir():
        folder.unlink()
    return private_folder(folder)


@contextlib.contextmanager
def folder_locked(folder: Path, *, busy: str, timeout: float = 5.0) -> Iterator[None]:
    """Keep every other process that asks for it out of `folder`, and leave no file there.

    Raises Busy, saying `busy`, after `timeout` seconds; OSError.
    """
    from bootstrap.util.processes import flock, until

    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if not until(lambda: flock(descriptor), timeout):
            raise Busy(busy, "wait for it to end, then run this again")
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def locked(path: Path, *, timeout: float, busy: str) -> Iterator[None]:
    """Hold the lock file `path`; raise Busy, saying `busy`, if another process keeps it for `timeout` seconds."""
    from filelock import FileLock, Timeout

    lock = FileLock(path, mode=PRIVATE_FILE)
    try:
        with lock.acquire(timeout=timeout):
            yield
    except Timeout as err:
        raise Busy(busy, "wait for it to end, then run this again") from err
