"""A JSON, YAML or .env file as a read-only source.

The path of a secret is its key; `/` goes into nested mappings (`databases/warehouse`).
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from bootstrap.domain.secret import Secret
from bootstrap.errors import Denied, Malformed, NotFound
from bootstrap.stores.base import Context, Fields, Stored, Version
from bootstrap.stores.structured import as_stored
from bootstrap.stores.wording import local_filesystem
from bootstrap.util.files import expanded
from bootstrap.util.input_text import BadInput, read
from bootstrap.util.json_text import loads_unique
from bootstrap.util.model import Model


class Options(Model):
    """`{kind: file, path: secrets.yaml}`; the path is relative to the manifest's folder."""

    kind: Literal["file"]
    path: Annotated[str, Field(min_length=1)]


class FileStore:
    """One file, read once."""

    writable = False
    separator = "/"

    def __init__(self, name: str, file: Path) -> None:
        self.name = name
        self.file = file

    def read(self, path: str, version: Version | None = None) -> Stored:
        """The value at `path`. A mapping, or text that is a JSON object, has fields."""
        if version is not None:
            raise NotFound(f"{self.name}:{path}: a file has no versions", "leave out the @VERSION")
        node: Any = self._document
        if path in node:  # a key with a slash of its own
            node = node[path]
        else:
            for step in path.split("/"):
                if not isinstance(node, Mapping) or step not in node:
                    raise NotFound(f"{self.name}:{path}: {self.file} has no {step!r} there", f"add it to {self.file}")
                node = node[step]
        return replace(as_stored(node), wording=local_filesystem(path.rpartition("/")[2]))

    def write(self, path: str, value: Secret | Fields, *, expect: Version | None) -> Version:  # noqa: ARG002  refused
        """Refused: a file store is a source that somebody else keeps."""
        raise Denied(f"{self.name}:{path}: a file store is read-only", f"edit {self.file} instead")

    def names(self, prefix: str) -> Iterator[str]:
        """The path of every value that is not a mapping of mappings, below the folder `prefix`."""
        folder = f"{prefix.strip('/')}/".lstrip("/")
        yield from sorted(name for name in _leaves(self._document, ()) if name.startswith(folder))

    def ping(self) -> str:
        """Reads the file."""
        return f"{self.file}, {len(self._document)} entries"

    @cached_property
    def _document(self) -> Mapping[str, Any]:
        try:
            text = read(self.file)
        except FileNotFoundError as err:
            raise NotFound(f"store {self.name}: there is no file {self.file}", "create it, 0600") from err
        except PermissionError as err:
            raise Denied(f"store {self.name}: not allowed to read {self.file}", f"chmod u+r {self.file}") from err
        except OSError as err:
            raise Malformed(f"store {self.name}: can't read {self.file}: {err.strerror}") from err
        except BadInput as err:
            raise Malformed(f"store {self.name}: {err.at(self.file)}", err.hint) from err
        document = _parse(text, self.file, self.name)
        if not isinstance(document, Mapping):
            raise Malformed(f"store {self.name}: {self.file} is not a mapping of names to values")
        return document


def _parse(text: str, file: Path, store: str) -> Any:
    """The file's data. No message quotes the text."""
    try:
        if file.suffix == ".json":
            return loads_unique(text, _number)
        if file.suffix in {".yaml", ".yml"}:
            from bootstrap.util.yaml_data import load
            from bootstrap.util.yaml_dialects import JSON_WORDS

            document = load(text, JSON_WORDS)
            return {} if document is None else document
    except BadInput as err:
        raise Malformed(f"store {store}: {err.at(file)}", err.hint) from err
    return _dotenv(text, file, store)


def _number(text: str) -> float | str:
    """A number that would lose a digit (1.10) stays the text that it was."""
    return float(text) if json.dumps(float(text)) == text else text


def _dotenv(text: str, file: Path, store: str) -> dict[str, str]:
    """`NAME=value` lines, as python-dotenv reads them; `$NAME` inside a value stays as it is."""
    from dotenv.parser import parse_stream

    values: dict[str, str] = {}
    for binding in parse_stream(io.StringIO(text)):
        if binding.error or (binding.key and binding.value is None):
            raise Malformed(f"store {store}: {file}:{binding.original.line}: expected NAME=value")
        if binding.key and binding.value is not None:
            values[binding.key] = binding.value
    return values


def _leaves(node: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    for key, value in node.items():
        nested = isinstance(value, Mapping) and any(isinstance(item, Mapping) for item in value.values())
        if nested and "conn_type" not in value:  # with it, it is a connection whose `extra` is a mapping
            yield from _leaves(value, (*path, key))
        else:
            yield "/".join((*path, key))


def open_store(options: Options, context: Context) -> FileStore:
    """The store; the file is read when it is first needed."""
    return FileStore(context.name, context.folder / expanded(options.path))
