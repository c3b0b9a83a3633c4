"""A file of the worker to GCS: uploads `size` with LocalFilesystemToGCSOperator, compares what arrived, and measures what it cost."""

from __future__ import annotations

import shutil
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from bootstrap.checks import _google, _transfer
from bootstrap.checks._objects import GCS
from bootstrap.checks.base import Run


class Params(_transfer.TransferParams):
    """To `bucket`; `prefix` goes before the objects' names.

    `size` is bytes, or text such as "10MB"; 1 GB at most. The file is made in the worker's temporary folder.
    """

    bucket: str
    prefix: _transfer.Prefix = ""


CONN_TYPES = ()  # a bucket must be named
PROVIDERS = (_google.PROVIDER,)
PERMISSIONS = ("storage.objects.create", "storage.objects.get", "storage.objects.delete")
COMPARES = "size and checksum of what arrived with what was sent"
CREATES = "three objects, two small ones and one of `size`, and for a while the files that they come from"
IMPORTS = ("airflow.providers.google.cloud.transfers.local_to_gcs",)
STEPS = ("access", "write")  # one request proves both
authenticate = _google.login
cause = _transfer.cause
endpoint = GCS.endpoint


def task(conn_id: str, params: Params, run: Run) -> Any:
    """LocalFilesystemToGCSOperator; its files are made before it is measured."""
    from airflow.providers.google.cloud.transfers.local_to_gcs import LocalFilesystemToGCSOperator

    return _transfer.operator(
        LocalFilesystemToGCSOperator,
        run,
        params.total,
        partial(_make_files, params, run),
        buffers=(_transfer.GCS_UPLOAD,),
        src="made when it runs",
        dst=params.prefix,
        bucket=params.bucket,
        gcp_conn_id=conn_id,
    )


def verify(conn_id: str, params: Params, run: Run, result: Any) -> str:  # noqa: ARG001
    """What arrived must be what was sent."""
    name = _objects(params, run)[-1]
    return _transfer.arrived(GCS, conn_id, params.bucket, name, _transfer.sent(run, params.total))


def clean(conn_id: str, params: Params, run: Run) -> None:
    """Delete the objects and the files."""
    shutil.rmtree(_folder(run), ignore_errors=True)
    with _transfer.side(conn_id):
        GCS.delete(conn_id, params.bucket, _objects(params, run))


def sweep(conn_id: str, params: Params, run: Run) -> int:  # noqa: ARG001
    """Delete what earlier runs left in the bucket."""
    return GCS.sweep(conn_id, params.bucket, params.prefix)


def _make_files(params: Params, run: Run) -> Any:
    _folder(run).mkdir(mode=0o700)
    made = []
    for name, size in _transfer.names(params, run).items():
        file = _folder(run).parent / name
        _transfer.write_file(file, run, size)
        made.append({"src": str(file), "dst": params.prefix + name})
    return tuple(made)


def _folder(run: Run) -> Path:
    return Path(tempfile.gettempdir()) / run.name


def _objects(params: Params, run: Run) -> list[str]:
    return [params.prefix + name for name in _transfer.names(params, run)]
