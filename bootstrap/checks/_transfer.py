"""What the checks of transfers have in common: what is moved, how it is measured, and whose fault a failure is."""

from __future__ import annotations

import contextlib
import random
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, field_validator

from bootstrap.checks import _aws, _google, _usage
from bootstrap.checks._objects import PIECE, ObjectStore, digest
from bootstrap.checks.base import Cause, CheckParams, Run
from bootstrap.domain.secret import foreign
from bootstrap.util.model import Model

ROUTE = "through the worker"
SMALL = 64 * 1024  # bytes moved first: what the first transfer of a process loads is not counted to the one measured
# What a library holds at a time, in bytes, however much there is
GCS_UPLOAD = 100 * 1024 * 1024  # google-cloud-storage, of a file: its chunk where it isn't told
S3_DOWNLOAD = 100 * 256 * 1024  # boto3, into a file: its TransferConfig's max_io_queue times io_chunksize
# boto3: in each of its TransferConfig's max_concurrency threads, about 4 MB (measured: 36 MB of an object of 200 MB)
S3_UPLOAD = 10 * 4 * 1024 * 1024
_ENOUGH = 16_000_000  # bytes: a transfer of fewer tells nothing of growth, which its batches and buffers hide
_MAXIMUM = 1_000_000_000
_UNITS = {"B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_SIZE = r"^(\d+) ?([kKMG]?B|[KMG]iB)$"

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
    for start in range(0, size, PIECE):
        yield source.randbytes(min(PIECE, size - start))


def write_file(file: Path, run: Run, size: int) -> None:
    """Fill a file with the run's bytes."""
    with file.open("wb") as stream:
        stream.writelines(pieces(run, size))


def arrived(at: ObjectStore, conn_id: str, bucket: str, name: str, wanted: tuple[int, str]) -> str:
    """Compare an object's size and digest with what was sent. Raises SideFailed, and RuntimeError; returns the detail."""
    with side(conn_id):
        found = at.size_and_digest(at.hook(conn_id), bucket, name)
    return compare(f"{at.scheme}://{bucket}/{name}", found, wanted)


def sent(run: Run, size: int) -> tuple[int, str]:
    """Size and digest of the run's bytes."""
    return size, digest(pieces(run, size))


def compare(where: str, found: tuple[int, str], wanted: tuple[int, str]) -> str:
    """Compare size and digest of what arrived with what was sent. Raises RuntimeError; returns the detail."""
    if found[0] != wanted[0]:
        raise RuntimeError(f"{where} has {found[0]} bytes; {wanted[0]} were sent")
    if found[1] != wanted[1]:
        raise RuntimeError(f"{where} has other content than what was sent")
    return f"{found[0]} bytes arrived, with the right checksum"


def names(params: TransferParams, run: Run) -> Mapping[str, int]:
    """The names of the objects that a run moves, in order, and their sizes: see `measured`."""
    small = min(SMALL, params.total)
    return {f"{run.name}/first": small, f"{run.name}/small": small, f"{run.name}/full": params.total}


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


class BetweenBuckets(TransferParams):
    """From `bucket` of the connection that has the check, below `prefix`, to `to`."""

    bucket: str
    prefix: Prefix = ""
    to: Destination

    @property
    def connections(self) -> tuple[str, ...]:
        """That of the destination."""
        return (self.to.connection,)


@dataclass(frozen=True)
class Way:
    """From one store of objects to another: what such a check does besides its operator's work."""

    source: ObjectStore
    destination: ObjectStore

    def authenticate(self, conn_id: str, params: BetweenBuckets, run: Run) -> str:
        """Log in at both sides."""
        return logins(
            (conn_id, lambda name: self.source.login(name, params, run)),
            (params.to.connection, lambda name: self.destination.login(name, params, run)),
        )

    def prepare(self, conn_id: str, params: BetweenBuckets, run: Run) -> None:
        """Make the objects that are moved, from a file: nothing is held in memory."""
        hook = self.source.hook(conn_id)
        for name, size in names(params, run).items():
            with side(conn_id), tempfile.TemporaryDirectory(prefix=run.name) as folder:
                file = Path(folder) / "data"
                write_file(file, run, size)
                self.source.put(hook, params.bucket, params.prefix + name, str(file))

    def verify(self, conn_id: str, params: BetweenBuckets, run: Run, result: Any) -> str:  # noqa: ARG002
        """The operator says that all is in sync, too, when it finds nothing to move."""
        to, name = params.to, self.moved(params, run)[-1]
        return arrived(self.destination, to.connection, to.bucket, name, sent(run, params.total))

    def clean(self, conn_id: str, params: BetweenBuckets, run: Run) -> None:
        """Delete the objects on both sides: on one also where the other fails."""
        try:
            with side(conn_id):
                self.source.delete(conn_id, params.bucket, [params.prefix + name for name in names(params, run)])
        finally:
            with side(params.to.connection):
                self.destination.delete(params.to.connection, params.to.bucket, self.moved(params, run))

    def sweep(self, conn_id: str, params: BetweenBuckets, run: Run) -> int:  # noqa: ARG002
        """Delete what earlier runs left on either side."""
        left = self.source.sweep(conn_id, params.bucket, params.prefix)
        return left + self.destination.sweep(params.to.connection, params.to.bucket, params.to.folder + params.prefix)

    def sources(self, params: BetweenBuckets, run: Run) -> Attributes:
        """For each transfer the object's whole name, as an operator's prefix."""
        return tuple({"prefix": params.prefix + name} for name in names(params, run))

    def moved(self, params: BetweenBuckets, run: Run) -> list[str]:
        """Operators put the whole name of the source below their destination."""
        return [params.to.folder + params.prefix + name for name in names(params, run)]
