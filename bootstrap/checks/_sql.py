"""What the checks of SQL databases have in common."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator
from typing_extensions import Self

from bootstrap.checks.base import CheckParams, Run

Right = Literal["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE"]


class SqlParams(CheckParams):
    """`table` is a table, or schema.table, that the login must be able to read; `write` fills a temporary table."""

    table: Annotated[str, Field(pattern=r"^[^.\"`\s]+(\.[^.\"`\s]+)?$")] | None = None
    write: bool = False

    @property
    def writes(self) -> bool:
        """With `write`. The table goes with the session."""
        return self.write


class ServerParams(SqlParams):
    """`table` is a table, or schema.table, that the login must be able to read. `rights` are the rights that it must have there
    instead: with [INSERT], SELECT may be missing. The server is asked for them; nothing is written. `write` fills a temporary table.
    """

    rights: list[Right] = []

    @model_validator(mode="after")
    def _rights_of_a_table(self) -> Self:
        if self.rights and not self.table:
            raise ValueError("`rights` need a `table`")
        return self

    @property
    def asked(self) -> list[Right]:
        """The rights that reading a row doesn't prove."""
        return [right for right in dict.fromkeys(self.rights) if right != "SELECT"]

    @property
    def reads(self) -> bool:
        """Whether a row of the table is to be read."""
        return bool(self.table) and (not self.rights or "SELECT" in self.rights)


def operator(conn_id: str, params: ServerParams, run: Run, asking: Sequence[str], quote: str = '"') -> Any:
    """Airflow's SQL operator; its last statement returns one row with a number. `asking` goes before all others."""
    statements = [*asking, reading(params if params.reads else SqlParams(write=params.write), run, quote)]
    if params.write:
        statements += [
            f"CREATE TEMPORARY TABLE {run.identifier} (id INTEGER)",
            f"INSERT INTO {run.identifier} VALUES (1)",  # noqa: S608
            f"SELECT {number(run)} + count(*) FROM {run.identifier}",  # noqa: S608
        ]
    return operator_for(conn_id, statements, run)


def operator_for(conn_id: str, statements: Sequence[str], run: Run) -> Any:
    """Airflow's SQL operator for these statements, in one session; nothing in them is templated for us."""
    from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator

    return SQLExecuteQueryOperator(conn_id=conn_id, sql=list(statements), **run.arguments)


def reading(params: SqlParams, run: Run, quote: str = '"', otherwise: str = "") -> str:
    """A query that counts a row of `table`, if there is one; without `table`, those of `otherwise`, or none. It adds the run's number."""
    if not params.table:
        return f"SELECT {number(run)} + {f'count(*) FROM {otherwise}' if otherwise else '1'}"  # noqa: S608
    return f"SELECT {number(run)} + count(*) FROM (SELECT 1 FROM {quoted(params.table, quote)} LIMIT 1) AS one_row"  # noqa: S608  no quote passes Params


def quoted(table: str, quote: str = '"') -> str:
    """A table's name as SQL takes it."""
    return ".".join(f"{quote}{part}{quote}" for part in table.split("."))


def number(run: Run) -> int:
    """What each result of a run begins with: no server gives it that doesn't calculate."""
    return int(sha256(run.id.encode()).hexdigest()[:6], 16)


def verify(conn_id: str, params: SqlParams, run: Run, result: Any) -> str | None:  # noqa: ARG001
    """The database has calculated, and what was written has been read. Raises RuntimeError."""
    while isinstance(result, list | tuple):  # rows of the last statement, or a list with them
        result = result[-1] if result else None
    if not isinstance(result, int) or result < number(run):
        raise RuntimeError("what answers does not calculate what it is asked: it is no database")
    if params.write and result != number(run) + 1:
        raise RuntimeError(f"the temporary table should hold one row; it holds {result - number(run)}")
    return None
