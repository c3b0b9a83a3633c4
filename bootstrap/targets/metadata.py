"""Airflow's metadata database, where Airflow looks last: connections are written with its own table and encryption.

One child process with Airflow reads and writes for the life of the target; starting Airflow takes longer than writing
thousands of connections. What is registered is written in one transaction: everything, or nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from bootstrap import airflow_env, airflow_settings
from bootstrap.connection import Connection, extra_object
from bootstrap.desired import Secrets
from bootstrap.errors import Conflict, Malformed
from bootstrap.manifest import Manifest
from bootstrap.model import Model
from bootstrap.smoke.run import require_airflow
from bootstrap.targets.base import Applied, Change, Registered
from bootstrap.targets.metadata_process import MetadataProcess

PLACE = "metadata database"


class MetadataTarget:
    """Connections as rows of the database that airflow.cfg names."""

    def __init__(self, manifest: Manifest, *, allow_unencrypted: bool) -> None:
        self._manifest = manifest
        self._allow_unencrypted = allow_unencrypted

    def where(self, conn_id: str) -> str:  # noqa: ARG002  one place for all
        """There is one table."""
        return PLACE

    def registered(self, conn_ids: Iterable[str]) -> Mapping[str, Registered]:
        """Reads the rows, in one query for many. Raises AirflowError, StoreError."""
        rows = self._process.ask({"read": list(conn_ids)})["rows"]
        return {conn_id: _compared(row, f"{PLACE}: {conn_id}") for conn_id, row in rows.items()}

    def apply(self, changes: Sequence[Change]) -> Iterator[Applied]:
        """Write what differs, all or nothing: a row that somebody else changed stops all. Raises AirflowError, StoreError."""
        pending = [change for change in changes if change.action != "unchanged"]
        conflicts = self._write(pending) if pending else []
        for change in changes:
            stopped = conflicts and change.action != "unchanged"
            error = _conflict(change.conn_id, conflicts) if stopped else None
            yield Applied(change.conn_id, change.action, PLACE, error)

    def close(self) -> None:
        """End the process. It ends by itself with the target, or with this process."""
        if "_process" in self.__dict__:
            self._process.close()
            del self._process

    def _write(self, pending: Sequence[Change]) -> list[str]:
        changes = [
            {"conn_id": change.conn_id, "expect": change.expect, "fields": _stored(change.connection)}
            for change in pending
        ]
        answer = self._process.ask({"write": changes, "allow_unencrypted": self._allow_unencrypted})
        return list(answer["conflicts"])

    @cached_property
    def _process(self) -> MetadataProcess:
        environment = airflow_env.locate(self._manifest)
        require_airflow(environment)
        return MetadataProcess(environment.with_secrets(airflow_settings.credentials(self._manifest)))


def _compared(row: Mapping[str, Any], where: str) -> Registered:
    if "malformed" in row:
        return Registered(fields={}, version=row["version"], malformed=f"{where}: {row['malformed']}")
    try:
        read = Connection(**{**row["fields"], "extra": extra_object(row["fields"].get("extra"), where)})
    except Malformed as err:
        return Registered(fields={}, version=row["version"], malformed=err.message)
    return Registered(fields=read.fingerprints(), version=row["version"])


def _stored(connection: Connection) -> dict[str, Any]:
    """The columns' values, `extra` as JSON text."""
    fields = connection.as_fields()
    if connection.extra is not None:
        fields["extra"] = json.dumps(connection.extra)
    return fields


def _conflict(conn_id: str, conflicts: Sequence[str]) -> Conflict:
    hint = "airflow-bootstrap register"
    if conn_id in conflicts:
        return Conflict(f"{PLACE}: {conn_id} was changed by somebody else since it was read; nothing is written", hint)
    return Conflict(f"{PLACE}: {conn_id} is not written, because {conflicts[0]} was changed by somebody else", hint)


class Options(Model):
    """`allow_unencrypted`: write passwords in plain text where Airflow has no Fernet key."""

    allow_unencrypted: bool = False


def open_target(options: Options, manifest: Manifest, _secrets: Secrets) -> MetadataTarget:
    """The target; starts nothing yet."""
    return MetadataTarget(manifest, allow_unencrypted=options.allow_unencrypted)
