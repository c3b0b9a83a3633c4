"""A real OpenSSH server that lets in the current user with a key, from Debian's openssh-server.

For passwords it would need /etc/shadow; `ssh_passwords` has a server that doesn't.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from . import require, ssh_keys
from .process import HOST, accepts
from .server import Server, clean_env, on_free_port, write_private

if TYPE_CHECKING:
    from collections.abc import Iterator

_SECONDS = 30.0
# Debian's service makes it anew after each start of the machine; an sshd of root doesn't start without.
_PRIVILEGE_SEPARATION = Path("/run/sshd")
_SETTINGS = """\
PidFile none
UsePAM no
StrictModes no
UseDNS no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
PrintMotd no
"""


@dataclass(frozen=True)
class Sshd:
    """A running server for commands and SFTP, which both begin in a folder of the user's: SFTP in `root`.

    `host_key` is its public key, "ssh-ed25519 AAAA…"; `private_key` is OpenSSH's text of the key that it lets in.
    """

    host: str
    port: int
    user: str
    host_key: str
    private_key: str = field(repr=False)
    root: Path


@contextlib.contextmanager
def running(folder: Path, *, read_only: bool = False) -> Iterator[Sshd]:
    """Run a server for a while, with its log, keys and `root` in `folder`.

    With `read_only`, SFTP answers every write with "Permission denied"; the files' own modes don't count for root.
    """
    require("sshd", "make system-deps")
    folder = _prepared(folder)
    host, user = ssh_keys.new(), ssh_keys.new()
    write_private(folder / "host_key", host.private)
    write_private(folder / "authorized_keys", f"{user.public}\n")
    known = partial(Sshd, HOST, user=getpass.getuser(), host_key=host.public, private_key=user.private)
    try:
        port = on_free_port(partial(_start, folder, read_only))
        yield known(port=port, root=folder / "root")
    finally:
        _stop(folder)


def _prepared(folder: Path) -> Path:
    (folder / "root").mkdir(mode=0o700, parents=True, exist_ok=True)
    if os.geteuid() == 0:
        _PRIVILEGE_SEPARATION.mkdir(mode=0o755, exist_ok=True)
    return folder.resolve()


def _start(folder: Path, read_only: bool, port: int) -> int:  # noqa: FBT001 (bound by `partial`)
    sftp = f"internal-sftp {'-R ' if read_only else ''}-d {folder / 'root'}"
    known = (
        f"ListenAddress {HOST}:{port}",
        f"HostKey {folder / 'host_key'}",
        f"AuthorizedKeysFile {folder / 'authorized_keys'}",
        f"Subsystem sftp {sftp}",
    )
    write_private(_config(folder), _SETTINGS + "".join(f"{line}\n" for line in known))
    _server(folder).start(lambda _: accepts(HOST, port), _SECONDS)
    return port


def _stop(folder: Path) -> None:
    """End the server, and the sessions, which would outlive it."""
    server = _server(folder)
    sessions = psutil.Process(server.pid).children(recursive=True) if server.pid else []
    server.stop()
    for each in sessions:
        with contextlib.suppress(psutil.NoSuchProcess):
            each.kill()  # psutil knows a reused pid from the session's
    psutil.wait_procs(sessions, _SECONDS)


def _server(folder: Path) -> Server:
    program = shutil.which("sshd") or "/usr/sbin/sshd"  # it insists on an absolute path
    config = str(_config(folder))
    return Server(
        name="sshd",
        folder=folder,
        argv=(program, "-D", "-e", "-f", config),
        needle=f"-f {config}",
        env=clean_env(),
    )


def _config(folder: Path) -> Path:
    return folder / "sshd_config"
