"""Cloud Storage to BigQuery: loads a CSV from the bucket into the dataset, compares the rows and removes both."""

from __future__ import annotations

import csv
import io
from contextlib import ExitStack
from typing import Any

from bootstrap.checks import _google, bigquery
from bootstrap.checks._objects import GCS
from bootstrap.checks._reach import reach
from bootstrap.checks.base import CheckParams, Run, connection

_COLUMNS = ("name", "code")
_ROWS = [("00123", "digits stay text"), ('comma, "quote"\nand newline', "żółć 雪 🙂"), ("plain", "")]


class Params(CheckParams):
    """`bucket` and `dataset` must be in one location, which `location` names if it is neither the US nor the EU.

    `prefix` goes before the object's name, as in `smoke/`.
    """

    bucket: str
    dataset: bigquery.Dataset
    prefix: str = ""
    location: str | None = None

    @property
    def writes(self) -> bool:
        """An object and a table."""
        return True


CONN_TYPES = ()  # a bucket and a dataset must be named
PROVIDERS = (_google.PROVIDER,)
PERMISSIONS = (
    "storage.objects.create, .get and .delete",
    "bigquery.jobs.create",
    "bigquery.tables.create, .updateData, .get, .getData and .delete",
)
COMPARES = "the table's rows with those of the run's own CSV"
CREATES = "an object of some bytes, a load job and a table of three rows"
IMPORTS = ("airflow.providers.google.cloud.transfers.gcs_to_bigquery",)
STEPS = ("access", "write")
authenticate = _google.login
cause = _google.cause
place = _google.place
endpoint = bigquery.endpoint


def prepare(conn_id: str, params: Params, run: Run) -> None:
    """Upload the CSV."""
    if storage := GCS.endpoint(connection(conn_id)):
        reach(storage)
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows([_COLUMNS, *_ROWS])
    content = file.getvalue().encode()
    GCS.hook(conn_id).upload(bucket_name=params.bucket, object_name=_object(params, run), data=content)


def task(conn_id: str, params: Params, run: Run) -> Any:
    """Airflow's operator has BigQuery load it, and waits."""
    from airflow.providers.google.cloud.transfers.gcs_to_bigquery import GCSToBigQueryOperator

    return GCSToBigQueryOperator(
        gcp_conn_id=conn_id,
        bucket=params.bucket,
        source_objects=[_object(params, run)],
        destination_project_dataset_table=_table(params, run),
        schema_fields=[{"name": name, "type": "STRING"} for name in _COLUMNS],
        autodetect=False,
        skip_leading_rows=1,
        allow_quoted_newlines=True,
        write_disposition="WRITE_TRUNCATE",
        job_id=run.name,
        location=params.location,
        deferrable=False,
        **run.arguments,
    )


def verify(conn_id: str, params: Params, run: Run, result: Any) -> str:  # noqa: ARG001
    """Compare the table with the CSV. Raises RuntimeError if they differ."""
    run.tell(measured={"route": "service to service"})
    found = bigquery.rows_of(conn_id, _table(params, run))
    if len(found) != len(_ROWS):
        raise RuntimeError(f"the table should hold {len(_ROWS)} rows; it holds {len(found)}")
    for row, wanted in zip(found, sorted(_ROWS), strict=True):
        if tuple(value or "" for value in row) != wanted:
            raise RuntimeError(f"the CSV has {wanted}; the table has {row}")
    return f"{len(found)} rows"


def clean(conn_id: str, params: Params, run: Run) -> None:
    """Remove the table and the object, either of them also if the other can't be."""
    with ExitStack() as both:
        both.callback(GCS.delete, conn_id, params.bucket, [_object(params, run)])
        both.callback(bigquery.remove_table, conn_id, _table(params, run))


def sweep(conn_id: str, params: Params, run: Run) -> int:  # noqa: ARG001
    """Remove what earlier runs left of either."""
    return GCS.sweep(conn_id, params.bucket, params.prefix) + bigquery.sweep_tables(conn_id, params.dataset)


def _object(params: Params, run: Run) -> str:
    return f"{params.prefix}{run.name}.csv"


def _table(params: Params, run: Run) -> str:
    return f"{params.dataset}.{run.identifier}"
