"""Whether the connection that Airflow finds holds the key that it should hold: asked by rotations, of the very process of a check.

Nothing secret leaves that process: it gets digests, under a key of this one run, through a pipe.
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from bootstrap.checks._errors import Diagnosed
from bootstrap.checks.base import Cause
from bootstrap.domain.connection import Connection
from bootstrap.domain.secret import Secret
from bootstrap.util.canonical_json import canonical
from bootstrap.util.json_text import loads

VARIABLE = "AIRFLOW_BOOTSTRAP_EXPECTED"
_EXTRA = "extra."


def expecting(connections: Mapping[str, Connection], fields: Sequence[str]) -> Mapping[str, Secret]:
    """The variable that tells a check's process what these fields must be."""
    key = secrets.token_hex(16)
    digests = {
        conn_id: _digest(key, [_field(conn, conn.extra or {}, field) for field in fields])
        for conn_id, conn in connections.items()
    }
    return {VARIABLE: Secret(json.dumps({"key": key, "fields": list(fields), "digests": digests}))}


def require(conn_id: str, conn: Any, source: str) -> None:
    """Raises Diagnosed if Airflow's connection is another than the one expected, where one is."""
    told = json.loads(os.environ.get(VARIABLE) or "{}")
    wanted = told.get("digests", {}).get(conn_id)
    if wanted is None:
        return
    found = _digest(told["key"], [_field(conn, conn.extra_dejson, field) for field in told["fields"]])
    if not hmac.compare_digest(found, wanted):
        message = f"Airflow finds another key in {source} than the one that is put in use"
        raise Diagnosed(Cause("check_error", message, f"airflow-bootstrap explain {conn_id}"))


def _field(conn: Any, extra: Mapping[str, Any], field: str) -> Any:
    value = extra.get(field.removeprefix(_EXTRA)) if field.startswith(_EXTRA) else getattr(conn, field)
    try:
        return loads(value) if isinstance(value, str) and value.lstrip().startswith("{") else value
    except ValueError:
        return value


def _digest(key: str, values: Sequence[Any]) -> str:
    return hmac.new(key.encode(), canonical(values).encode(), "sha256").hexdigest()
