"""Reads all connections and variables inside an Airflow process, from the database that airflow.cfg names.

`python -m bootstrap.convert.database_child` prints one JSON object to stdout, which is a pipe: `{"connections": [{"name":
…, "problem": "" or why it can't be read, "fields": {…}}], "variables": [{"name": …, "problem": …, "value": …,
"described": …}]}`, or `{"error": a class of bootstrap.errors, "message": …, "hint": …}`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bootstrap.airflow.child_protocol import answering, starting, told
from bootstrap.domain.secret import foreign
from bootstrap.errors import OLD_KEY, UNDECRYPTABLE, AirflowError, BootstrapError, Unavailable

if TYPE_CHECKING:
    from bootstrap.targets.metadata.tables import Table


def main() -> None:
    """Airflow prints to stdout, so the answer has a descriptor of its own."""
    with answering() as tell:
        tell(told(_read, _translated))


def _translated(err: Exception) -> BootstrapError:
    """Without a value: the first line of what the database's driver says, or a class."""
    said = foreign(str(getattr(err, "orig", ""))).partition("\n")[0] or type(err).__name__
    kind = Unavailable if type(err).__name__ == "OperationalError" else AirflowError
    return kind(f"metadata database: {said}", f"AIRFLOW_HOME={os.environ.get('AIRFLOW_HOME', '')} airflow db check")


def _read() -> dict[str, Any]:
    with starting():
        from bootstrap.targets.metadata import tables
    from bootstrap.airflow import compat

    if missing := compat.missing_database():
        raise AirflowError(f"metadata database: {missing.partition(':')[0]}", "name the AIRFLOW_HOME of an Airflow")
    compat.read_only()
    try:
        tables.fernet()
    except AirflowError as err:
        raise AirflowError(err.message, OLD_KEY) from err
    return {
        "connections": [_connection(row, tables.CONNECTIONS) for row in _rows(tables.CONNECTIONS)],
        "variables": [_variable(row, tables.VARIABLES) for row in _rows(tables.VARIABLES)],
    }


def _rows(table: Table) -> list[Mapping[str, Any]]:
    """Without Airflow's models: those hand each value to its masker, and a thousand take a minute."""
    from airflow import settings
    from sqlalchemy import select

    with settings.engine.connect() as connection:
        found = connection.execute(select(table.table).order_by(table.table.c[table.name]))
        return [dict(row._mapping) for row in found]  # noqa: SLF001  its public name since SQLAlchemy 1.4


def _connection(row: Mapping[str, Any], table: Table) -> dict[str, Any]:
    shown = table.shown(row)
    problem = _team(row) or shown.get("undecryptable", "")
    return {"name": row["conn_id"], "problem": problem, "fields": {} if problem else shown["fields"]}


def _variable(row: Mapping[str, Any], table: Table) -> dict[str, Any]:
    shown = table.shown(row)
    value = shown["fields"]["val"] if "fields" in shown else None
    problem = f"it {UNDECRYPTABLE}" if "undecryptable" in shown else "it has no value" if value is None else ""
    problem = _team(row) or problem
    return {"name": row["key"], "problem": problem, "value": value, "described": bool(row.get("description"))}


def _team(row: Mapping[str, Any]) -> str:
    return f"it belongs to the team {row['team_name']}" if row.get("team_name") is not None else ""


if __name__ == "__main__":
    main()
