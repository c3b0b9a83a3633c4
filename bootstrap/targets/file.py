"""A JSON file of connections, as Airflow's LocalFilesystemBackend reads it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from bootstrap import connection
from bootstrap.connection import Connection
from bootstrap.desired import Secrets
from bootstrap.errors import Malformed
from bootstrap.manifest import Manifest
from bootstrap.model import Model
from bootstrap.targets.one_file import FileTarget


class Options(Model):
    """`path`: relative to the manifest's folder."""

    path: Annotated[str, Field(pattern=r"[^/]\.json$")] = "connections.json"


class _Document:
    def connections(self, text: str, conn_ids: Iterable[str], where: str) -> Mapping[str, Connection | Malformed]:
        """Each by its key."""
        found = _loaded(text, where)
        return {conn_id: _read(found[conn_id], f"{conn_id} in {where}") for conn_id in conn_ids if conn_id in found}

    def merged(self, text: str, connections: Mapping[str, Connection], where: str) -> str:
        """What is there stays, in its order."""
        entries = {conn_id: _entry(item) for conn_id, item in connections.items()}
        return json.dumps({**_loaded(text, where), **entries}, indent=2) + "\n"


def _entry(item: Connection) -> dict[str, Any]:
    """`extra` as text: the backend takes no object for it in Airflow 2."""
    fields = item.as_fields()
    return {**fields, "extra": json.dumps(fields["extra"])} if "extra" in fields else fields


def _loaded(text: str, where: str) -> dict[str, Any]:
    try:
        found = json.loads(text) if text.strip() else {}
    except ValueError:  # it quotes nothing, and its position is of no use without the text
        raise Malformed(f"{where} is not valid JSON", "correct it, or name another file") from None
    if not isinstance(found, dict):
        raise Malformed(f"{where} is not a JSON object", "correct it, or name another file")
    return found


def _read(entry: object, where: str) -> Connection | Malformed:
    try:
        if isinstance(entry, str):
            return connection.from_text(entry, where)
        if isinstance(entry, dict):
            return connection.from_fields(entry, where)
    except Malformed as err:
        return err
    return Malformed(f"{where} is neither a URI nor an object", "correct it")


def open_target(options: Options, manifest: Manifest, _secrets: Secrets) -> FileTarget:
    """The target; reads nothing yet."""
    return FileTarget((manifest.folder / Path(options.path).expanduser()).absolute(), _Document())
