"""SFTP: logs in, and lists a folder or opens a file for reading. Nothing is written."""

from __future__ import annotations

import contextlib
import stat
from functools import partial
from typing import Any

from bootstrap.checks import _ssh
from bootstrap.checks.base import Cause, CheckParams, Run
from bootstrap.domain.secret import foreign


class Params(CheckParams):
    """`path` is a folder to list or a file to open; without it, the folder that the server begins in."""

    path: str = "."


CONN_TYPES = ("sftp",)
PROVIDERS = ("apache-airflow-providers-sftp",)
PERMISSIONS = ("reading `path`",)
COMPARES = "that `path` is a file or a folder, and that a name of the run's own is not there"
CREATES = ""
STEPS = ("access",)
endpoint = _ssh.endpoint
authenticate = _ssh.login


def task(conn_id: str, params: Params, run: Run) -> Any:
    """SFTPHook's client looks."""
    return run.task(partial(_look, conn_id, params.path, run))


def _look(conn_id: str, path: str, run: Run) -> None:
    from airflow.providers.sftp.hooks.sftp import SFTPHook

    hook = _ssh.made(SFTPHook, conn_id)
    files = hook.get_conn()
    try:
        _read(files, path)
        _require_missing(files, run.name)
    except (FileNotFoundError, PermissionError) as err:  # the server's words name no path
        raise PathRefusedError(path, err) from err
    finally:
        hook.close_conn()
        hook.client.close()


def _read(files: Any, path: str) -> None:
    """Begin to list, or open: of what may be large, no more than that."""
    mode = files.stat(path).st_mode or 0
    if stat.S_ISREG(mode):
        files.open(path).close()
    elif stat.S_ISDIR(mode):
        next(files.listdir_iter(path), None)
    else:
        raise RuntimeError(f"{path} is neither a file nor a folder")


def _require_missing(files: Any, name: str) -> None:
    """A server that shows what can't be there shows nothing."""
    with contextlib.suppress(OSError):
        files.stat(name)
        raise RuntimeError(f"the server says that everything is there, {name} as well: it proves nothing")


class PathRefusedError(RuntimeError):
    """The server has no such path, or doesn't show it."""

    def __init__(self, path: str, error: OSError) -> None:
        super().__init__(f"{path}: {error.strerror or foreign(error)}")
        self.missing = isinstance(error, FileNotFoundError)


def cause(error: BaseException) -> Cause | None:
    """What the server says of a path, and what is common to SSH."""
    if isinstance(error, PathRefusedError):
        return Cause("not_found" if error.missing else "permission")
    if isinstance(error, EOFError) or type(error).__name__ == "ChannelException" or "Channel closed" in str(error):
        return Cause("permission", "the server offers this login no SFTP", "turn on its subsystem sftp for the login")
    return _ssh.cause(error)
