"""A folder of files as a store, a secret in each: what Docker and Kubernetes mount at /run/secrets, or a folder on an encrypted disk."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from bootstrap.domain.secret import Secret
from bootstrap.errors import Conflict, Denied, IllegalName, Malformed, NotFound
from bootstrap.stores.base import Context, Fields, Stored, Version
from bootstrap.stores.structured import as_stored
from bootstrap.util.files import expanded, folder_locked, write_atomic
from bootstrap.util.model import Model


class Options(Model):
    """`{kind: acme_folder, path: secrets}`; the path is relative to the manifest's folder."""

    kind: Literal["acme_folder"]
    path: str


class FolderStore:
    """Deleting, too, so that keys in it can be rotated."""

    writable = True
    separator = "/"
    lasting_versions = False  # `as_stored` makes a version of the value, for this process

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder

    def read(self, path: str, version: Version | None = None) -> Stored:
        """The file's text. A JSON object has fields."""
        where = f"{self.name}:{path}"
        if version is not None:
            raise NotFound(f"{where}: a file has no versions", "leave out the @VERSION")
        file = self._file(path)
        try:
            return as_stored(file.read_bytes().decode())
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as err:
            raise NotFound(f"{where}: there is no file {file}", f"airflow-bootstrap store put {where}") from err
        except OSError as err:
            raise Denied(f"{where}: can't read {file}: {err.strerror}", f"chmod u+r {file}") from err
        except UnicodeDecodeError:  # it quotes the value
            raise Malformed(f"{where}: {file} is not UTF-8 text", "store it as base64") from None

    def write(self, path: str, value: Secret | Fields, *, expect: Version | None) -> Version:
        """In one step, if the file still holds what was read."""
        file, text = self._file(path), value.reveal() if isinstance(value, Secret) else json.dumps(value)
        file.parent.mkdir(parents=True, exist_ok=True)
        with folder_locked(self.folder, busy=f"{self.folder} is in use"):
            self._require(path, expect)
            write_atomic(file, text)
        return as_stored(text).version

    def delete(self, path: str, *, expect: Version) -> None:
        """The file."""
        self.read(path)
        with folder_locked(self.folder, busy=f"{self.folder} is in use"):
            self._require(path, expect)
            self._file(path).unlink()

    def names(self, prefix: str) -> Iterator[str]:
        """The files below a folder."""
        files = (file for file in (self.folder / prefix).rglob("*") if file.is_file())
        yield from sorted(str(file.relative_to(self.folder)) for file in files)

    def ping(self) -> str:
        """Raises NotFound without the folder."""
        if not self.folder.is_dir():
            raise NotFound(f"store {self.name}: there is no folder {self.folder}", f"mkdir -p {self.folder}")
        return str(self.folder)

    def _file(self, path: str) -> Path:
        if not path.isprintable() or {"", ".", ".."} & set(path.split("/")):
            raise IllegalName(f"{self.name}:{path}: no file has this name", "name a file below the folder")
        return self.folder / path

    def _require(self, path: str, expect: Version | None) -> None:
        try:
            current = self.read(path).version
        except NotFound:
            current = None
        if current != expect:
            raise Conflict(f"{self.name}:{path}: somebody else changed it", "run the command again")


def open_store(options: Options, context: Context) -> FolderStore:
    """The store; reads nothing yet."""
    return FolderStore(context.name, context.folder / expanded(options.path))
