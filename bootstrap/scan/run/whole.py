"""`scan --run`: the static answer, and what a run adds to it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bootstrap.scan.result import Result
from bootstrap.scan.run.merge import merged
from bootstrap.scan.run.parsing import TIMEOUT, Asked, parse
from bootstrap.scan.sources.files import collect
from bootstrap.scan.whole import is_test


def with_run(
    result: Result,
    dags: Path,
    variables: Mapping[str, str],
    timeout: float = TIMEOUT,
    cache: Path | None = None,
) -> Result:
    """`result` is the static answer for `dags`, `variables` are the manifest's `airflow.env`, `timeout` is in seconds for each file.

    Raises AirflowError where Airflow isn't installed or doesn't start.
    """
    types = {each.conn_id: each.declared_type or each.conn_type for each in result.connections}
    known = {conn_id: conn_type for conn_id, conn_type in types.items() if conn_type}
    return merged(result, parse(Asked(result.folder, dag_files(dags), known, variables, timeout, cache)))


def dag_files(dags: Path) -> list[str]:
    """What Airflow would parse, relative to the scanned folder: Python files that speak of DAGs, and zips with such."""
    collected = collect(dags)
    found = (file for file in collected.files if file.might_hold_dag and not is_test(file))
    return list(dict.fromkeys(file.location.relative_to(collected.folder).as_posix() for file in found))
