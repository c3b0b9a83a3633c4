"""JSON files of connections and of variables, as Airflow's LocalFilesystemBackend reads them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field

from bootstrap.desired.resolve import SecretReader
from bootstrap.domain import connection
from bootstrap.domain.connection import Connection
from bootstrap.domain.variable import Variable
from bootstrap.errors import Conflict, Malformed
from bootstrap.manifest.loader import Manifest
from bootstrap.manifest.models import INDEX
from bootstrap.targets.base import Applied, Change, Content, Key, Kind, Registered
from bootstrap.targets.one_file import FileTarget
from bootstrap.util.files import expanded
from bootstrap.util.git import Notice
from bootstrap.util.input_text import BadInput
from bootstrap.util.json_text import loads_file
from bootstrap.util.model import Model


class Options(Model):
    """`path` and `variables`: for connections and for variables; relative to the manifest's folder."""

    path: Annotated[str, Field(pattern=r"[^/]\.json$")] = "connections.json"
    variables: Annotated[str, Field(pattern=r"[^/]\.json$")] = "variables.json"


class _Entries:
    """A JSON object with an entry for each connection, or for each variable."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind

    def spelt(self, key: Key) -> str:
        """As it is."""
        return key.name

    def read(self, text: str, keys: Sequence[Key], where: str) -> Mapping[Key, Content | Malformed]:
        """Each by its key. The backend takes a variable that is no text as JSON."""
        found = _loaded(text, where)
        entries = {key: found[key.name] for key in keys if key.name in found}
        if self._kind == "connection":
            return {key: _connection(entry, f"{key} in {where}") for key, entry in entries.items()}
        return {key: Variable(entry if isinstance(entry, str) else json.dumps(entry)) for key, entry in entries.items()}

    def index(self, text: str, where: str) -> str | None:
        """A variable like others; or it looks like a connection, or the backend could not read the file."""
        entry = _loaded(text, where).get(INDEX)
        if self._kind == "connection":
            return str(entry.get("extra", "")) if isinstance(entry, dict) else None
        return entry if isinstance(entry, str) else None

    def merged(self, text: str, contents: Mapping[Key, Content | None], index: str, where: str) -> str:
        """What is there stays, in its order."""
        ours: Any = {"conn_type": "generic", "extra": index} if self._kind == "connection" else index
        entries = {key.name: _entry(item) for key, item in contents.items() if item is not None}
        gone = {key.name for key, item in contents.items() if item is None}
        document = {**_loaded(text, where), **entries, INDEX: ours}
        return json.dumps({name: entry for name, entry in document.items() if name not in gone}, indent=2) + "\n"


class TwoFiles:
    """Connections in one file, variables in another: nothing is written where one of them can't be."""

    shared = False

    def __init__(self, connections: FileTarget, variables: FileTarget) -> None:
        self._files: Mapping[Kind, FileTarget] = {"connection": connections, "variable": variables}

    @property
    def notices(self) -> Sequence[Notice]:
        """Of both."""
        return [notice for file in self._files.values() for notice in file.notices]

    def where(self, key: Key) -> str:
        """The file."""
        return self._files[key.kind].where(key)

    def registered(self, wanted: Mapping[Key, Content]) -> Mapping[Key, Registered]:
        """Reads both. Raises as FileTarget does."""
        found: dict[Key, Registered] = {}
        for kind, file in self._files.items():
            found |= file.registered({key: item for key, item in wanted.items() if key.kind == kind})
        return found

    def apply(self, changes: Sequence[Change]) -> Iterator[Applied]:
        """One file after the other, if both can be written."""
        parts = {kind: [change for change in changes if change.key.kind == kind] for kind in self._files}
        errors = {kind: file.refused(parts[kind]) for kind, file in self._files.items()}
        first = next((error for error in errors.values() if error is not None), None)
        for kind, file in self._files.items():
            if first is not None:
                message = f"not written, since the other file can't be: {first.message}"
                yield from file.applied(parts[kind], errors[kind] or Conflict(message, first.hint))
                continue
            for applied in file.apply(parts[kind]):
                errors[kind] = errors[kind] or applied.error
                yield applied
            first = errors[kind]


def _entry(item: Content) -> Any:
    """`extra` as text: the backend takes no object for it in Airflow 2."""
    if isinstance(item, Variable):
        return item.value
    fields = item.as_fields()
    return {**fields, "extra": json.dumps(fields["extra"])} if "extra" in fields else fields


def _loaded(text: str, where: str) -> dict[str, Any]:
    try:
        found = loads_file(text) if text.strip() else {}
    except BadInput as err:
        raise Malformed(f"{where} is not valid JSON: {err.at(where)}", "correct it, or name another file") from err
    if not isinstance(found, dict):
        raise Malformed(f"{where} is not a JSON object", "correct it, or name another file")
    return found


def _connection(entry: object, where: str) -> Connection | Malformed:
    try:
        if isinstance(entry, str):
            return connection.from_text(entry, where)
        if isinstance(entry, dict):
            return connection.from_fields(entry, where)
    except Malformed as err:
        return err
    return Malformed(f"{where} is neither a URI nor an object", "correct it")


def open_target(options: Options, manifest: Manifest, _secrets: SecretReader) -> TwoFiles:
    """The target; reads nothing yet."""
    connections, variables = (
        (manifest.folder / expanded(path)).absolute() for path in (options.path, options.variables)
    )
    return TwoFiles(
        FileTarget(connections, _Entries("connection"), manifest.owner),
        FileTarget(variables, _Entries("variable"), manifest.owner),
    )
