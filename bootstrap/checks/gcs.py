"""Google Cloud Storage: writes an object into the bucket, reads it back and deletes it; with `read_only`, lists."""

from __future__ import annotations

from functools import partial
from typing import Any

from bootstrap.checks import _google
from bootstrap.checks.base import PREFIX, CheckParams, Endpoint, Run, leftovers


class Params(CheckParams):
    """`prefix` goes before the object's name, as in `smoke/`. `read_only` lists the bucket instead of writing."""

    bucket: str
    prefix: str = ""
    read_only: bool = False

    @property
    def writes(self) -> bool:
        """Unless `read_only`."""
        return not self.read_only


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
STEPS = ("access", "write")
authenticate = _google.login
cause = _google.cause


def endpoint(conn: Any) -> Endpoint | None:
    """Cloud Storage's address, or STORAGE_EMULATOR_HOST."""
    return _google.service_endpoint(conn, "storage", "STORAGE_EMULATOR_HOST")


def task(conn_id: str, params: Params, run: Run) -> Any:
    """GCSHook writes and reads, or lists."""
    return run.task(partial(_list if params.read_only else _write, conn_id, params, run))


def clean(conn_id: str, params: Params, run: Run) -> None:
    """Delete the object, if it was made."""
    delete(conn_id, params.bucket, params.prefix + run.name)


def sweep(conn_id: str, params: Params, run: Run) -> int:  # noqa: ARG001
    """Delete what earlier runs left."""
    return sweep_objects(conn_id, params.bucket, params.prefix)


def _write(conn_id: str, params: Params, run: Run) -> None:
    name, content = params.prefix + run.name, f"written by {run.name}\n".encode()
    upload(conn_id, params.bucket, name, content)
    if _hook(conn_id).download(bucket_name=params.bucket, object_name=name) != content:
        raise RuntimeError(f"gs://{params.bucket}/{name} reads back different from what was written")


def _list(conn_id: str, params: Params, run: Run) -> None:  # noqa: ARG001
    """Google's libraries take any JSON object for a list; only a bucket's says what it is. Raises Diagnosed."""
    pages = _client(conn_id).list_blobs(params.bucket, prefix=params.prefix, max_results=1).pages
    answer = next(pages).raw_page
    if not isinstance(answer, dict) or answer.get("kind") != "storage#objects":
        raise _google.other_service(f"the bucket {params.bucket}")


def upload(conn_id: str, bucket: str, name: str, content: bytes) -> None:
    """Write an object."""
    _hook(conn_id).upload(bucket_name=bucket, object_name=name, data=content)


def delete(conn_id: str, bucket: str, name: str) -> None:
    """Delete an object; it may be gone."""
    try:
        _hook(conn_id).delete(bucket_name=bucket, object_name=name)
    except Exception as err:
        if not _google.is_missing(err):
            raise


def sweep_objects(conn_id: str, bucket: str, prefix: str) -> int:
    """Delete the objects that earlier runs left below a prefix; returns how many."""
    found = _client(conn_id).list_blobs(bucket, prefix=f"{prefix}{PREFIX}")
    names = list(leftovers(blob.name.removeprefix(prefix) for blob in found))
    for name in names:
        delete(conn_id, bucket, prefix + name)
    return len(names)


def _client(conn_id: str) -> Any:
    return _hook(conn_id).get_conn()


def _hook(conn_id: str) -> Any:
    from airflow.providers.google.cloud.hooks.gcs import GCSHook

    return GCSHook(gcp_conn_id=conn_id)
