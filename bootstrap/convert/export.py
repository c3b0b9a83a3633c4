"""Connections in Airflow's own export format: what `airflow connections import` reads, in 2.11 and 3.x alike."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from urllib.parse import quote

import yaml

from bootstrap.domain.connection import FIELDS, Connection
from bootstrap.errors import Malformed

FORMATS = ("json", "yaml", "env")
_SCHEME = re.compile(r"[a-z][a-z0-9_]*")


def text(connections: Mapping[str, Connection], form: str) -> str:
    """All of them, in order. Raises Malformed for one that the format can't hold."""
    if form == "env":
        return "".join(f"{conn_id}={uri(item, conn_id)}\n" for conn_id, item in connections.items())
    document = {
        conn_id: {
            **{name: getattr(item, name) for name in FIELDS},
            "extra": json.dumps(item.extra) if item.extra is not None else None,  # all that Airflow 2 takes from a file
        }
        for conn_id, item in connections.items()
    }
    if form == "yaml":
        found: str = yaml.safe_dump(document, sort_keys=False)
        return found
    return json.dumps(document, indent=2) + "\n"


def lost(item: Connection, form: str) -> str:
    """What the format has no place for, and no hook looks at."""
    return "its description is left out, because a URI has none" if form == "env" and item.description else ""


def uri(item: Connection, conn_id: str) -> str:
    """A URI from which Airflow reads the same connection, but that an empty text is none.

    Airflow lower-cases a host before it decodes it, so that its capitals are encoded; what is in `__extra__` it takes as it
    is (`airflow.models.connection.Connection._parse_from_uri`). Raises Malformed.
    """
    if not _SCHEME.fullmatch(item.conn_type):
        raise Malformed(f"{conn_id}: no URI begins with {item.conn_type!r}", "export it with --format json")
    password = f":{_quoted(item.password)}" if item.password else ""
    login = f"{_quoted(item.login)}{password}@" if item.login or password else ""
    port = f":{item.port}" if item.port is not None else ""
    extra = f"?__extra__={_quoted(json.dumps(item.extra))}" if item.extra is not None else ""
    scheme = item.conn_type.replace("_", "-")
    host = re.sub(r"(?<!%)(?<!%.)[A-Z]", lambda match: f"%{ord(match[0]):02X}", _quoted(item.host))
    return f"{scheme}://{login}{host}{port}/{_quoted(item.schema)}{extra}"


def _quoted(value: str | None) -> str:
    return quote(value or "", safe="")
