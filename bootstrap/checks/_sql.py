"""What the checks of SQL databases have in common."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Annotated, Any

from pydantic import Field

from bootstrap.checks.base import CheckParams, Run


class SqlParams(CheckParams):
    """`table` is a table, or schema.table, that the login must be able to read; `write` fills a temporary table."""

    table: Annotated[str, Field(pattern=r"^[^.\"`\s]+(\.[^.\"`\s]+)?$")] | None = None
    write: bool = False

    @property
    def writes(self) -> bool:
        """With `write`. The table goes with the session."""
        return self.write


def operator(conn_id: str, params: SqlParams, run: Run, quote: str = '"') -> Any:
    """Airflow's SQL operator; its last statement returns one row with a number."""
    statements = [reading(params, run, quote)]
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
    name = ".".join(f"{quote}{part}{quote}" for part in params.table.split("."))
    return f"SELECT {number(run)} + count(*) FROM (SELECT 1 FROM {name} LIMIT 1) AS one_row"  # noqa: S608  no quote passes Params


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
