"""What the checks of transfers have in common: what is moved, how it is measured, and whose fault a failure is."""

from __future__ import annotations

import contextlib
import hashlib
import random
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, field_validator

from bootstrap.checks import _aws, _google, _usage
from bootstrap.checks.base import PREFIX, Cause, CheckParams, Run, leftovers
from bootstrap.domain.secret import foreign
from bootstrap.util.model import Model

ROUTE = "through the worker"
SMALL = 64 * 1024  # bytes moved first: what the first transfer of a process loads is not counted to the one measured
# What a library holds at a time, in bytes, however much there is
GCS_UPLOAD = 100 * 1024 * 1024  # google-cloud-storage, of a file: its chunk where it isn't told
S3_DOWNLOAD = 100 * 256 * 1024  # boto3, into a file: its TransferConfig's max_io_queue times io_chunksize
_ENOUGH = 16_000_000  # bytes: a transfer of fewer tells nothing of growth, which its batches and buffers hide
_MAXIMUM = 1_000_000_000
_UNITS = {"B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_SIZE = r"^(\d+) ?([kKMG]?B|[KMG]iB)$"
_PIECE = 1024 * 1024

Attributes = tuple[Mapping[str, Any], ...]  # of an operator: for each of the transfers of `measured`
Prefix = Annotated[str, Field(pattern=r"^[^{}]*$")]  # operators template it, or format it: there must be nothing to do


class Destination(Model):
    """Where to: the conn_id of a connection in this manifest, its bucket, and what goes before the objects' names."""

    connection: str
    bucket: str
    prefix: Prefix = ""

    @property
    def folder(self) -> str:
        """The prefix as operators take it: a folder, or nothing."""
        return self.prefix.rstrip("/") + "/" if self.prefix else ""


class TransferParams(CheckParams):
    """`size` is how much to move: bytes, or text such as "10MB"; 1 GB at most."""

    size: Annotated[int, Field(ge=1, le=_MAXIMUM)] | Annotated[str, Field(pattern=_SIZE)] = "1MB"

    @field_validator("size")
    @classmethod
    def _not_too_much(cls, size: int | str) -> int | str:
        if not 1 <= _bytes(size) <= _MAXIMUM:
            raise ValueError("between 1 byte and 1GB")
        return size

    @property
    def total(self) -> int:
        """The size in bytes."""
        return _bytes(self.size)

    @property
    def small(self) -> int:
        """The size of what is moved first."""
        return min(SMALL, self.total)

    @property
    def writes(self) -> bool:
        """Always: that is what a transfer does."""
        return True


def _bytes(size: int | str) -> int:
    found = re.match(_SIZE, str(size))
    return int(found[1]) * _UNITS[found[2]] if found else int(size)


class SideFailed(Exception):
    """One of the two sides refused; its `__cause__` says how."""

    def __init__(self, conn_id: str, error: BaseException) -> None:
        super().__init__(f"{conn_id}: {foreign(error)}")
        self.conn_id = conn_id


@contextlib.contextmanager
def side(conn_id: str) -> Iterator[None]:
    """What is done with one of the two connections. Raises SideFailed."""
    try:
        yield
    except Exception as err:
        raise SideFailed(conn_id, err) from err


def cause(error: BaseException, *others: Callable[[BaseException], Cause | None]) -> Cause | None:
    """What either side says; where it is known whose words they are, the message begins with the connection."""
    if not isinstance(error, SideFailed):
        return next(filter(None, (find(error) for find in (_google.cause, _aws.cause, *others))), None)
    link, found, said = error.__cause__, None, ""
    while link is not None and found is None:
        found, said = cause(link, *others), foreign(link)
        link = link.__cause__ or link.__context__
    return Cause(found.name, f"{error.conn_id}: {found.message or said}", found.hint) if found else None


def logins(*sides: tuple[str, Callable[[str], str | None]]) -> str:
    """Log in at each side: conn_id and how. Returns who we are at each. Raises SideFailed."""
    who = []
    for conn_id, log_in in sides:
        with side(conn_id):
            who.append(f"{conn_id}: {log_in(conn_id) or 'logged in'}")
    return "; ".join(who)


def pieces(run: Run, size: int) -> Iterator[bytes]:
    """`size` bytes that nothing compresses, the same ones for a run each time."""
    source = random.Random(run.id)  # noqa: S311  to tell a right copy from a wrong one, and no secret
    for start in range(0, size, _PIECE):
        yield source.randbytes(min(_PIECE, size - start))


def digest(data: Iterator[bytes]) -> str:
    """MD5, which GCS knows of each object."""
    made = hashlib.md5(usedforsecurity=False)
    for piece in data:
        made.update(piece)
    return made.hexdigest()


def write_file(file: Path, run: Run, size: int) -> None:
    """Fill a file with the run's bytes."""
    with file.open("wb") as stream:
        stream.writelines(pieces(run, size))


@contextlib.contextmanager
def temporary_file(run: Run, size: int) -> Iterator[str]:
    """The name of a file of the run's bytes, for a while."""
    with tempfile.TemporaryDirectory(prefix=run.name) as folder:
        file = Path(folder) / "data"
        write_file(file, run, size)
        yield str(file)


def compare(where: str, found: tuple[int, str], wanted: tuple[int, str]) -> str:
    """Compare size and digest of what arrived with what was sent. Raises RuntimeError; returns the detail."""
    if found[0] != wanted[0]:
        raise RuntimeError(f"{where} has {found[0]} bytes; {wanted[0]} were sent")
    if found[1] != wanted[1]:
        raise RuntimeError(f"{where} has other content than what was sent")
    return f"{found[0]} bytes arrived, with the right checksum"


def names(params: TransferParams, run: Run) -> Mapping[str, int]:
    """The names of the objects that a run moves, in order, and their sizes: see `measured`."""
    return {f"{run.name}/first": params.small, f"{run.name}/small": params.small, f"{run.name}/full": params.total}


def operator(
    kind: Any, run: Run, size: int, attributes: Callable[[], Attributes], *, buffers: Sequence[int] = (), **given: Any
) -> Any:
    """The provider's operator, which moves something small first and is measured then.

    `attributes` gives what differs between these transfers; for `buffers` see `measured`, the rest is the operator's own.
    """

    class Measured(kind):  # type: ignore[misc]
        def execute(self, context: Any) -> Any:
            return measured(run, size, [partial(self._move, context, each) for each in attributes()], buffers=buffers)

        def _move(self, context: Any, values: Mapping[str, Any]) -> Any:
            for name, value in values.items():
                setattr(self, name, value)
            return kind.execute(self, context)

    return Measured(**given, **run.arguments)


def measured(run: Run, size: int, transfers: Sequence[Callable[[], Any]], *, buffers: Sequence[int] = ()) -> Any:
    """Do three transfers, and tell what the last cost; warn where the worker's memory grows with the size.

    The first loads what any transfer needs, the second shows what one costs that moves next to nothing. `buffers` are
    what each library on the way holds at a time, however much there is.
    """
    first, small, full = transfers
    first()
    with _usage.metered() as least:
        small()
    with _usage.metered() as usage:
        result = full()
    run.tell(measured={"route": ROUTE, "bytes": size, **usage.figures(size)})
    if usage.peak_memory is not None and least.peak_memory is not None and size >= _ENOUGH:
        grown = usage.peak_memory - least.peak_memory
        if grown - sum(min(buffer, size) for buffer in buffers) > (size - SMALL) / 2:
            run.tell(warning=f"the worker's memory grows with the size: {grown / size:.1f} bytes per byte moved")
    return result


# The objects at either side


def gcs_hook(conn_id: str) -> Any:
    """Airflow's hook of GCS."""
    from airflow.providers.google.cloud.hooks.gcs import GCSHook

    return GCSHook(gcp_conn_id=conn_id)


def gcs_found(conn_id: str, bucket: str, name: str) -> tuple[int, str]:
    """Size and digest of an object, as GCS says."""
    import base64

    with side(conn_id):
        blob = gcs_hook(conn_id).get_conn().bucket(bucket).blob(name)
        blob.reload()
    return int(blob.size), base64.b64decode(blob.md5_hash).hex()


def s3_found(conn_id: str, bucket: str, key: str) -> tuple[int, str]:
    """Size and digest of an object, which is read for it: S3 knows no digest of what came in parts."""
    with side(conn_id):
        body = _aws.s3_hook(conn_id).get_conn().get_object(Bucket=bucket, Key=key)
        return int(body["ContentLength"]), digest(body["Body"].iter_chunks(_PIECE))


def gcs_delete(conn_id: str, bucket: str, objects: list[str]) -> None:
    """Delete objects; one that is gone is no error."""
    hook = gcs_hook(conn_id)
    for name in objects:
        try:
            with side(conn_id):
                hook.delete(bucket_name=bucket, object_name=name)
        except SideFailed as err:
            if not _google.is_missing(err.__cause__ or err):
                raise


def s3_delete(conn_id: str, bucket: str, keys: list[str]) -> None:
    """Delete objects; one that is gone is no error."""
    with side(conn_id):
        _aws.delete(conn_id, bucket, keys)


def gcs_sweep(conn_id: str, bucket: str, prefix: str) -> int:
    """Delete what earlier runs left below the prefix; how many objects."""
    found = gcs_hook(conn_id).get_conn().list_blobs(bucket, prefix=f"{prefix}{PREFIX}")
    left = [prefix + name for name in leftovers(blob.name.removeprefix(prefix) for blob in found)]
    gcs_delete(conn_id, bucket, left)
    return len(left)


def s3_sweep(conn_id: str, bucket: str, prefix: str) -> int:
    """Delete what earlier runs left below the prefix; how many objects."""
    keys = _aws.s3_hook(conn_id).list_keys(bucket, prefix=f"{prefix}{PREFIX}") or []
    left = [prefix + name for name in leftovers(key.removeprefix(prefix) for key in keys)]
    s3_delete(conn_id, bucket, left)
    return len(left)
