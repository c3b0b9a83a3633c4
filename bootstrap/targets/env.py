"""A file of AIRFLOW_CONN_ variables, for a shell (`set -a; . FILE`), Docker Compose's env_file, or python-dotenv."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from bootstrap import connection
from bootstrap.connection import Connection
from bootstrap.desired import Secrets
from bootstrap.errors import IllegalName, Malformed
from bootstrap.manifest import Manifest
from bootstrap.model import Model
from bootstrap.secret import Secret
from bootstrap.targets.one_file import FileTarget

PREFIX = "AIRFLOW_CONN_"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ESCAPES = re.compile(r"\\.|['$]")  # in JSON, a backslash always begins an escape of two signs
_SPELT = {"\\\\": r"\u005c", "'": r"\u0027", "$": r"\u0024"}


class Options(Model):
    """`path`: relative to the manifest's folder. `export`: each line begins so, for a shell without `set -a`."""

    path: Annotated[str, Field(min_length=1)] = "airflow.env"
    export: bool = False


class _Lines:
    def __init__(self, *, export: bool) -> None:
        self._export = "export " if export else ""

    def connections(self, text: str, conn_ids: Iterable[str], where: str) -> Mapping[str, Connection | Malformed]:
        """Each by its variable."""
        named = _named(conn_ids)
        values = {item.key: item.value for item in _bindings(text, where)}
        return {conn_id: _read(values[name], name, where) for name, conn_id in named.items() if name in values}

    def merged(self, text: str, connections: Mapping[str, Connection], where: str) -> str:
        """A line that is there is replaced in its place, others come last."""
        lines = {name: self._line(name, connections[conn_id]) for name, conn_id in _named(connections).items()}
        parts = []
        for item in _bindings(text, where):
            original = item.original.string
            parts.append(lines.pop(item.key) if item.key in lines else original)
        before = "".join(parts)
        ended = before + "\n" if before and not before.endswith("\n") else before
        return ended + "".join(lines.values())

    def _line(self, name: str, item: Connection) -> str:
        return f"{self._export}{name}='{quotable(item)}'\n"


def quotable(item: Connection) -> str:
    """JSON without the signs that mean something between single quotes: to a shell, to Compose, or to python-dotenv."""
    text = json.dumps(item.as_fields())
    return _ESCAPES.sub(lambda match: _SPELT.get(match[0], match[0]), text)


def _named(conn_ids: Iterable[str]) -> dict[str, str]:
    """The conn_id of each variable. Raises IllegalName where there can be no such variable, or one for two."""
    found: dict[str, str] = {}
    for conn_id in conn_ids:
        name = f"{PREFIX}{conn_id.upper()}"
        if not _NAME.fullmatch(name):
            raise IllegalName(
                f"connection {conn_id}: no shell takes a variable {name}", "rename it: letters, digits and _"
            )
        if name in found:
            raise IllegalName(f"connections {found[name]} and {conn_id} would both be {name}", "rename one of them")
        found[name] = conn_id
    return found


def _bindings(text: str, where: str) -> list[Any]:
    from dotenv.parser import parse_stream

    found = list(parse_stream(io.StringIO(text)))
    for item in found:
        if item.error:
            raise Malformed(f"{where}:{item.original.line}: expected NAME=value", "correct the line")
    return found


def _read(value: str | None, name: str, where: str) -> Connection | Malformed:
    try:
        return connection.from_text(value or "", f"{name} in {where}")
    except Malformed as err:
        return err


def open_target(options: Options, manifest: Manifest, _secrets: Secrets) -> FileTarget:
    """The target; reads nothing yet."""
    return FileTarget(_file(options, manifest), _Lines(export=options.export))


def variables(options: Options, manifest: Manifest) -> dict[str, Secret]:
    """Those of the file, for Airflow's processes that we start: others get them from whoever loads the file."""
    try:
        text = _file(options, manifest).read_text(encoding="utf-8")
    except OSError:
        return {}
    found = _bindings(text, str(options.path))
    return {item.key: Secret(item.value) for item in found if item.key and item.value and item.key.startswith(PREFIX)}


def _file(options: Options, manifest: Manifest) -> Path:
    return (manifest.folder / Path(options.path).expanduser()).absolute()
