"""Objects in buckets, at Google Cloud Storage and at S3: what checks write, compare and remove there."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from bootstrap.checks import _aws, _google
from bootstrap.checks.base import PREFIX, CheckParams, Endpoint, Run, leftovers

PIECE = 1024 * 1024  # bytes of an object that are held at a time


class ObjectParams(CheckParams):
    """`prefix` goes before the object's name, as in `smoke/`. `read_only` lists the bucket instead of writing."""

    bucket: str
    prefix: str = ""
    read_only: bool = False

    @property
    def writes(self) -> bool:
        """Unless `read_only`."""
        return not self.read_only


@dataclass(frozen=True)
class ObjectStore:
    """Where objects are. `scheme`: of their URLs. Buckets and objects are called by their names, `hook` is Airflow's."""

    scheme: str
    endpoint: Callable[[Any], Endpoint | None]
    login: Callable[[str, CheckParams, Run], str]
    hook: Callable[[str], Any]
    put: Callable[[Any, str, str, str], None]  # hook, bucket, name, file
    size_and_digest: Callable[[Any, str, str], tuple[int, str]]  # hook, bucket, name
    delete: Callable[[str, str, Sequence[str]], None]  # conn_id, bucket, names; one that is gone is no error
    names: Callable[[Any, str, str], Iterable[str]]  # hook, bucket, prefix

    def sweep(self, conn_id: str, bucket: str, prefix: str) -> int:
        """Delete what earlier runs left below the prefix; how many objects."""
        found = self.names(self.hook(conn_id), bucket, f"{prefix}{PREFIX}")
        left = [prefix + name for name in leftovers(name.removeprefix(prefix) for name in found)]
        self.delete(conn_id, bucket, left)
        return len(left)


def digest(data: Iterator[bytes]) -> str:
    """MD5, which GCS knows of each object."""
    made = hashlib.md5(usedforsecurity=False)
    for piece in data:
        made.update(piece)
    return made.hexdigest()


def _gcs_hook(conn_id: str) -> Any:
    from airflow.providers.google.cloud.hooks.gcs import GCSHook

    return GCSHook(gcp_conn_id=conn_id)


def _gcs_size_and_digest(hook: Any, bucket: str, name: str) -> tuple[int, str]:
    """As GCS says."""
    import base64

    blob = hook.get_conn().bucket(bucket).blob(name)
    blob.reload()
    return int(blob.size), base64.b64decode(blob.md5_hash).hex()


def _gcs_delete(conn_id: str, bucket: str, names: Sequence[str]) -> None:
    hook = _gcs_hook(conn_id)
    for name in names:
        try:
            hook.delete(bucket_name=bucket, object_name=name)
        except Exception as err:
            if not _google.is_missing(err):
                raise


def _s3_hook(conn_id: str) -> Any:
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook

    return S3Hook(aws_conn_id=conn_id)


def _s3_size_and_digest(hook: Any, bucket: str, key: str) -> tuple[int, str]:
    """The object is read for it: S3 knows no digest of what came in parts."""
    body = hook.get_conn().get_object(Bucket=bucket, Key=key)
    return int(body["ContentLength"]), digest(body["Body"].iter_chunks(PIECE))


def _s3_delete(conn_id: str, bucket: str, keys: Sequence[str]) -> None:
    """One by one: not every store that speaks S3 deletes many at once."""
    client = _s3_hook(conn_id).get_conn()
    for key in keys:
        try:
            client.delete_object(Bucket=bucket, Key=key)
        except Exception as err:
            found = _aws.cause(err)
            if found is None or found.name != "not_found":
                raise


GCS = ObjectStore(
    "gs",
    partial(_google.service_endpoint, service="storage", emulator="STORAGE_EMULATOR_HOST"),
    _google.login,
    _gcs_hook,
    lambda hook, bucket, name, file: hook.upload(bucket, name, file, chunk_size=8 * PIECE),
    _gcs_size_and_digest,
    _gcs_delete,
    lambda hook, bucket, prefix: (blob.name for blob in hook.get_conn().list_blobs(bucket, prefix=prefix)),
)
S3 = ObjectStore(
    "s3",
    partial(_aws.service_endpoint, service="s3"),
    _aws.login_if_told,
    _s3_hook,
    lambda hook, bucket, key, file: hook.load_file(file, key, bucket, replace=True),
    _s3_size_and_digest,
    _s3_delete,
    lambda hook, bucket, prefix: hook.list_keys(bucket, prefix=prefix) or [],
)
