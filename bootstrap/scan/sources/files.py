"""Collects what a scan reads: DAG files, notebooks, zipped DAGs, YAML and templates of a folder, as Airflow walks it.

Links are followed, `.airflowignore` is honoured, and each file is read once, by its plainest path: one that leads through a link or a
hidden folder comes last (a Kubernetes volume shows each file three times). What isn't read is said, but for the folders of tools.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bootstrap.errors import UsageError
from bootstrap.scan.model import Skipped
from bootstrap.scan.sources import archives, ignore, notebooks
from bootstrap.scan.sources.source_file import (
    LARGEST,
    SUFFIXES,
    Kind,
    SourceFile,
    Unreadable,
    kind_of,
    read_file,
    size_text,
)
from bootstrap.util.files import shown

__all__ = ["Collected", "Kind", "SourceFile", "collect"]

_TOOLS = frozenset(  # quietly: nobody's DAGs are there
    (
        *("__pycache__", ".git", ".hg", ".svn", ".bzr", ".venv", ".tox", ".nox", ".eggs", ".idea", ".vscode", ".cache"),
        *(".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", ".ipynb_checkpoints", ".terraform"),
        *(".bootstrap", ".airflow"),
    )
)
_NOT_READ = {"node_modules": "packages of Node.js"}
_ENVIRONMENTS = ("pyvenv.cfg", "conda-meta")
_NO_FILE = {
    stat.S_IFIFO: "a FIFO, which is never opened",
    stat.S_IFSOCK: "a socket, which is never opened",
    stat.S_IFCHR: "a device, which is never opened",
    stat.S_IFBLK: "a device, which is never opened",
}


@dataclass(frozen=True)
class Collected:
    """The files of a folder, by path, and what wasn't read."""

    folder: Path
    files: list[SourceFile] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)


def collect(folder: Path, syntax: ignore.Syntax = "glob") -> Collected:
    """All that a scan reads below `folder`, which may also be a single file. `syntax` is that of `.airflowignore`.

    Raises UsageError where there is no such folder, and for a single file of another kind.
    """
    try:
        mode = folder.stat().st_mode
    except (OSError, ValueError) as err:
        reason = getattr(err, "strerror", None) or "no file has such a name"
        raise UsageError(
            f"{shown(folder)}: {reason}", "name the folder with your DAGs: airflow-bootstrap scan dags/"
        ) from err
    if stat.S_ISDIR(mode):
        walk = _Walk(Collected(folder), syntax)
        walk.run()
    else:
        if not stat.S_ISREG(mode) or (folder.suffix not in SUFFIXES and not archives.is_archive(folder)):
            raise UsageError(
                f"{shown(folder)} is neither a folder nor a file with DAGs", "name a folder, or a .py file"
            )
        walk = _Walk(Collected(folder.parent), syntax)
        walk.file(folder.name)
    walk.out.files.sort(key=lambda file: file.path)
    walk.out.skipped.sort(key=lambda each: each.file)
    return walk.out


class _Walk:
    """One walk. Paths are relative to the folder, with `/` between; those that lead through a link or a hidden folder wait."""

    def __init__(self, out: Collected, syntax: ignore.Syntax) -> None:
        self.out = out
        self._syntax = syntax
        self._links: list[Callable[[], None]] = []
        self._hidden: list[Callable[[], None]] = []
        self._folders: dict[tuple[int, int], str] = {}
        self._seen: set[tuple[int, int]] = set()

    def run(self) -> None:
        self._enter("", [])
        while self._links or self._hidden:
            (self._links or self._hidden).pop(0)()

    def _say(self, path: str, reason: str) -> None:
        self.out.skipped.append(Skipped(_printable(path), reason))

    def _enter(self, path: str, rules: list[ignore.Rule]) -> None:
        todo = [(path, rules)]
        while todo:  # no recursion: folders can be nested deeper than Python's stack
            path, rules = todo.pop()
            if not self._is_new(path):
                continue
            try:
                with os.scandir(self.out.folder / path) as listing:
                    entries = sorted(listing, key=lambda entry: entry.name)
            except OSError as err:
                self._say(path or ".", f"can't be listed: {err.strerror}")
                continue
            if any(entry.name in _ENVIRONMENTS for entry in entries) and path:
                self._say(path, "a virtual environment")
                continue
            if any(entry.name == ignore.NAME for entry in entries):
                rules = [*rules, *self._rules(path)]
            todo.extend((below, rules) for below in self._entries(path, entries, rules))

    def _entries(self, path: str, entries: list[os.DirEntry[str]], rules: list[ignore.Rule]) -> Iterator[str]:
        """Takes in the files; yields the folders to go on with."""
        for entry in entries:
            below = f"{path}/{entry.name}" if path else entry.name
            try:
                is_folder, is_link = entry.is_dir(), entry.is_symlink()
            except OSError as err:
                self._say(below, f"can't be read: {err.strerror}")
                continue
            if entry.name in _TOOLS or entry.name == ignore.NAME or ignore.ignored(below, rules, is_folder=is_folder):
                continue
            if entry.name in _NOT_READ and is_folder:
                self._say(below, _NOT_READ[entry.name])
            elif is_folder and (is_link or entry.name.startswith(".")):
                waiting = self._hidden if entry.name.startswith(".") else self._links
                waiting.append(partial(self._enter, below, rules))
            elif is_folder:
                yield below
            elif is_link:
                self._links.append(partial(self.file, below))
            else:
                self.file(below)

    def _is_new(self, path: str) -> bool:
        """True for a folder that no other path led to; a loop is said."""
        try:
            found = (self.out.folder / path).stat()
        except OSError as err:
            self._say(path or ".", f"can't be read: {err.strerror}")
            return False
        before = self._folders.setdefault((found.st_dev, found.st_ino), path)
        if before == path:
            return True
        if f"{path}/".startswith(f"{before}/") or not before:
            self._say(path, f"a loop: it leads back to {_printable(before) or 'the scanned folder'}")
        return False

    def _rules(self, path: str) -> list[ignore.Rule]:
        name = f"{path}/{ignore.NAME}" if path else ignore.NAME
        try:
            text = read_file(self.out.folder / name, LARGEST["text"]).decode("utf-8", "replace")
        except Unreadable as err:
            self._say(name, err.message)
            return []
        found, bad = ignore.rules(text, path, self._syntax)
        for line in bad:
            theirs = "fails at it" if self._syntax == "glob" else "leaves it out, too"
            self._say(name, f"line {line} is no {self._syntax} pattern; Airflow {theirs}")
        return found

    def file(self, path: str) -> None:
        """Take in a file that Airflow, an operator or a DAG factory may read."""
        location = self.out.folder / path
        try:
            found = location.stat()
        except OSError as err:
            self._say(path, "a link to nothing" if location.is_symlink() else f"can't be read: {err.strerror}")
            return
        if not stat.S_ISREG(found.st_mode):
            self._say(path, _NO_FILE.get(stat.S_IFMT(found.st_mode), "no regular file"))
            return
        if (found.st_dev, found.st_ino) in self._seen:
            return
        self._seen.add((found.st_dev, found.st_ino))
        try:
            self._take(path, location, found.st_size)
        except Unreadable as err:
            self._say(path, err.message)

    def _take(self, path: str, location: Path, size: int) -> None:
        kind = kind_of(location)
        name = _printable(path)
        if kind is None:
            if archives.is_archive(location):
                files, skipped = archives.members(location, name)
                self.out.files.extend(files)
                self.out.skipped.extend(skipped)
            return
        if size > LARGEST[kind]:
            raise Unreadable(f"{size_text(size)}; files over {size_text(LARGEST[kind])} aren't read")
        if kind == "text":
            self.out.files.append(SourceFile(name, kind, location))
            return
        data = read_file(location, LARGEST[kind])
        if kind == "notebook":
            data = notebooks.source(data)
        self.out.files.append(SourceFile(name, kind, location, data, top=True))


def _printable(path: str) -> str:
    """A path as text, also where its bytes are no UTF-8."""
    return os.fsencode(path).decode("utf-8", "replace")
