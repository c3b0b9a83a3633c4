"""GCS to S3: moves an object of `size` with GCSToS3Operator, compares what arrived, and measures what it cost the worker."""

from __future__ import annotations

from functools import partial
from typing import Any

from bootstrap.checks import _aws, _google, _objects, _transfer
from bootstrap.checks.base import Run


class Params(_transfer.BetweenBuckets):
    """From `bucket` of the connection that has the check, below `prefix`, to `to`: {connection, bucket, prefix} at S3.

    `size` is bytes, or text such as "10MB"; 1 GB at most. From about 20MB on it shows whether memory grows with it.
    """


_WAY = _transfer.Way(_objects.GCS, _objects.S3)
CONN_TYPES = ()  # buckets must be named
PROVIDERS = (_google.PROVIDER, _aws.PROVIDER)
PERMISSIONS = (
    "at GCS storage.objects.create, storage.objects.get, storage.objects.list and storage.objects.delete",
    "at S3 s3:PutObject, s3:GetObject and s3:DeleteObject",
)
COMPARES = "size and checksum of what arrived with what was sent"
CREATES = "three objects on each side, two small ones and one of `size`"
IMPORTS = ("airflow.providers.amazon.aws.transfers.gcs_to_s3",)
STEPS = ("access", "write")
cause = _transfer.cause
endpoint = _objects.GCS.endpoint
authenticate = _WAY.authenticate
prepare = _WAY.prepare
verify = _WAY.verify
clean = _WAY.clean
sweep = _WAY.sweep


def task(conn_id: str, params: Params, run: Run) -> Any:
    """GCSToS3Operator, with the object's whole name as prefix."""
    from airflow.providers.amazon.aws.transfers.gcs_to_s3 import GCSToS3Operator

    return _transfer.operator(
        GCSToS3Operator,
        run,
        params.total,
        partial(_WAY.sources, params, run),
        buffers=(_transfer.S3_UPLOAD,),
        gcs_bucket=params.bucket,
        gcp_conn_id=conn_id,
        dest_aws_conn_id=params.to.connection,
        dest_s3_key=f"s3://{params.to.bucket}/{params.to.folder}",
        replace=True,  # asks for no listing of the destination; the names are new anyway
    )
