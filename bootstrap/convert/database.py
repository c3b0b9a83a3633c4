"""A metadata database as a source: read by Airflow's own models and with its Fernet key, in a process of its own."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from bootstrap.airflow.child_protocol import require
from bootstrap.airflow.environment import Environment, require_airflow
from bootstrap.airflow.process import ask_airflow
from bootstrap.convert.found import Found
from bootstrap.domain import connection
from bootstrap.domain.connection import Connection
from bootstrap.errors import OLD_KEY, UNDECRYPTABLE, Malformed
from bootstrap.util.files import expanded

PREFIX = "metadata:"
_MODULE = "bootstrap.convert.database_child"
_PLACE = "metadata database"


def read(home: str, folder: Path) -> Found:
    """All connections and variables of the Airflow at `home`. Writes nothing there. Raises AirflowError."""
    place = expanded(home).absolute()
    environment = Environment(place, place / "airflow.cfg", {}, folder / ".bootstrap")
    require_airflow(environment)
    told = require(ask_airflow(environment, _MODULE))
    found = Found()
    for row in told["connections"]:
        where = f"{_PLACE}: connection {row['name']}"
        found.add_connection(row["name"], where, partial(_connection, row, where))
    for row in told["variables"]:
        where, problem = f"{_PLACE}: variable {row['name']}", row["problem"]
        if problem:
            found.leave_out(f"{where}: {problem}" + (f" ({OLD_KEY})" if UNDECRYPTABLE in problem else ""))
            continue
        if row["described"]:
            found.notes.append(f"{where}: its description is left out")
        found.add_variable(row["name"], where, row["value"])
    return found


def _connection(row: dict[str, Any], where: str) -> Connection:
    if row["problem"]:
        undecryptable = UNDECRYPTABLE in row["problem"]
        raise Malformed(f"{where}: {row['problem']}", OLD_KEY if undecryptable else "correct it in Airflow")
    return connection.from_fields(row["fields"], where)
