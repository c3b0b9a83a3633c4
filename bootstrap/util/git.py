"""Keeps files with secrets out of git: adds them to the .gitignore beside them, or warns.

git itself is asked (git-check-ignore(1)): its rules are many, and some of them are outside of the work tree.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from bootstrap.util.files import file_mode, shown, write_atomic
from bootstrap.util.own_process import users_umask
from bootstrap.util.special_files import is_special, read

if TYPE_CHECKING:
    from subprocess import CompletedProcess

State = Literal["ignored", "taken", "tracked", "unknown"]
_TIMEOUT = 20.0  # seconds
_ENVIRONMENT = ("HOME", "PATH", "XDG_CONFIG_HOME")  # what git gets to see of ours; there are secrets in the rest
_SPECIAL = re.compile(r"([*?\[\\]| $)")  # in a pattern that begins with /


@dataclass(frozen=True)
class Notice:
    """What the user should know. `warning`: git would take the file."""

    text: str
    warning: bool = True


def keep_out(file: Path, pattern: str = "") -> Notice | None:
    """Have git ignore a file that is about to get secrets; None where it does, or has no say. Its folder is there.

    `pattern`: the line for it, where it is one of several that come and go.
    """
    place = Path(os.path.realpath(file))
    if is_special(file) or not _is_in_work_tree(place):
        return None
    state = _state(place)
    if state == "ignored":
        return None
    line = pattern or "/" + escaped(place.name)
    ignore = place.parent / ".gitignore"
    if state == "taken" and _added(ignore, line) and _state(place) == "ignored":
        return Notice(f"{shown(ignore)}: {line} added, for the secrets in {shown(place)}", warning=False)
    todo = f"add the line {line} to {shown(ignore)}"
    if state == "tracked":
        return Notice(f"{shown(place)} holds secrets, and git tracks it: git rm --cached {shown(place)}, and {todo}")
    if state == "unknown":
        return Notice(f"{shown(place)} holds secrets, and git could not be asked whether it ignores it: if not, {todo}")
    return Notice(f"git would take {shown(place)}, which holds secrets: {todo}")


def escaped(name: str) -> str:
    """A file's name in a line of .gitignore that begins with /."""
    return _SPECIAL.sub(r"\\\1", name).replace("\n", "?")


def exposed(file: Path) -> str:
    """Why git has a file with secrets, or will; '' where it ignores it, or has no say."""
    place = Path(os.path.realpath(file))
    if not _is_in_work_tree(place) or (state := _state(place)) in {"ignored", "unknown"}:
        return ""
    return "git tracks it" if state == "tracked" else "git would take it"


def _is_in_work_tree(place: Path) -> bool:
    return any((folder / ".git").exists() for folder in place.parents)


def _state(place: Path) -> State:
    import shutil

    if shutil.which("git") is None:
        return "unknown"
    if _asked(place.parent, "ls-files", "--error-unmatch", "--", f":(literal){place.name}") == 0:
        return "tracked"
    answers: dict[int | None, State] = {0: "ignored", 1: "taken"}
    return answers.get(_asked(place.parent, "check-ignore", "--quiet", "--", f"./{place.name}"), "unknown")


def _asked(folder: Path, *question: str) -> int | None:
    """The exit code; None without an answer."""
    done = answer(folder, *question)
    return done.returncode if done is not None else None


def answer(folder: Path, *question: str, told: bytes = b"") -> CompletedProcess[bytes] | None:
    """What git says in that folder, `told` on its stdin; None where it can't be run, or takes too long.

    The repository's own hooks and programs are not run.
    """
    import subprocess  # not at the top: most commands start no process

    try:
        return subprocess.run(
            ["git", "-c", "core.fsmonitor=false", *question],
            cwd=folder,
            env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
            input=told,
            capture_output=True,
            timeout=_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None


def _added(ignore: Path, line: str) -> bool:
    """True if the line could be added; git reads no .gitignore that is a link."""
    if ignore.is_symlink() or is_special(ignore):
        return False
    try:
        before = read(ignore) if ignore.exists() else b""
        ended = before + b"\n" if before and not before.endswith(b"\n") else before
        write_atomic(ignore, ended + f"{line}\n".encode(), mode=file_mode(ignore, 0o666 & ~users_umask()))
    except OSError:
        return False
    return True
