"""Amazon S3, or a store that speaks it: writes an object into the bucket, reads it back and deletes it; with `read_only`, lists."""

from __future__ import annotations

from functools import partial
from typing import Any

from bootstrap.checks import _aws, _aws_region
from bootstrap.checks._proof import Asked
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
PROVIDERS = (_aws.PROVIDER,)
PERMISSIONS = ("s3:PutObject", "s3:GetObject", "s3:DeleteObject", "with `read_only` only s3:ListBucket")
COMPARES = "what is read back from the run's own object; with `read_only` the name of the bucket that the list is of"
CREATES = "an object of some bytes"
STEPS = ("authenticate", "access", "write")
cause = _aws.cause
place = _aws_region.place_of_bucket


def endpoint(conn: Any) -> Endpoint | None:
    """The connection's endpoint_url, else S3's address in its region."""
    return _aws.service_endpoint(conn, "s3")


def authenticate(conn_id: str, params: Params, run: Run) -> str:
    """Whose key it is, or whether the store shows the bucket to anybody, which says nothing of writing."""

    def stranger() -> Asked:
        asked = _aws.stranger(conn_id, "s3", partial(_ask, params=params))
        return "unknown" if asked == "unasked" and params.writes else asked

    return _aws.login_if_told(conn_id, params, run, stranger)


def task(conn_id: str, params: Params, run: Run) -> Any:
    """S3Hook writes and reads, or lists."""
    return run.task(partial(_list if params.read_only else _write, conn_id, params, run))


def clean(conn_id: str, params: Params, run: Run) -> None:
    """Delete the object, if it was made: S3 takes it for done when there is none."""
    _aws.delete(conn_id, params.bucket, [params.prefix + run.name])


def sweep(conn_id: str, params: Params, run: Run) -> int:  # noqa: ARG001
    """Delete what earlier runs left."""
    keys = _aws.s3_hook(conn_id).list_keys(params.bucket, prefix=f"{params.prefix}{PREFIX}") or []
    names = list(leftovers(key.removeprefix(params.prefix) for key in keys))
    _aws.delete(conn_id, params.bucket, [params.prefix + name for name in names])
    return len(names)


def _write(conn_id: str, params: Params, run: Run) -> None:
    key, content = params.prefix + run.name, f"written by {run.name}\n".encode()
    hook = _aws.s3_hook(conn_id)
    hook.load_bytes(content, key, params.bucket, replace=True)
    if hook.get_key(key, params.bucket).get()["Body"].read() != content:
        raise RuntimeError(f"s3://{params.bucket}/{key} reads back different from what was written")


def _list(conn_id: str, params: Params, run: Run) -> None:  # noqa: ARG001
    _ask(_aws.s3_hook(conn_id).get_conn(), params)


def _ask(client: Any, params: Params) -> None:
    """Raises OtherServiceError where the answer is no list of this bucket. Of an access point, S3 may name the bucket behind it."""
    answer = client.list_objects_v2(Bucket=params.bucket, Prefix=params.prefix, MaxKeys=1)
    named = answer.get("Name")
    behind = params.bucket.startswith("arn:") or params.bucket.endswith("-s3alias")
    _aws.require(answer, "Name", named == params.bucket or bool(named and behind), f"the bucket {params.bucket}")
