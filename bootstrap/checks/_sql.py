"""What the checks of SQL databases have in common."""

from __future__ import annotations

from collections.abc import Sequence
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
    return operator_for(conn_id, [reading(params, quote), *(_writing(run) if params.write else ())], run)


def operator_for(conn_id: str, statements: Sequence[str], run: Run) -> Any:
    """Airflow's SQL operator for these statements, in one session; nothing in them is templated for us."""
    from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator

    return SQLExecuteQueryOperator(conn_id=conn_id, sql=list(statements), **run.arguments)


def reading(params: SqlParams, quote: str = '"', otherwise: str = "SELECT 1") -> str:
    """A query that reads a row of `table`, if there is one; without `table`, `otherwise`."""
    if not params.table:
        return otherwise
    name = ".".join(f"{quote}{part}{quote}" for part in params.table.split("."))
    return f"SELECT count(*) FROM (SELECT 1 FROM {name} LIMIT 1) AS one_row"  # noqa: S608  no quote passes Params


def _writing(run: Run) -> Sequence[str]:
    return (
        f"CREATE TEMPORARY TABLE {run.identifier} (id INTEGER)",
        f"INSERT INTO {run.identifier} VALUES (1)",  # noqa: S608
        f"SELECT count(*) FROM {run.identifier}",  # noqa: S608
    )


def verify(conn_id: str, params: SqlParams, run: Run, result: Any) -> str | None:  # noqa: ARG001
    """What was written must have been read. Raises RuntimeError."""
    while isinstance(result, list | tuple):  # rows of the last statement, or a list with them
        result = result[-1]
    if params.write and result != 1:
        raise RuntimeError(f"the temporary table should hold one row; it holds {result}")
    return None
