"""The connections and variables of a source, and those that a manifest can't hold, each with the reason."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from bootstrap.domain.connection import Connection, likeliest, query_types
from bootstrap.domain.secret import mask
from bootstrap.domain.sensitive import names_secret, secret_texts
from bootstrap.errors import BootstrapError, Malformed, StoreError
from bootstrap.manifest.field_types import CONN_TYPE, NAME
from bootstrap.manifest.models import INDEX

_NAME = re.compile(NAME.strip("^$"))
_CONN_TYPE = re.compile(CONN_TYPE)
_AGAIN = "correct it there and convert it anew, or write it into the manifest by hand"


class LeftOut(BootstrapError):
    """Something of the source that is not in the manifest."""


@dataclass
class Found:
    """Values live in here and in the store that they are put into. `notes` are what the user should know besides.

    The list of what `register` wrote is nobody's connection or variable.
    """

    connections: dict[str, Connection] = field(default_factory=dict, repr=False)
    variables: dict[str, Any] = field(default_factory=dict, repr=False)
    left_out: list[BootstrapError] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add_connection(self, conn_id: object, where: str, read: Callable[[], Connection], uri: object = None) -> None:
        """Keep what `read` returns, or the reason why not. `where` is the connection's place, for people; `uri` its text, if it
        is one.
        """
        if conn_id == INDEX:
            return
        try:
            name = _legal_name(conn_id, self.connections, where, "connection")
            connection = self._with_known_type(read(), where)
            if not _CONN_TYPE.match(connection.conn_type):
                raise Malformed(f"{where}: a conn_type has lower-case letters, digits and `_` in a manifest", _AGAIN)
            _require_text(connection.as_fields(), where)
        except StoreError as err:
            self.leave_out(err.message, "" if err.hint.startswith("airflow-bootstrap store put") else err.hint)
        else:
            connection.mask()
            self.connections[name] = connection
            # Airflow 3's server reads a URI's query so; its tasks, and all of Airflow 2, have texts
            if types := query_types(uri) if isinstance(uri, str) else {}:
                said = ", ".join(f"{key} (to the server {kind})" for key, kind in types.items())
                note = f"text in a task, as in the manifest: {said}; write it as extra's JSON, where a hook wants another type"
                self.notes.append(f"{where}: {note}")

    def _with_known_type(self, connection: Connection, where: str) -> Connection:
        """Airflow finds a hook by the type as providers write it."""
        meant = likeliest(connection.conn_type)
        if _CONN_TYPE.match(connection.conn_type) or not _CONN_TYPE.match(meant):
            return connection
        self.notes.append(f"{where}: its conn_type is taken as {meant}, by which Airflow finds the hook")
        return replace(connection, conn_type=meant)

    def add_variable(self, key: object, where: str, value: Any) -> None:
        """`value` is text, or plain JSON data that Airflow stores as JSON."""
        if key == INDEX:
            return
        try:
            name = _legal_name(key, self.variables, where, "variable")
            _require_text(value, where)
        except StoreError as err:
            self.leave_out(err.message, err.hint)
        else:
            for text in secret_texts(value, key=name, inside=names_secret(name)):
                mask(text)
            self.variables[name] = value

    def leave_out(self, message: str, hint: str = "") -> None:
        """One thing that the manifest does not get."""
        self.left_out.append(LeftOut(f"left out: {message}", hint or _AGAIN))


def _legal_name(name: object, known: Mapping[str, Any], where: str, what: str) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise Malformed(f"{where}: a {what}'s name has letters, digits, `_`, `.` and `-` in a manifest", "rename it")
    if name in known:
        raise Malformed(f"{where}: there are two {what}s {name}, and the first is taken", "remove one of them")
    return name


def _require_text(value: Any, where: str) -> None:
    """Half of a surrogate pair is legal in JSON and in nothing else."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # it quotes the value
        raise Malformed(f"{where}: it holds half of a surrogate pair, which is not text", _AGAIN) from None
