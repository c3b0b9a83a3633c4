"""Airflow's metadata database, where Airflow looks last: connections and variables are written with its own tables and encryption.

One child process with Airflow reads and writes for the life of the target; starting Airflow takes longer than writing
thousands of connections. What is registered is written in one transaction: everything, or nothing.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
import weakref
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import IO, Any

from bootstrap.airflow import environment as airflow_env
from bootstrap.airflow.child_protocol import require
from bootstrap.airflow.environment import Environment, require_airflow
from bootstrap.airflow.fork import Process, Start
from bootstrap.airflow.process import COMMAND_TIMEOUT
from bootstrap.airflow.session import start
from bootstrap.desired.resolve import SecretReader
from bootstrap.domain.connection import Connection, extra_object
from bootstrap.domain.secret import foreign
from bootstrap.domain.variable import Variable
from bootstrap.errors import UNDECRYPTABLE, AirflowError, Conflict, Malformed
from bootstrap.manifest.loader import Manifest
from bootstrap.manifest.models import INDEX
from bootstrap.render import settings
from bootstrap.targets.base import Applied, Change, Content, Key, Kind, Registered
from bootstrap.targets.index import Index
from bootstrap.util.model import Model

PLACE = "metadata database"
GRACE = 5.0  # seconds for the process to end by itself
_CHILD = "bootstrap.targets.metadata.child"
STRICT = True  # --strict is about what people see in Airflow's list of connections
KINDS: tuple[Kind, ...] = ("connection", "variable")


class MetadataProcess:
    """A conversation with `metadata.child`: a question and an answer, each a line of JSON; secrets are in nothing but the pipe.

    The process ends with `close`, when nobody holds this any more, and when this process does.
    """

    def __init__(self, environment: Environment, *, read_only: bool = False) -> None:
        """`read_only`: the database itself refuses this process's writes. Raises AirflowError if Airflow does not start."""
        process = start(environment, Start([_CHILD, *(["read-only"] if read_only else [])]))
        said: deque[str] = deque(maxlen=20)
        listener = threading.Thread(target=_listen, args=(process.stderr, said), daemon=True)
        listener.start()
        self._process, self._said, self._listener = process, said, listener
        self.close = weakref.finalize(self, _end, process, listener)
        self._exchange("")  # it tells that it is ready

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Raises the errors that the child reports, and AirflowError if it ends or takes too long."""
        return self._exchange(f"{json.dumps(request)}\n")

    def _exchange(self, line: str) -> dict[str, Any]:
        watchdog = threading.Timer(COMMAND_TIMEOUT, self._process.kill)
        watchdog.daemon = True
        watchdog.start()
        answer = ""  # without a line's end: the process is gone
        try:
            with contextlib.suppress(BrokenPipeError):
                if self._process.stdin is not None and self._process.stdout is not None:
                    self._process.stdin.write(line)
                    self._process.stdin.flush()
                    answer = self._process.stdout.readline()
        finally:
            watchdog.cancel()
        if not answer.endswith("\n"):
            raise self._ended()
        return require(json.loads(answer))

    def _ended(self) -> AirflowError:
        code = self._process.wait()
        self._listener.join(GRACE)
        last = foreign(self._said[-1].strip()) if self._said else "it said nothing"
        return AirflowError(
            f"metadata database: the process with Airflow ended with {code}, or took longer than {COMMAND_TIMEOUT:.0f} s: {last}",
            "airflow-bootstrap plan  # shows what was written",
        )


def _listen(stream: IO[str], said: deque[str]) -> None:
    """So that what Airflow logs never blocks it; the end is for an error's message."""
    said.extend(line for line in stream if line.strip())


def _end(process: Process, listener: threading.Thread) -> None:
    """The end of its stdin tells it; what it has begun it finishes."""
    with contextlib.suppress(BrokenPipeError):
        if process.stdin is not None:
            process.stdin.close()
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    listener.join(GRACE)
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()


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
