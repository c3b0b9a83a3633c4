"""Whether the connection that Airflow finds holds the key that it should hold: asked by rotations, of the very process of a check."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bootstrap.checks.base import Cause, Diagnosed
from bootstrap.domain.connection import Connection
from bootstrap.explain.registered import digest
from bootstrap.util.json_text import loads

_EXTRA = "extra."


@dataclass(frozen=True)
class ExpectedKey:
    """What these fields of each connection must be."""

    connections: Mapping[str, Connection] = field(default_factory=dict)
    fields: Sequence[str] = ()

    def told(self, key: str) -> dict[str, Any]:
        """What a check's process learns of it: plain data without a secret, for `require`. `key`: of the digests."""
        digests = {
            conn_id: digest(key, [_field(conn, conn.extra or {}, field) for field in self.fields])
            for conn_id, conn in self.connections.items()
        }
        return {"fields": list(self.fields), "digests": digests}


NO_KEY = ExpectedKey()


def require(conn_id: str, conn: Any, source: str, told: Mapping[str, Any], key: str) -> None:
    """Raises Diagnosed if Airflow's connection is another than the one expected, where one is."""
    wanted = told.get("digests", {}).get(conn_id)
    if wanted is None:
        return
    found = digest(key, [_field(conn, conn.extra_dejson, field) for field in told["fields"]])
    if not hmac.compare_digest(found, wanted):
        message = f"Airflow finds another key in {source} than the one that is put in use"
        raise Diagnosed(Cause("check_error", message, f"airflow-bootstrap explain {conn_id}"))


def _field(conn: Any, extra: Mapping[str, Any], field: str) -> Any:
    value = extra.get(field.removeprefix(_EXTRA)) if field.startswith(_EXTRA) else getattr(conn, field)
    try:
        return loads(value) if isinstance(value, str) and value.lstrip().startswith("{") else value
    except ValueError:
        return value
