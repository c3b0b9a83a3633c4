"""What Airflow encrypts inside XComs: a Delta or Iceberg table's options. `airflow rotate-fernet-key` leaves it as it is.

Not for Airflow 2, which has XComs as bytes. Imported only inside Airflow's own processes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import airflow.models.xcom  # noqa: F401  brings the table
from airflow.models.base import Base
from sqlalchemy import JSON, String, and_, cast, select, update

_BEGINNING = "gAAAA"  # of each Fernet token: its version and its time, as base64
_TOKEN = re.compile(rf"{_BEGINNING}[A-Za-z0-9_-]{{90,}}={{0,2}}")


@dataclass(frozen=True)
class XCom:
    """One with something like a token in it; others than Airflow may have encrypted that."""

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


def found(connection: Any, *, lock: bool = False) -> Iterator[XCom]:
    """Those with something like a token. Looks at every XCom there is."""
    table = next(it for mapper in Base.registry.mappers if (it := mapper.local_table).name == "xcom")
    if not isinstance(table.c.value.type, JSON):
        return
    query = select(table).where(cast(table.c.value, String).contains(_BEGINNING))
    for row in connection.execute(query.with_for_update() if lock else query).all():
        fields = row._mapping  # noqa: SLF001  its public name since SQLAlchemy 1.4
        yield XCom(table, fields, fields["value"])
