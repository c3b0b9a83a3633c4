"""A target that is one file, read and replaced as a whole; the index of what is ours is inside it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from bootstrap.errors import Conflict, Denied, FileDenied, Malformed, StoreError
from bootstrap.targets.base import Applied, Change, Content, Key, Registered
from bootstrap.targets.index import Entry, Index, content_hash
from bootstrap.util import git
from bootstrap.util.files import folder_locked, shown, write_atomic
from bootstrap.util.special_files import is_special


class Format(Protocol):
    """How connections and variables stand in the file's text."""

    def spelt(self, key: Key) -> str:
        """How the file tells it from others: the same for two names that are one in it."""

    def read(self, text: str, keys: Sequence[Key], where: str) -> Mapping[Key, Content | Malformed]:
        """Those that are there. Raises Malformed for a text that can't be read, IllegalName for what can't be in it."""

    def index(self, text: str, where: str) -> str | None:
        """The list of what is ours. Raises Malformed for a text that can't be read."""

    def merged(self, text: str, contents: Mapping[Key, Content | None], index: str, where: str) -> str:
        """The text with these in it, those that are None taken out, and the list; what else stands there stays."""


class FileTarget:
    """Connections and variables in a file that nobody else may read: all changes are made, or none."""

    shared = False

    def __init__(self, file: Path, form: Format, owner: str) -> None:
        self.file = file
        self._format = form
        self._owner = owner
        self._where = shown(file)
        self._seen: str | None = None
        self.notices: list[git.Notice] = []

    def where(self, _key: Key) -> str:
        """The file."""
        return self._where

    def registered(self, wanted: Mapping[Key, Content]) -> Mapping[Key, Registered]:
        """Reads the file. Raises Malformed, Denied; IllegalName for a name that can't be there."""
        text = self._seen = self._read()
        version = content_hash(text or "")
        index = self._index(text or "", wanted)
        keys = list(dict.fromkeys((*wanted, *index.owned(self._owner))))
        found: dict[Key, Registered] = {}
        for key, item in self._format.read(text or "", keys, self._where).items():
            if isinstance(item, Malformed):
                found[key] = index.marked(key, Registered({}, version, item.message), "")
            else:
                found[key] = index.marked(key, Registered(item.fingerprints(), version), index.digest(item))
        return found

    def apply(self, changes: Sequence[Change]) -> Iterator[Applied]:
        """Writes the file once, if it still is what the changes were compared with."""
        yield from self.applied(changes, self._failed(changes, write_atomic))

    def applied(self, changes: Sequence[Change], error: StoreError | None) -> Iterator[Applied]:
        """What became of them, all with the same error, if there is one."""
        for change in changes:
            failed = error if change.action != "unchanged" else None
            yield Applied(change.key, change.action, self.where(change.key), failed)

    def refused(self, changes: Sequence[Change]) -> StoreError | None:
        """Why they can't be written, as far as that can be told before."""
        return self._failed(changes, _try)

    def _failed(self, changes: Sequence[Change], write: Callable[[Path, str], None]) -> StoreError | None:
        if any(change.action != "unchanged" or change.mark for change in changes):
            try:
                self._write(changes, write)
            except (Conflict, Denied, Malformed) as err:
                return err
        return None

    def _write(self, changes: Sequence[Change], write: Callable[[Path, str], None]) -> None:
        where = self._where
        try:
            if is_special(self.file):
                write(self.file, self._changed("", changes))
                return
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with folder_locked(self.file.resolve().parent, busy=f"another run writes {where}"):
                text = self._read()
                if text != self._seen:
                    raise Conflict(f"{where} was changed meanwhile; nothing was written", "run this again")
                changed = self._changed(text or "", changes)
                if write is write_atomic and (notice := git.keep_out(self.file)) is not None:
                    self.notices.append(notice)
                write(self.file, changed)
        except OSError as err:
            raise FileDenied(
                f"can't write {where}: {err.strerror}", "check the permissions of the file and its folder"
            ) from err

    def _changed(self, text: str, changes: Sequence[Change]) -> str:
        written = {change.key: change.content for change in changes if change.action != "unchanged"}
        marked = written | {change.key: change.content for change in changes if change.mark}
        index = self._index(text, marked)
        marks = {key: index.digest(content) if content is not None else None for key, content in marked.items()}
        return self._format.merged(text, written, index.done(marks, self._owner).text(), self._where)

    def _index(self, text: str, meant: Mapping[Key, object]) -> Index:
        """The list, where what is spelt as one of those that are meant is that one."""
        index = Index.read(self._format.index(text, self._where), self._where)
        keys = {self._format.spelt(key): key for key in meant}
        entries: dict[Key, Entry] = {}
        for key in sorted(index.entries, key=lambda key: key in meant):  # its own entry, where there is one, counts
            entries[keys.setdefault(self._format.spelt(key), key)] = index.entries[key]
        return replace(index, entries=entries)

    def _read(self) -> str | None:
        """None where there is no file, or one that nothing can be read back from."""
        if is_special(self.file):
            return None
        try:
            return self.file.read_bytes().decode("utf-8")
        except FileNotFoundError:
            return None
        except OSError as err:
            raise FileDenied(f"can't read {self._where}: {err.strerror}", "check its permissions") from err
        except UnicodeDecodeError:  # it quotes the content
            raise Malformed(f"{self._where} is not text in UTF-8", "correct it, or name another file") from None


def _try(file: Path, _text: str) -> None:
    """As far as write_atomic may fail: another file beside it."""
    if is_special(file):
        return
    with tempfile.TemporaryFile(dir=file.resolve().parent):
        pass
