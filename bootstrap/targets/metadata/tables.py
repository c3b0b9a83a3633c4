"""Airflow's tables of connections and variables, row by row. Imported only inside Airflow's own processes.

Airflow's models are not made for any row: they would hand each value to Airflow's secrets masker, which compiles all of
them anew for each, so that a thousand take a minute.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow.exceptions import AirflowException
from airflow.models.connection import Connection
from airflow.models.crypto import get_fernet
from airflow.models.variable import Variable
from cryptography.fernet import InvalidToken
from sqlalchemy import bindparam, delete, insert, select, update

from bootstrap.errors import UNDECRYPTABLE, AirflowError
from bootstrap.targets.base import Kind

NO_KEY = "Airflow has no Fernet key"
SET_KEY = (
    "set [core] fernet_key to the key that the database is encrypted with; of a new database, to what this prints: "
    'python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"'
)
_AT_ONCE = 500  # names in one query: SQLite takes 999 in some versions

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Table:
    """One of them: its table, the column of the names, and those of what is registered.

    `encrypted` maps a column to the one that says whether it is encrypted.
    """

    table: Any
    name: str
    plain: tuple[str, ...]
    encrypted: Mapping[str, str]

    def stored(self, connection: Any, names: Iterable[str], *, lock: bool = False) -> dict[str, Row]:
        """The rows of these names."""
        wanted, column = list(names), self.table.c[self.name]
        found: dict[str, Row] = {}
        for start in range(0, len(wanted), _AT_ONCE):
            query = select(self.table).where(column.in_(wanted[start : start + _AT_ONCE]))
            rows = connection.execute(query.with_for_update() if lock else query)
            found |= {row._mapping[column]: dict(row._mapping) for row in rows}  # noqa: SLF001  its public name since 1.4
        return found

    def write(self, connection: Any, rows: Mapping[str, Row | None], stored: Mapping[str, Row]) -> None:
        """Insert, update, or delete where there is None."""
        new = [row for name, row in rows.items() if row is not None and name not in stored]
        old = [{"of": stored[name]["id"], **row} for name, row in rows.items() if row is not None and name in stored]
        gone = [{"of": stored[name]["id"]} for name, row in rows.items() if row is None and name in stored]
        this = self.table.c.id == bindparam("of")
        if new:
            connection.execute(insert(self.table), new)
        if old:
            connection.execute(update(self.table).where(this), old)
        if gone:
            connection.execute(delete(self.table).where(this), gone)

    def shown(self, row: Row) -> dict[str, Any]:
        """A row in plain text, with its version; or why it can't be read."""
        fields = {name: row[name] for name in self.plain}
        for name, flag in self.encrypted.items():
            try:
                fields[name] = decrypted(row[name], encrypted=row[flag])
            except (InvalidToken, ValueError):
                return {"version": version(row), "undecryptable": f"its {name} {UNDECRYPTABLE}"}
        return {"version": version(row), "fields": fields}

    def state(self, row: Row) -> str:
        """What a row says, as text with its secrets: the same whichever key it is encrypted with. What can't be read: as it is."""
        fields = self.shown(row).get("fields") or {name: row[name] for name in (*self.plain, *self.encrypted)}
        return json.dumps([row[self.name], fields, row.get("description"), row.get("team_name")], sort_keys=True)

    def require_no_team(self, row: Row) -> None:
        """Raises AirflowError for a row of a team."""
        if is_of_a_team(row):
            raise AirflowError(
                f"metadata database: {row[self.name]} belongs to the team {row['team_name']}, whose tasks alone see it",
                "take it from the team, or give it another name in the manifest",
            )

    def row(self, name: str, fields: Mapping[str, Any]) -> Row:
        """All columns that are ours. What is empty is stored as it is: so Airflow reads '' as '', and None as None."""
        found = fernet()
        row = {self.name: name, **{column: fields.get(column) for column in self.plain}}
        for column, flag in self.encrypted.items():
            value = fields.get(column)
            row[column] = found.encrypt(value.encode()).decode() if value else value
            row[flag] = bool(value and found.is_encrypted)
        return row


CONNECTIONS = Table(
    Connection.__table__,
    "conn_id",
    ("conn_type", "description", "host", "login", "schema", "port"),
    {"password": "is_encrypted", "extra": "is_extra_encrypted"},
)
VARIABLES = Table(Variable.__table__, "key", (), {"val": "is_encrypted"})
BY_KIND: Mapping[Kind, Table] = {"connection": CONNECTIONS, "variable": VARIABLES}


def is_of_a_team(row: Row) -> bool:
    """True if only a team's tasks see it. Airflow before 3.2 has no teams."""
    return row.get("team_name") is not None


def version(row: Row) -> str:
    """All that is stored, as it is stored: an encrypted value is another each time that it is written."""
    return hashlib.sha256(json.dumps(row, sort_keys=True, default=str).encode()).hexdigest()


def fernet() -> Any:
    """Airflow's own, which it makes once. Raises AirflowError for a key that is none."""
    try:
        return get_fernet()
    except AirflowException as err:
        raise AirflowError("metadata database: [core] fernet_key is not a Fernet key", SET_KEY) from err


def decrypted(value: str | None, *, encrypted: bool) -> str | None:
    """Raises InvalidToken, or ValueError where Airflow has no key."""
    if not value or not encrypted:
        return value
    found = fernet()
    if not found.is_encrypted:
        raise ValueError(NO_KEY)
    return str(found.decrypt(value.encode()), "utf-8")
