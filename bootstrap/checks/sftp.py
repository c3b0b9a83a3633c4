"""SFTP: logs in, and lists a folder or opens a file for reading. Nothing is written."""

from __future__ import annotations

import contextlib
import stat
from functools import partial
from typing import Any

from bootstrap.checks import _ssh
from bootstrap.checks._errors import summary
from bootstrap.checks.base import Cause, CauseName, CheckParams, Diagnosed, Run


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
        mode = files.stat(path).st_mode or 0
        if stat.S_ISREG(mode):  # begin to read: of what may be large, no more than that
            files.open(path).close()
        elif stat.S_ISDIR(mode):
            next(files.listdir_iter(path), None)
        else:
            raise RuntimeError(f"{path} is neither a file nor a folder")
        with contextlib.suppress(OSError):
            files.stat(run.name)  # a server that shows what can't be there shows nothing
            raise RuntimeError(f"the server says that everything is there, {run.name} as well: it proves nothing")
    except (FileNotFoundError, PermissionError) as err:  # the server's words name no path
        name: CauseName = "not_found" if isinstance(err, FileNotFoundError) else "permission"
        raise Diagnosed(Cause(name, f"{path}: {summary(err.strerror or err)}")) from err
    finally:
        hook.close_conn()
        hook.client.close()


def cause(error: BaseException) -> Cause | None:
    """What the server says of SFTP, and what is common to SSH."""
    if isinstance(error, EOFError) or type(error).__name__ == "ChannelException" or "Channel closed" in str(error):
        return Cause("permission", "the server offers this login no SFTP", "turn on its subsystem sftp for the login")
    return _ssh.cause(error)
