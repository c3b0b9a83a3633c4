"""Keeps DAG code from writing outside the scratch home: what it opens, and on Linux also what its libraries and programs do.

No sandbox for hostile code: it may read, and use the network, as it may wherever Airflow parses it.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGED: Mapping[str, tuple[int, ...]] = {  # Python's audit events, and which arguments are paths that they change
    "os.remove": (0,),
    "os.rmdir": (0,),
    "os.mkdir": (0,),
    "os.rename": (0, 1),
    "os.link": (1,),
    "os.symlink": (1,),
    "os.truncate": (0,),
    "os.chmod": (0,),
    "os.chown": (0,),
    "os.utime": (0,),
    "os.setxattr": (0,),
    "os.removexattr": (0,),
}
_DEVICES = "/dev"
# linux/landlock.h, the same numbers on every processor
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF, _VERSION, _PATH_BENEATH = 444, 445, 446, 1, 1
_NO_NEW_PRIVILEGES = 38  # linux/prctl.h
_WRITE_FILE = 1 << 1
_ANY_WRITE = _WRITE_FILE | sum(1 << bit for bit in range(4, 13))  # remove, and make each kind of file
_REFER, _TRUNCATE = 1 << 13, 1 << 14  # since versions 2 and 3


def confine(scratch: Path) -> bool:
    """From now on, this process and its children change files only below `scratch`; what they try elsewhere raises PermissionError.

    True where the kernel holds it, too: else only what Python code does by itself is held back.
    """
    folder = os.path.realpath(scratch)
    sys.addaudithook(lambda event, arguments: _check(folder, event, arguments))
    return sys.platform == "linux" and _landlock(folder)


def _check(folder: str, event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open":
        path, _, flags = arguments
        if isinstance(path, (str, bytes)) and isinstance(flags, int) and flags & _WRITES:
            _require_inside(folder, os.path.realpath(os.fsdecode(path)))
    elif event in _CHANGED:
        for given in (arguments[number] for number in _CHANGED[event]):
            if isinstance(given, (str, bytes)):
                path = Path(os.fsdecode(given))
                # one that is relative to an open folder is the kernel's to judge; of a link, itself counts and not its target
                if path.is_absolute() or arguments[-1] == -1:
                    _require_inside(folder, os.path.join(os.path.realpath(path.parent), path.name))  # noqa: PTH118


def _require_inside(folder: str, path: str) -> None:
    if not f"{path}/".startswith((f"{folder}/", f"{_DEVICES}/")):
        raise PermissionError(errno.EACCES, "outside the scratch home of `scan --run`", path)


def _landlock(folder: str) -> bool:
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION)
    if version < 1:
        return False
    rights = _ANY_WRITE | (_REFER if version >= 2 else 0) | (_TRUNCATE if version >= 3 else 0)  # noqa: PLR2004
    wanted = struct.pack("=Q", rights)
    rules = libc.syscall(_CREATE_RULESET, wanted, ctypes.c_size_t(len(wanted)), 0)
    if rules < 0:
        return False
    try:
        _allow(libc, rules, folder, rights)
        _allow(libc, rules, _DEVICES, rights & (_WRITE_FILE | _TRUNCATE))
        _allow(libc, rules, f"{_DEVICES}/shm", rights)  # semaphores of multiprocessing
        return bool(libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0 and libc.syscall(_RESTRICT_SELF, rules, 0) == 0)
    finally:
        os.close(rules)


def _allow(libc: ctypes.CDLL, rules: int, folder: str, rights: int) -> None:
    try:
        parent = os.open(folder, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    libc.syscall(_ADD_RULE, rules, _PATH_BENEATH, struct.pack("=Qi", rights, parent), 0)
    os.close(parent)
