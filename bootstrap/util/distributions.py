"""Versions of installed distributions, by the names of their folders.

importlib.metadata would say the same, and takes 20 ms to: it imports a parser of e-mail, and reads the file with it.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

_SUFFIXES = (".dist-info", ".egg-info")


def version(name: str, folders: Sequence[str | Path] | None = None) -> str | None:
    """The version of `name` in the first of the folders, by default those that Python imports from, that has it."""
    from_folder = re.compile(rf"{re.sub(r'[-_.]+', '[-_.]+', name)}-([^-]+)\.dist-info", re.IGNORECASE)
    for folder in sys.path if folders is None else folders:
        for entry in metadata_folders(str(folder)):
            if found := from_folder.fullmatch(entry):
                return found[1]
    return None


def at_least(name: str, least: str) -> bool:
    """True if `name` is installed, in that version or a later one."""
    found, wanted = (tuple(map(int, re.findall(r"\d+", text)[:3])) for text in (version(name) or "", least))
    return found >= wanted


def have_entry_points(group: str, folders: Sequence[str]) -> bool:
    """Whether a distribution in these folders has entry points of this group."""
    header = f"[{group}]".encode()
    for folder in folders:
        for entry in metadata_folders(folder):
            with contextlib.suppress(OSError):
                if header in Path(folder, entry, "entry_points.txt").read_bytes():
                    return True
    return False


@lru_cache
def metadata_folders(folder: str) -> tuple[str, ...]:
    """The names of the folders that say what is installed in `folder`, with their versions."""
    try:
        return tuple(entry.name for entry in os.scandir(folder or os.curdir) if entry.name.endswith(_SUFFIXES))
    except OSError:
        return ()
