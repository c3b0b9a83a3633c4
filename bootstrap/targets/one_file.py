"""A target that is one file: read whole, written whole, in one step."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from bootstrap.connection import Connection
from bootstrap.errors import Conflict, Denied, Malformed, StoreError
from bootstrap.files import folder_locked, shown, write_atomic
from bootstrap.targets.base import Applied, Change, Registered


class Format(Protocol):
    """How connections stand in the file's text."""

    def connections(self, text: str, conn_ids: Iterable[str], where: str) -> Mapping[str, Connection | Malformed]:
        """Those of the connections that are there. Raises Malformed for a text that can't be read."""
        ...

    def merged(self, text: str, connections: Mapping[str, Connection], where: str) -> str:
        """The text with these connections in it; what else stands there stays."""
        ...


class FileTarget:
    """Connections in a file that nobody else may read: all changes are made, or none."""

    def __init__(self, file: Path, form: Format) -> None:
        self.file = file
        self._format = form
        self._seen: str | None = None

    def where(self, _conn_id: str) -> str:
        """The file."""
        return shown(self.file)

    def registered(self, conn_ids: Iterable[str]) -> Mapping[str, Registered]:
        """Reads the file. Raises Malformed, Denied; IllegalName for a conn_id that can't be there."""
        text = self._seen = self._read()
        version = hashlib.sha256((text or "").encode()).hexdigest()
        found: dict[str, Registered] = {}
        for conn_id, item in self._format.connections(text or "", conn_ids, self.where("")).items():
            fields = item.fingerprints() if isinstance(item, Connection) else {}
            malformed = item.message if isinstance(item, Malformed) else ""
            found[conn_id] = Registered(fields, version, malformed)
        return found

    def apply(self, changes: Sequence[Change]) -> Iterator[Applied]:
        """Writes the file once, if it still is what the changes were compared with."""
        error: StoreError | None = None
        wanted = {change.conn_id: change.connection for change in changes if change.action != "unchanged"}
        if wanted:
            try:
                self._write(wanted)
            except (Conflict, Denied, Malformed) as err:
                error = err
        for change in changes:
            failed = error if change.action != "unchanged" else None
            yield Applied(change.conn_id, change.action, self.where(change.conn_id), failed)

    def _write(self, wanted: Mapping[str, Connection]) -> None:
        where = self.where("")
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with folder_locked(self.file.resolve().parent, busy=f"another run writes {where}"):
                text = self._read()
                if text != self._seen:
                    raise Conflict(f"{where} was changed meanwhile; nothing was written", "run this again")
                write_atomic(self.file, self._format.merged(text or "", wanted, where))
        except OSError as err:
            raise Denied(
                f"can't write {where}: {err.strerror}", "check the permissions of the file and its folder"
            ) from err

    def _read(self) -> str | None:
        try:
            return self.file.read_bytes().decode("utf-8")
        except FileNotFoundError:
            return None
        except OSError as err:
            raise Denied(f"can't read {self.where('')}: {err.strerror}", "check its permissions") from err
        except UnicodeDecodeError:  # it quotes the content
            raise Malformed(f"{self.where('')} is not text in UTF-8", "correct it, or name another file") from None
