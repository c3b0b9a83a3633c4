"""Google Cloud Storage: writes an object into the bucket, reads it back and deletes it; with `read_only`, lists."""

from __future__ import annotations

from typing import Any

from bootstrap.checks import _google, _objects
from bootstrap.checks.base import Run

Params = _objects.ObjectParams
CONN_TYPES = ()  # a bucket must be named
PROVIDERS = (_google.PROVIDER,)
PERMISSIONS = (
    "storage.objects.create",
    "storage.objects.get",
    "storage.objects.delete",
    "with `read_only` only storage.objects.list",
)
COMPARES = "what is read back from the run's own object; with `read_only` that the answer is a bucket's list of objects"
CREATES = "an object of some bytes"
IMPORTS = ("airflow.providers.google.cloud.hooks.gcs",)
STEPS = ("access", "write")
authenticate = _google.login
cause = _google.cause
endpoint = _objects.GCS.endpoint


def task(conn_id: str, params: _objects.ObjectParams, run: Run) -> Any:
    """GCSHook writes and reads, or lists."""

    def written() -> None:
        name, content = params.prefix + run.name, f"written by {run.name}\n".encode()
        hook = _objects.GCS.hook(conn_id)
        hook.upload(bucket_name=params.bucket, object_name=name, data=content)
        if hook.download(bucket_name=params.bucket, object_name=name) != content:
            raise RuntimeError(f"gs://{params.bucket}/{name} reads back different from what was written")

    def listed() -> None:
        """Google's libraries take any JSON object for a list; only a bucket's says what it is. Raises Diagnosed."""
        client = _objects.GCS.hook(conn_id).get_conn()
        answer = next(client.list_blobs(params.bucket, prefix=params.prefix, max_results=1).pages).raw_page
        if not isinstance(answer, dict) or answer.get("kind") != "storage#objects":
            raise _google.other_service(f"the bucket {params.bucket}")

    return run.task(listed if params.read_only else written)


def clean(conn_id: str, params: _objects.ObjectParams, run: Run) -> None:
    """Delete the object, if it was made."""
    _objects.GCS.delete(conn_id, params.bucket, [params.prefix + run.name])


def sweep(conn_id: str, params: _objects.ObjectParams, run: Run) -> int:  # noqa: ARG001
    """Delete what earlier runs left."""
    return _objects.GCS.sweep(conn_id, params.bucket, params.prefix)
