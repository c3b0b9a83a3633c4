"""What Airflow keeps encrypted in its metadata database, and with which keys. Imported only inside Airflow's own processes."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import airflow.models.xcom  # noqa: F401  brings the table
from airflow import settings
from airflow.cli.commands import rotate_fernet_key_command  # noqa: F401  brings every model that it re-encrypts
from airflow.configuration import conf
from airflow.models.base import Base
from cryptography.fernet import Fernet, InvalidToken
from sqlalchemy import JSON, String, and_, cast, event, select, update

from bootstrap.airflow import warm_up
from bootstrap.domain.secret import foreign
from bootstrap.errors import AirflowError
from bootstrap.rotation.fernet.key_file import key_id, split
from bootstrap.targets.metadata.rows import BEGIN
from bootstrap.targets.metadata.tables import fernet

_NAMES = {  # table → the column that names a row, and how it is called
    "connection": ("conn_id", "connection"),
    "variable": ("key", "variable"),
    "trigger": ("id", "trigger"),
    "connection_test_request": ("connection_id", "test of the connection"),  # 3.3 and later
}
_FLAGS = {"password": "is_encrypted", "extra": "is_extra_encrypted", "val": "is_encrypted", "kwargs": None}
_BEGINNING = "gAAAA"  # of each Fernet token: its version and its time, as base64
_TOKEN = re.compile(rf"{_BEGINNING}[A-Za-z0-9_-]{{90,}}={{0,2}}")
_PLAIN_KWARGS = "{"  # a trigger's, where a migration could not encrypt them; Airflow reads them


@dataclass(frozen=True)
class Value:
    """An encrypted value: where it stands, and the name of its row."""

    table: Any
    column: str
    row: Any
    name: str
    token: str

    @property
    def plain(self) -> bool:
        """Whether it should be encrypted and isn't; `airflow rotate-fernet-key` fails at it."""
        return self.table.name == "trigger" and self.token.startswith(_PLAIN_KWARGS)


@dataclass(frozen=True)
class XCom:
    """One with something like a token in it; others than Airflow may have encrypted that.

    Airflow encrypts the options of a Delta or Iceberg table there, which `airflow rotate-fernet-key` leaves as they are.
    """

    table: Any
    row: Any
    value: Any

    @property
    def name(self) -> str:
        """For messages."""
        return f"XCom {self.row['dag_id']}.{self.row['task_id']}.{self.row['key']}"

    @property
    def tokens(self) -> list[str]:
        """What looks like one."""
        return _TOKEN.findall(json.dumps(self.value))

    def replace(self, connection: Any, new: Callable[[str], str]) -> None:
        """Write it with another token for each."""
        value = json.loads(_TOKEN.sub(lambda found: new(found[0]), json.dumps(self.value)))
        this = and_(*(column == self.row[column.name] for column in self.table.primary_key))
        connection.execute(update(self.table).where(this).values(value=value))


def look(retired: Sequence[str], *, xcoms: bool) -> dict[str, Any]:
    """The ids of Airflow's keys in order, the names of rows by the key they need, and those that Airflow can't read.

    A row needs the first of Airflow's keys that decrypts it, else one of the `retired`. `xcoms` may be very many.
    Raises AirflowError.
    """
    keys = {key_id(key): Fernet(key) for key in (*_own_keys(), *retired)}
    ids = list(map(key_id, _own_keys()))
    needing: dict[str, dict[str, None]] = {}
    unreadable: dict[str, None] = {}
    with settings.engine.connect() as connection:
        for value in _values(connection):
            if value.plain:
                continue
            holder = _holder(value.token, keys)
            if holder is not None:
                needing.setdefault(holder, {})[value.name] = None
            own = fernet()  # Airflow's own means; without a key it reads nothing that is encrypted
            if not (own.is_encrypted and _decrypts(own, value.token)):
                unreadable[f"{value.name} ({value.column})"] = None
        for xcom in _xcoms(connection) if xcoms else ():
            for holder in filter(None, (_holder(token, keys) for token in xcom.tokens)):
                needing.setdefault(holder, {})[xcom.name] = None
    return {
        "ids": ids,
        "needing": {holder: list(names) for holder, names in needing.items()},
        "unreadable": list(unreadable),
    }


def reencrypt() -> None:
    """Encrypt every row with Airflow's first key, by `airflow rotate-fernet-key`. Raises AirflowError.

    What needs it is done first, because that command leaves XComs out, and rows in 2.11 and 3.0 (it pages through them in
    no order, and Postgres moves what was updated), and fails as a whole at a trigger in plain text.
    """
    first = Fernet(_own_keys()[0])
    with _rows_locked():
        with settings.engine.begin() as connection:
            for value in list(_values(connection)):
                if value.plain or not _decrypts(first, value.token):
                    _replace(connection, value)
            for xcom in list(_xcoms(connection, lock=True)):
                if not all(_decrypts(first, token) for token in xcom.tokens):
                    xcom.replace(connection, _rotated)
        sys.argv = ["airflow", "rotate-fernet-key"]
        try:
            warm_up.command_line()
        except SystemExit as err:
            if err.code:
                raise AirflowError(
                    f"`airflow rotate-fernet-key` ended with {foreign(err.code)}",
                    "airflow db check-migrations  # tells why",
                ) from err


def _own_keys() -> list[str]:
    if not fernet().is_encrypted:  # raises AirflowError for one that is none
        return []
    return split(conf.get("core", "fernet_key"))


def _tables() -> Iterator[Any]:
    """Those that Airflow re-encrypts. Raises AirflowError for one that is not known here: its rows would be lost."""
    models = [mapper for mapper in Base.registry.mappers if hasattr(mapper.class_, "rotate_fernet_key")]
    for mapper in models:
        table = mapper.local_table
        if table.name not in _NAMES:
            raise AirflowError(
                f"metadata database: this Airflow encrypts the table {table.name}, too, which airflow-bootstrap can't check",
                "pip install --upgrade airflow-bootstrap",
            )
        yield table


def _values(connection: Any) -> Iterator[Value]:
    """As Airflow does: what is empty, or not flagged, is not encrypted."""
    for table in _tables():
        column, called = _NAMES[table.name]
        encrypted = {name: flag for name, flag in _FLAGS.items() if name in table.c}
        wanted = {"id", column, *encrypted, *filter(None, encrypted.values())}
        for found in connection.execute(select(*(table.c[name] for name in sorted(wanted))).order_by(table.c.id)).all():
            row: Mapping[str, Any] = found._mapping  # noqa: SLF001  its public name since SQLAlchemy 1.4
            for name, flag in encrypted.items():
                if row[name] and (flag is None or row[flag]):
                    yield Value(table, name, row["id"], f"{called} {row[column]}", row[name])


def _xcoms(connection: Any, *, lock: bool = False) -> Iterator[XCom]:
    """Those with something like a token. Looks at every XCom there is; not for Airflow 2, which has XComs as bytes."""
    table = next(it for mapper in Base.registry.mappers if (it := mapper.local_table).name == "xcom")
    if not isinstance(table.c.value.type, JSON):
        return
    query = select(table).where(cast(table.c.value, String).contains(_BEGINNING))
    for row in connection.execute(query.with_for_update() if lock else query).all():
        fields = row._mapping  # noqa: SLF001  its public name since SQLAlchemy 1.4
        yield XCom(table, fields, fields["value"])


def _holder(token: str, keys: Mapping[str, Fernet]) -> str | None:
    return next((name for name, key in keys.items() if _decrypts(key, token)), None)


def _decrypts(key: Any, token: str) -> bool:
    try:
        key.decrypt(token.encode())
    except InvalidToken:
        return False
    return True


def _replace(connection: Any, value: Value) -> None:
    found = fernet()
    data = value.token.encode()
    new = found.encrypt(data) if value.plain else found.rotate(data)
    table = value.table
    connection.execute(update(table).where(table.c.id == value.row).values({table.c[value.column]: new.decode()}))


def _rotated(token: str) -> str:
    """With the first key; what none of Airflow's keys decrypts stays as it is."""
    found = fernet()
    return str(found.rotate(token.encode()).decode()) if _decrypts(found, token) else token


@contextmanager
def _rows_locked() -> Iterator[None]:
    """Each transaction keeps others from writing these rows: Airflow's command reads them all and writes them back later.

    Else it would undo what somebody wrote meanwhile, and fail at a trigger that is done.
    """
    tables = list(_tables())

    def lock(connection: Any) -> None:
        dialect = connection.dialect.name
        for statement in BEGIN.get(dialect, ()):
            connection.exec_driver_sql(statement)
        if dialect != "sqlite":
            for table in tables:
                connection.execute(select(table.c.id).order_by(table.c.id).with_for_update()).all()

    event.listen(settings.engine, "begin", lock)
    try:
        yield
    finally:
        event.remove(settings.engine, "begin", lock)
