"""S3 to GCS: moves an object of `size` with S3ToGCSOperator, compares what arrived, and measures what it cost the worker."""

from __future__ import annotations

from functools import partial
from typing import Any

from bootstrap.checks import _aws, _google, _objects, _transfer
from bootstrap.checks.base import Run


class Params(_transfer.BetweenBuckets):
    """From `bucket` of the connection that has the check, below `prefix`, to `to`: {connection, bucket, prefix} at GCS.

    `size` is bytes, or text such as "10MB"; 1 GB at most. From about 20MB on it shows whether memory grows with it.
    """


_WAY = _transfer.Way(_objects.S3, _objects.GCS)
CONN_TYPES = ()  # buckets must be named
PROVIDERS = (_aws.PROVIDER, _google.PROVIDER)
PERMISSIONS = (
    "at S3 s3:PutObject, s3:GetObject, s3:ListBucket and s3:DeleteObject",
    "at GCS storage.objects.create, storage.objects.get and storage.objects.delete",
)
COMPARES = "size and checksum of what arrived with what was sent"
CREATES = "three objects on each side, two small ones and one of `size`"
IMPORTS = ("airflow.providers.google.cloud.transfers.s3_to_gcs",)
STEPS = ("access", "write")
cause = _transfer.cause
endpoint = _objects.S3.endpoint
authenticate = _WAY.authenticate
prepare = _WAY.prepare
verify = _WAY.verify
clean = _WAY.clean
sweep = _WAY.sweep


def task(conn_id: str, params: Params, run: Run) -> Any:
    """S3ToGCSOperator, with the object's whole name as prefix."""
    from airflow.providers.google.cloud.transfers.s3_to_gcs import S3ToGCSOperator

    return _transfer.operator(
        S3ToGCSOperator,
        run,
        params.total,
        partial(_WAY.sources, params, run),
        buffers=(_transfer.S3_DOWNLOAD, _transfer.GCS_UPLOAD),
        bucket=params.bucket,
        aws_conn_id=conn_id,
        gcp_conn_id=params.to.connection,
        dest_gcs=f"gs://{params.to.bucket}/{params.to.folder}",
        replace=True,  # asks for no listing of the destination; the names are new anyway
        deferrable=False,
    )
