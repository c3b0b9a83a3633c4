"""A target: a JSON object of AIRFLOW_CONN_… and AIRFLOW_VAR_… variables, as HashiCorp Nomad and VS Code take them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bootstrap.desired.resolve import SecretReader
from bootstrap.domain import connection
from bootstrap.domain.connection import Connection
from bootstrap.domain.secret import Secret
from bootstrap.domain.variable import Variable
from bootstrap.errors import Malformed
from bootstrap.manifest.loader import Manifest
from bootstrap.targets.base import Content, Key
from bootstrap.targets.one_file import FileTarget
from bootstrap.util.files import expanded
from bootstrap.util.model import Model

_INDEX = "airflow-bootstrap"  # the key of the list of what is ours


class Options(Model):
    """`path`: relative to the manifest's folder."""

    path: str = "airflow-variables.json"


class _Json:
    """See `Format`."""

    def spelt(self, key: Key) -> str:
        """Its variable."""
        return f"AIRFLOW_{'CONN' if key.kind == 'connection' else 'VAR'}_{key.name.upper()}"

    def read(self, text: str, keys: Sequence[Key], where: str) -> Mapping[Key, Content | Malformed]:
        """Each by its variable."""
        found = _loaded(text, where)
        return {key: _content(key, found[self.spelt(key)], where) for key in keys if self.spelt(key) in found}

    def index(self, text: str, where: str) -> str | None:
        """Beside the variables."""
        return _loaded(text, where).get(_INDEX)

    def merged(self, text: str, contents: Mapping[Key, Content | None], index: str, where: str) -> str:
        """What else is in the file stays."""
        written = {self.spelt(key): None if item is None else _text(item) for key, item in contents.items()}
        document = {**_loaded(text, where), **written, _INDEX: index}
        return json.dumps({name: value for name, value in document.items() if value is not None}, indent=1) + "\n"


def _content(key: Key, text: str, where: str) -> Content | Malformed:
    try:
        return Variable(text) if key.kind == "variable" else connection.from_text(text, f"{key} in {where}")
    except Malformed as err:
        return err


def _text(item: Content) -> str:
    return json.dumps(item.as_fields()) if isinstance(item, Connection) else item.value


def _loaded(text: str, where: str) -> dict[str, Any]:
    try:
        found = json.loads(text or "{}")
    except ValueError:  # it quotes the text
        found = None
    if not isinstance(found, dict):
        raise Malformed(f"{where} is not a JSON object", "correct it, or name another file")
    return found


def _file(options: Options, manifest: Manifest) -> Path:
    return (manifest.folder / expanded(options.path)).absolute()


def open_target(options: Options, manifest: Manifest, secrets: SecretReader) -> FileTarget:  # noqa: ARG001
    """The target; reads nothing yet."""
    return FileTarget(_file(options, manifest), _Json(), manifest.owner)


def variables(options: Options, manifest: Manifest) -> dict[str, Secret]:
    """Those of the file, for the processes of Airflow that airflow-bootstrap starts."""
    file = _file(options, manifest)
    found = _loaded(file.read_text(encoding="utf-8") if file.exists() else "", str(options.path))
    return {name: Secret(value) for name, value in found.items() if name != _INDEX}
