"""A file of AIRFLOW_CONN_ and AIRFLOW_VAR_ variables, for a shell (`set -a; . FILE`), Docker Compose's env_file, or python-dotenv."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from bootstrap.desired.resolve import SecretReader
from bootstrap.domain import connection
from bootstrap.domain.connection import Connection
from bootstrap.domain.secret import Secret
from bootstrap.domain.variable import Variable
from bootstrap.errors import IllegalName, Malformed
from bootstrap.manifest.loader import Manifest
from bootstrap.targets.base import Content, Key, Kind
from bootstrap.targets.one_file import FileTarget
from bootstrap.util.files import expanded
from bootstrap.util.model import Model
from bootstrap.util.special_files import is_special

PREFIXES: Mapping[Kind, str] = {"connection": "AIRFLOW_CONN_", "variable": "AIRFLOW_VAR_"}
_INDEX = "# airflow-bootstrap: "
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

    def spelt(self, key: Key) -> str:
        """Its variable."""
        return _variable(key)

    def read(self, text: str, keys: Sequence[Key], where: str) -> Mapping[Key, Content | Malformed]:
        """Each by its variable."""
        named = _named(keys)
        values = {item.key: item.value for item in _bindings(text, where)}
        return {key: _read(key, values[name], f"{name} in {where}") for name, key in named.items() if name in values}

    def index(self, text: str, where: str) -> str | None:  # noqa: ARG002  a comment can always be read
        """A comment; the last one, if somebody joined files."""
        found = [line.removeprefix(_INDEX) for line in text.splitlines() if line.startswith(_INDEX)]
        return found[-1] if found else None

    def merged(self, text: str, contents: Mapping[Key, Content | None], index: str, where: str) -> str:
        """A line that is there is replaced in its place, and is the only one; others come last, before the list."""
        lines = {name: self._line(name, contents[key], key) for name, key in _named(list(contents)).items()}
        new = dict(lines)
        parts = []
        for item in _bindings(text, where):
            original = item.original.string
            if item.key in lines:
                parts.append(new.pop(item.key, ""))  # a later one would win over it
            elif item.key is None:
                parts += [line for line in original.splitlines(keepends=True) if not line.startswith(_INDEX)]
            else:
                parts.append(original)
        before = "".join(parts)
        ended = before + "\n" if before and not before.endswith("\n") else before
        return f"{ended}{''.join(new.values())}{_INDEX}{index}\n"

    def _line(self, name: str, item: Content | None, key: Key) -> str:
        if item is None:
            return ""
        value = f"'{quotable(item)}'" if isinstance(item, Connection) else quoted(item.value, key)
        return f"{self._export}{name}={value}\n"


def quoted(value: str, key: Key) -> str:
    """A text between the quotes in which a shell, Compose and python-dotenv read the same. Raises IllegalName where none do."""
    if not set(value) & set("'\\\r\0") and "${" not in value:
        return f"'{value}'"
    if not set(value) & set("$`\r\0"):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    raise IllegalName(
        f"{key}: its value has signs (both ' or \\, and $ or `; or a carriage return) that a shell, Compose and python-dotenv"
        " don't read alike",
        "register it into another target",
    )


def quotable(item: Connection) -> str:
    """JSON without the signs that mean something between single quotes: to a shell, to Compose, or to python-dotenv."""
    text = json.dumps(item.as_fields())
    return _ESCAPES.sub(lambda match: _SPELT.get(match[0], match[0]), text)


def _variable(key: Key) -> str:
    return f"{PREFIXES[key.kind]}{key.name.upper()}"


def _named(keys: Sequence[Key]) -> dict[str, Key]:
    """Whose each variable is. Raises IllegalName where there can be no such variable, or one for two."""
    found: dict[str, Key] = {}
    for key in keys:
        name = _variable(key)
        if not _NAME.fullmatch(name):
            message = f"{key.kind} {key.name}: no shell takes a variable {name}"
            raise IllegalName(message, "rename it: letters, digits and _")
        if name in found:
            message = f"{key.kind}s {found[name].name} and {key.name} would both be {name}"
            raise IllegalName(message, "rename one of them")
        found[name] = key
    return found


def _bindings(text: str, where: str) -> list[Any]:
    from dotenv.parser import parse_stream

    found = list(parse_stream(io.StringIO(text)))
    for item in found:
        if item.error:
            raise Malformed(f"{where}:{item.original.line}: expected NAME=value", "correct the line")
    return found


def _read(key: Key, value: str | None, where: str) -> Content | Malformed:
    if key.kind == "variable":
        return Variable(value or "")
    try:
        return connection.from_text(value or "", where)
    except Malformed as err:
        return err


def open_target(options: Options, manifest: Manifest, _secrets: SecretReader) -> FileTarget:
    """The target; reads nothing yet."""
    return FileTarget(_file(options, manifest), _Lines(export=options.export), manifest.owner)


def variables(options: Options, manifest: Manifest) -> dict[str, Secret]:
    """Those of the file, for Airflow's processes that we start: others get them from whoever loads the file."""
    file = _file(options, manifest)
    if is_special(file):
        return {}
    try:
        text = file.read_text(encoding="utf-8")
    except OSError:
        return {}
    found = _bindings(text, str(options.path))
    ours = tuple(PREFIXES.values())
    return {item.key: Secret(item.value or "") for item in found if item.key and item.key.startswith(ours)}


def _file(options: Options, manifest: Manifest) -> Path:
    return (manifest.folder / expanded(options.path)).absolute()
