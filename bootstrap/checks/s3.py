"""Amazon S3, or a store that speaks it: writes an object into the bucket, reads it back and deletes it; with `read_only`, lists."""

from __future__ import annotations

from functools import partial
from typing import Any

from bootstrap.checks import _aws, _objects
from bootstrap.checks.base import Asked, Run

Params = _objects.ObjectParams
CONN_TYPES = ()  # a bucket must be named
PROVIDERS = (_aws.PROVIDER,)
PERMISSIONS = ("s3:PutObject", "s3:GetObject", "s3:DeleteObject", "with `read_only` only s3:ListBucket")
COMPARES = "what is read back from the run's own object; with `read_only` the name of the bucket that the list is of"
CREATES = "an object of some bytes"
IMPORTS = ("airflow.providers.amazon.aws.hooks.s3",)
STEPS = ("authenticate", "access", "write")
cause = _aws.cause
place = _aws.place_of_bucket
endpoint = _objects.S3.endpoint


def authenticate(conn_id: str, params: _objects.ObjectParams, run: Run) -> str:
    """Whose key it is, or whether the store shows the bucket to anybody, which says nothing of writing."""

    def stranger() -> Asked:
        asked = _aws.stranger(conn_id, "s3", partial(_ask, params=params))
        return "unknown" if asked == "unasked" and params.writes else asked

    return _aws.login_if_told(conn_id, params, run, stranger)


def task(conn_id: str, params: _objects.ObjectParams, run: Run) -> Any:
    """S3Hook writes and reads, or lists."""
    if params.read_only:
        return run.task(lambda: _ask(_objects.S3.hook(conn_id).get_conn(), params))

    def written() -> None:
        key, content = params.prefix + run.name, f"written by {run.name}\n".encode()
        hook = _objects.S3.hook(conn_id)
        hook.load_bytes(content, key, params.bucket, replace=True)
        if hook.get_key(key, params.bucket).get()["Body"].read() != content:
            raise RuntimeError(f"s3://{params.bucket}/{key} reads back different from what was written")

    return run.task(written)


def clean(conn_id: str, params: _objects.ObjectParams, run: Run) -> None:
    """Delete the object, if it was made: S3 takes it for done when there is none."""
    _objects.S3.delete(conn_id, params.bucket, [params.prefix + run.name])


def sweep(conn_id: str, params: _objects.ObjectParams, run: Run) -> int:  # noqa: ARG001
    """Delete what earlier runs left."""
    return _objects.S3.sweep(conn_id, params.bucket, params.prefix)


def _ask(client: Any, params: _objects.ObjectParams) -> None:
    """Raises Diagnosed where the answer is no list of this bucket. Of an access point, S3 may name the bucket behind it."""
    answer = client.list_objects_v2(Bucket=params.bucket, Prefix=params.prefix, MaxKeys=1)
    named = answer.get("Name")
    behind = params.bucket.startswith("arn:") or params.bucket.endswith("-s3alias")
    _aws.require(answer, "Name", named == params.bucket or bool(named and behind), f"the bucket {params.bucket}")
