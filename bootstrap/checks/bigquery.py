"""BigQuery: runs a query and reads its result; with `dataset`, into a table of that dataset, which is then removed."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from pydantic import Field

from bootstrap.checks import _google
from bootstrap.checks.base import CheckParams, Run, leftovers

Dataset = Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+$")]
_NUMBERS = [1, 2, 3]


class Params(CheckParams):
    """`dataset` gets a table for a moment; with `read_only` it is only looked up. It is in `project`, by default the connection's.

    Without a dataset the query reads no table. `location` is where the query runs, if not in the US or the dataset's.
    """

    dataset: Dataset | None = None
    project: Annotated[str, Field(pattern=r"^[a-z0-9.:-]+$")] | None = None
    location: str | None = None
    read_only: bool = False

    @property
    def writes(self) -> bool:
        """With `dataset`, unless `read_only`."""
        return self.dataset is not None and not self.read_only


CONN_TYPES = ()  # of a connection to Google's cloud nobody knows which of its services it is for
PROVIDERS = (_google.PROVIDER,)
PERMISSIONS = (
    "bigquery.jobs.create",
    "with `dataset` bigquery.tables.create, .updateData, .get, .getData and .delete",
    "with `dataset` and `read_only` bigquery.datasets.get",
)
COMPARES = "the rows that come back: the run's own name, or what its own table holds; with `read_only` the dataset's id"
CREATES = "a query job, and with `dataset` a table of three rows"
IMPORTS = ("airflow.providers.google.cloud.operators.bigquery",)
STEPS = ("access", "write")
authenticate = _google.login
cause = _google.cause
place = _google.place
endpoint = partial(_google.service_endpoint, service="bigquery", emulator="BIGQUERY_EMULATOR_HOST")


def prepare(conn_id: str, params: Params, run: Run) -> None:  # noqa: ARG001
    """Look the dataset up, if that is all that is to be done with it."""
    if params.dataset and params.read_only:
        asked = client(conn_id)
        found = asked.get_dataset(f"{params.project or asked.project}.{params.dataset}").reference.dataset_id
        if found != params.dataset:
            raise _google.other_service(f"the dataset {params.dataset}")


def task(conn_id: str, params: Params, run: Run) -> Any:
    """Airflow's operator submits the query and waits for it."""
    from airflow.providers.google.cloud.operators.bigquery import BigQueryInsertJobOperator

    query = f"SELECT '{run.name}' AS name"  # neither the run's name nor the dataset's pattern has a quote
    if params.writes:  # the statement, unlike destinationTable, knows the project
        rows = f"SELECT number FROM UNNEST({_NUMBERS}) AS number"  # noqa: S608
        project = f"`{params.project}`." if params.project else ""
        query = f"CREATE TABLE {project}`{params.dataset}`.`{run.identifier}` AS {rows}"
    return BigQueryInsertJobOperator(
        gcp_conn_id=conn_id,
        configuration={"query": {"query": query, "useLegacySql": False}},
        job_id=run.name,
        location=params.location,
        deferrable=False,
        **run.arguments,
    )


def verify(conn_id: str, params: Params, run: Run, result: Any) -> None:
    """Read what the query gave. Raises RuntimeError if that is wrong."""
    wanted: list[Any] = [(number,) for number in _NUMBERS] if params.writes else [(run.name,)]
    if params.writes:
        found = rows_of(conn_id, f"{params.dataset}.{run.identifier}", params.project)
    else:
        job = client(conn_id, params.location).get_job(str(result))
        found = sorted(row.values() for row in job.result())
    if found != wanted:
        raise RuntimeError(f"the query should have given {wanted}; it gave {found}")


def clean(conn_id: str, params: Params, run: Run) -> None:
    """Remove the table, if it was made."""
    remove_table(conn_id, f"{params.dataset}.{run.identifier}", params.project)


def sweep(conn_id: str, params: Params, run: Run) -> int:  # noqa: ARG001
    """Remove what earlier runs left."""
    return sweep_tables(conn_id, str(params.dataset), params.project)


def client(conn_id: str, location: str | None = None) -> Any:
    """Google's client for the connection's project, and for its jobs where the operator has them run."""
    from airflow.providers.google.cloud.hooks.bigquery import BigQueryHook

    hook = BigQueryHook(gcp_conn_id=conn_id, use_legacy_sql=False)
    usual = hook.location if isinstance(hook.location, str) else None
    return hook.get_client(project_id=hook.project_id, location=location or usual)


def rows_of(conn_id: str, table: str, project: str | None = None) -> list[tuple[Any, ...]]:
    """All rows of `dataset.table`, sorted. The project is the connection's, if none is named."""
    asked = client(conn_id)
    return sorted(row.values() for row in asked.list_rows(asked.get_table(f"{project or asked.project}.{table}")))


def remove_table(conn_id: str, table: str, project: str | None = None) -> None:
    """Remove `dataset.table`; it may be gone."""
    asked = client(conn_id)
    asked.delete_table(f"{project or asked.project}.{table}", not_found_ok=True)


def sweep_tables(conn_id: str, dataset: str, project: str | None = None) -> int:
    """Remove the tables that earlier runs left in a dataset; returns how many."""
    asked = client(conn_id)
    names = list(leftovers(table.table_id for table in asked.list_tables(f"{project or asked.project}.{dataset}")))
    for name in names:
        remove_table(conn_id, f"{dataset}.{name}", project)
    return len(names)
