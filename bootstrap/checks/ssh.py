"""SSH: logs in and runs one command, whose exit status and output must be right."""

from __future__ import annotations

from functools import partial
from typing import Any

from bootstrap.checks import _ssh
from bootstrap.checks._errors import summary
from bootstrap.checks.base import Cause, CheckParams, Diagnosed, Run, said
from bootstrap.domain.secret import foreign


class Params(CheckParams):
    """`command` must change nothing and end by itself; `expect` is text that its output must have in it.

    Without `command`, the shell has to print the run's name.
    """

    command: str | None = None
    expect: str | None = None


CONN_TYPES = ("ssh",)
PROVIDERS = ("apache-airflow-providers-ssh",)
PERMISSIONS = ("a shell", "running `command`")
COMPARES = "what the shell makes of the run's own name; with `command` the exit status, and `expect`"
CREATES = ""
STEPS = ("access",)
_CANT_START = {126: "it can't be executed", 127: "there is no such command"}
endpoint = _ssh.endpoint
authenticate = _ssh.login
verify = said


def task(conn_id: str, params: Params, run: Run) -> Any:
    """SSHHook runs the command. (SSHOperator would take what ends in .sh or has braces in it for a template.)"""
    if params.command is not None:
        return run.task(partial(_execute, conn_id, params.command, params.expect))
    # Only a shell joins the two halves: a device that repeats what it doesn't understand does not pass.
    command = f"echo {run.name[:7]}''{run.name[7:]}"
    return run.task(partial(_execute, conn_id, command, params.expect or run.name))


def _execute(conn_id: str, command: str, expect: str | None) -> str:
    from airflow.providers.ssh.hooks.ssh import SSHHook

    hook = _ssh.made(SSHHook, conn_id)
    with hook.get_conn() as client:
        status, out, err = hook.exec_ssh_client_command(client, command, get_pty=False, environment=None)
    if status != 0:
        why = summary(err) if err.strip() else _CANT_START.get(status, "it said nothing")
        hint = f"{_CANT_START[status]} there: correct `command`" if status in _CANT_START else ""
        message = f"exit status {status}: {why}" if status >= 0 else f"no exit status: {why}"
        raise Diagnosed(Cause("check_error", message, hint))
    if expect is not None and expect not in out.decode(errors="replace"):
        raise RuntimeError(f"the command's output has no {expect!r} in it")
    return f"exit status {status}" if expect is not None else f"exit status {status}; `expect` proves what it says"


def cause(error: BaseException) -> Cause | None:
    """What became of the session, and what is common to SSH."""
    if "SSH command timed out" in str(error):
        return Cause("timeout", "the command said nothing for as long as cmd_timeout in extra allows (10 s)")
    if type(error).__name__ == "ChannelException":
        return Cause("permission", f"the server opens no session for this login: {foreign(error)}")
    return _ssh.cause(error)
