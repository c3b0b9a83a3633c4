"""Reads all connections and variables inside an Airflow process, from the database that airflow.cfg names.

`python -m bootstrap.convert.database_child` prints one JSON object to stdout, which is a pipe: `{"connections": [{"name":
…, "problem": "" or why it can't be read, "fields": {…}}], "variables": [{"name": …, "problem": …, "value": …,
"described": …}]}`, or `{"error": a class of bootstrap.errors, "message": …, "hint": …}`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from bootstrap.airflow.child_protocol import answering, starting, told
from bootstrap.domain.secret import foreign
from bootstrap.errors import OLD_KEY, UNDECRYPTABLE, AirflowError, BootstrapError, Unavailable

_FIELDS = ("conn_type", "description", "host", "login", "schema", "port")


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
        from airflow.models.connection import Connection
        from airflow.models.crypto import get_fernet
        from airflow.models.variable import Variable
    from bootstrap.airflow import compat

    if missing := compat.missing_database():
        raise AirflowError(f"metadata database: {missing.partition(':')[0]}", "name the AIRFLOW_HOME of an Airflow")
    compat.read_only()
    try:
        decrypt = _Decryption(get_fernet())
    except Exception as err:
        raise AirflowError("metadata database: [core] fernet_key is not a Fernet key", OLD_KEY) from err
    return {
        "connections": [_connection(row, decrypt) for row in _rows(Connection.__table__, "conn_id")],
        "variables": [_variable(row, decrypt) for row in _rows(Variable.__table__, "key")],
    }


def _rows(table: Any, order: str) -> list[Mapping[str, Any]]:
    """Without Airflow's models: those hand each value to its masker, and a thousand take a minute."""
    from airflow import settings
    from sqlalchemy import select

    with settings.engine.connect() as connection:
        found = connection.execute(select(table).order_by(table.c[order]))
        return [dict(row._mapping) for row in found]  # noqa: SLF001  its public name since SQLAlchemy 1.4


class _Decryption:
    def __init__(self, fernet: Any) -> None:
        self._fernet = fernet

    def __call__(self, value: str | None, *, encrypted: bool) -> str | None:
        """Raises ValueError or InvalidToken."""
        if not value or not encrypted:
            return value
        if not self._fernet.is_encrypted:
            msg = "there is no key"
            raise ValueError(msg)
        return str(self._fernet.decrypt(value.encode()), "utf-8")


def _connection(row: Mapping[str, Any], decrypt: Callable[..., str | None]) -> dict[str, Any]:
    fields = {name: row[name] for name in _FIELDS}
    problem = _team(row)
    for name, flag in (("password", "is_encrypted"), ("extra", "is_extra_encrypted")):
        try:
            fields[name] = decrypt(row[name], encrypted=row[flag])
        except Exception:  # InvalidToken, and what a text is that was cut off
            problem = problem or f"its {name} {UNDECRYPTABLE}"
    return {"name": row["conn_id"], "problem": problem, "fields": {} if problem else fields}


def _variable(row: Mapping[str, Any], decrypt: Callable[..., str | None]) -> dict[str, Any]:
    problem, value = _team(row), None
    try:
        value = decrypt(row["val"], encrypted=row["is_encrypted"])
    except Exception:
        problem = problem or f"it {UNDECRYPTABLE}"
    if value is None:
        problem = problem or "it has no value"
    return {"name": row["key"], "problem": problem, "value": value, "described": bool(row.get("description"))}


def _team(row: Mapping[str, Any]) -> str:
    return f"it belongs to the team {row['team_name']}" if row.get("team_name") is not None else ""


if __name__ == "__main__":
    main()
