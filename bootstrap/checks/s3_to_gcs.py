"""S3 to GCS: moves an object of `size` with S3ToGCSOperator, compares what arrived, and measures what it cost the worker."""

from __future__ import annotations

from functools import partial
from typing import Any

from bootstrap.checks import _aws, _google, _transfer
from bootstrap.checks.base import Run


class Params(_transfer.TransferParams):
    """From `bucket` of the connection that has the check, below `prefix`, to `to`: {connection, bucket, prefix} at GCS.

    `size` is bytes, or text such as "10MB"; 1 GB at most. From about 20MB on it shows whether memory grows with it.
    """

    bucket: str
    prefix: _transfer.Prefix = ""
    to: _transfer.Destination

    @property
    def connections(self) -> tuple[str, ...]:
        """That of GCS."""
        return (self.to.connection,)


CONN_TYPES = ()  # buckets must be named
PROVIDERS = (_aws.PROVIDER, _google.PROVIDER)
PERMISSIONS = (
    "at S3 s3:PutObject, s3:GetObject, s3:ListBucket and s3:DeleteObject",
    "at GCS storage.objects.create, storage.objects.get and storage.objects.delete",
)
COMPARES = "size and checksum of what arrived with what was sent"
CREATES = "three objects on each side, two small ones and one of `size`"
STEPS = ("access", "write")
cause = _transfer.cause


def endpoint(conn: Any) -> Any:
    """The connection's endpoint_url, else S3's address in its region."""
    return _aws.service_endpoint(conn, "s3")


def authenticate(conn_id: str, params: Params, run: Run) -> str:
    """Log in at both sides."""
    return _transfer.logins(
        (conn_id, lambda name: _aws.login_if_told(name, params, run)),
        (params.to.connection, lambda name: _google.login(name, params, run)),
    )


def prepare(conn_id: str, params: Params, run: Run) -> None:
    """Make the objects that are moved, from a file: nothing is held in memory."""
    hook = _aws.s3_hook(conn_id)
    for name, size in _transfer.names(params, run).items():
        with _transfer.side(conn_id), _transfer.temporary_file(run, size) as file:
            hook.load_file(file, params.prefix + name, params.bucket, replace=True)


def task(conn_id: str, params: Params, run: Run) -> Any:
    """S3ToGCSOperator, with the object's whole name as prefix."""
    from airflow.providers.google.cloud.transfers.s3_to_gcs import S3ToGCSOperator

    return _transfer.operator(
        S3ToGCSOperator,
        run,
        params.total,
        partial(_sources, params, run),
        buffers=(_transfer.S3_DOWNLOAD, _transfer.GCS_UPLOAD),
        bucket=params.bucket,
        aws_conn_id=conn_id,
        gcp_conn_id=params.to.connection,
        dest_gcs=f"gs://{params.to.bucket}/{params.to.folder}",
        replace=True,  # asks for no listing of the destination; the names are new anyway
        deferrable=False,
    )


def verify(conn_id: str, params: Params, run: Run, result: Any) -> str:  # noqa: ARG001
    """The operator says that all is in sync, too, when it finds nothing to move."""
    name, bucket = _arrived(params, run)[-1], params.to.bucket
    found = _transfer.gcs_found(params.to.connection, bucket, name)
    wanted = params.total, _transfer.digest(_transfer.pieces(run, params.total))
    return _transfer.compare(f"gs://{bucket}/{name}", found, wanted)


def clean(conn_id: str, params: Params, run: Run) -> None:
    """Delete the objects on both sides: on one also where the other fails."""
    try:
        _transfer.s3_delete(conn_id, params.bucket, [params.prefix + name for name in _transfer.names(params, run)])
    finally:
        _transfer.gcs_delete(params.to.connection, params.to.bucket, _arrived(params, run))


def sweep(conn_id: str, params: Params, run: Run) -> int:  # noqa: ARG001
    """Delete what earlier runs left on either side."""
    left = _transfer.s3_sweep(conn_id, params.bucket, params.prefix)
    return left + _transfer.gcs_sweep(params.to.connection, params.to.bucket, params.to.folder + params.prefix)


def _sources(params: Params, run: Run) -> Any:
    return tuple({"prefix": params.prefix + name} for name in _transfer.names(params, run))


def _arrived(params: Params, run: Run) -> list[str]:
    """The operator puts the whole name of the source below its destination."""
    return [params.to.folder + params.prefix + name for name in _transfer.names(params, run)]
