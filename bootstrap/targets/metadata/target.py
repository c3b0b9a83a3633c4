"""Airflow's metadata database, where Airflow looks last: connections and variables are written with its own tables and encryption.

One child process with Airflow reads and writes for the life of the target; starting Airflow takes longer than writing
thousands of connections. What is registered is written in one transaction: everything, or nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from bootstrap.airflow import environment as airflow_env
from bootstrap.airflow.environment import require_airflow
from bootstrap.desired.resolve import SecretReader
from bootstrap.domain.connection import Connection, extra_object
from bootstrap.domain.variable import Variable
from bootstrap.errors import UNDECRYPTABLE, Conflict, Malformed
from bootstrap.manifest.loader import Manifest
from bootstrap.manifest.models import INDEX
from bootstrap.render import settings
from bootstrap.targets.base import Applied, Change, Content, Key, Kind, Registered
from bootstrap.targets.index import Index
from bootstrap.targets.metadata.process import MetadataProcess
from bootstrap.util.model import Model

PLACE = "metadata database"
STRICT = True  # --strict is about what people see in Airflow's list of connections
KINDS: tuple[Kind, ...] = ("connection", "variable")


class Options(Model):
    """`allow_unencrypted`: write passwords in plain text where Airflow has no Fernet key."""

    allow_unencrypted: bool = False


class MetadataTarget:
    """Connections and variables as rows of the database that airflow.cfg names."""

    def __init__(self, manifest: Manifest, *, allow_unencrypted: bool) -> None:
        self._manifest = manifest
        self._allow_unencrypted = allow_unencrypted
        self.shared = True  # until the database has told

    def where(self, key: Key) -> str:  # noqa: ARG002  one place for all
        """There is one database."""
        return PLACE

    def registered(self, wanted: Mapping[Key, Content | None]) -> Mapping[Key, Registered]:
        """Reads the rows, in one query for many. Raises AirflowError, StoreError."""
        names = {kind: [key.name for key in wanted if key.kind == kind] for kind in KINDS}
        answer = self._process.ask({"read": names, "owner": self._manifest.owner})
        self.shared = answer["shared"]
        index = Index.read(answer["index"], PLACE)
        found: dict[Key, Registered] = {}
        for kind in KINDS:
            for name, row in answer[kind].items():
                key = Key(kind, name)
                marked = index.marked(key, _compared(kind, row, f"{PLACE}: {key}"), row["mark"])
                found[key] = replace(marked, changed=True) if row["team"] else marked
        if answer["undecryptable"]:
            found[Key("variable", INDEX)] = _undecryptable(
                f"{PLACE}: the list of what is registered there {UNDECRYPTABLE}"
            )
        return found

    def apply(self, changes: Sequence[Change]) -> Iterator[Applied]:
        """Write what differs, all or nothing: a row that somebody else changed stops all. Raises AirflowError, StoreError."""
        conflicts = self._write(changes) if any(it.action != "unchanged" or it.mark for it in changes) else []
        differing = set(conflicts)
        for change in changes:
            error = None
            if conflicts and change.action != "unchanged":
                said = f"{change.key} is not written, because {conflicts[0]} was changed by somebody else"
                if change.key in differing:
                    said = f"{change.key} was changed by somebody else since it was read; nothing is written"
                error = Conflict(f"{PLACE}: {said}", "airflow-bootstrap register")
            yield Applied(change.key, change.action, PLACE, error)

    def close(self) -> None:
        """End the process. It ends by itself with the target, or with this process."""
        if "_process" in self.__dict__:
            self._process.close()
            del self._process

    def _write(self, changes: Sequence[Change]) -> list[Key]:
        def named(change: Change) -> dict[str, Any]:
            return {"kind": change.key.kind, "name": change.key.name, "expect": change.expect}

        pending = [it for it in changes if it.action != "unchanged"]
        answer = self._process.ask(
            {
                "write": [{**named(it), "fields": _stored(it.content)} for it in pending],
                "marks": [named(it) for it in changes if it.mark],
                "owner": self._manifest.owner,
                "allow_unencrypted": self._allow_unencrypted,
            }
        )
        return [Key(kind, name) for kind, name in answer["conflicts"]]

    @cached_property
    def _process(self) -> MetadataProcess:
        environment = airflow_env.locate(self._manifest)
        require_airflow(environment)
        return MetadataProcess(environment.with_secrets(settings.credentials(self._manifest)))


def _compared(kind: Kind, row: Mapping[str, Any], where: str) -> Registered:
    if "undecryptable" in row:
        return _undecryptable(f"{where}: {row['undecryptable']}", row["version"])
    fields = row["fields"]
    if kind == "variable":
        return Registered(fields=Variable(fields["val"] or "").fingerprints(), version=row["version"])
    try:
        read = Connection(**{**fields, "extra": extra_object(fields.get("extra"), where)})
    except Malformed as err:
        return Registered(fields={}, version=row["version"], malformed=err.message)
    return Registered(fields=read.fingerprints(), version=row["version"])


def _undecryptable(message: str, version: str = "") -> Registered:
    return Registered(fields={}, version=version, malformed=message, undecryptable=True)


def _stored(content: Content | None) -> dict[str, Any] | None:
    """The columns' values, `extra` as JSON text."""
    if content is None:
        return None
    if isinstance(content, Variable):
        return {"val": content.value}
    fields = content.as_fields()
    if content.extra is not None:
        fields["extra"] = json.dumps(content.extra)
    return fields


def open_target(options: Options, manifest: Manifest, _secrets: SecretReader) -> MetadataTarget:
    """The target; starts nothing yet."""
    return MetadataTarget(manifest, allow_unencrypted=options.allow_unencrypted)
