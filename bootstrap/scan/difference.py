"""What a change adds to what the code needs: a scan against the same scan of an earlier git revision."""

from __future__ import annotations

import subprocess
import tarfile
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import TypeVar

from bootstrap.domain.secret import foreign
from bootstrap.errors import UsageError
from bootstrap.scan.model import Resource, Risk
from bootstrap.scan.result import Connection, Result
from bootstrap.util import children

Key = TypeVar("Key")
_TIMEOUT = 120.0  # seconds
_LARGEST = 5_000_000  # bytes: no larger file is scanned
_HINT = "name a revision that git knows: --diff main, --diff HEAD~1, --diff origin/main"


@contextmanager
def revision(folder: Path, name: str) -> Iterator[Path]:
    """The folder as it was in that revision of its git repository, in a folder that is gone afterwards; it may not exist there.

    Raises UsageError without git, outside of a repository, and for a revision that git doesn't know.
    """
    where = folder.absolute() if folder.is_dir() else folder.absolute().parent
    root = Path(_git(where, "rev-parse", "--show-toplevel").decode().rstrip("\n"))
    _git(where, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    archive = _git(root, "archive", "--format=tar", f"{name}^{{tree}}")
    with tempfile.TemporaryDirectory(prefix="airflow-bootstrap-") as scratch:
        _unpack(archive, Path(scratch))
        yield Path(scratch) / folder.resolve().relative_to(root.resolve())


def _git(folder: Path, *arguments: str) -> bytes:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            env=children.environment(),
            capture_output=True,
            timeout=_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as err:
        raise UsageError(f"git could not be asked: {foreign(err)}", _HINT) from err
    if done.returncode:
        said = foreign(done.stderr).strip().splitlines()
        raise UsageError(f"git {arguments[0]}: {said[-1] if said else 'no such revision'}", _HINT)
    return done.stdout


def _unpack(archive: bytes, folder: Path) -> None:
    """Regular files alone, and nothing outside the folder."""
    with tarfile.open(fileobj=BytesIO(archive)) as tar:
        for member in tar:
            path = PurePosixPath(member.name)
            if not member.isreg() or member.size > _LARGEST or path.is_absolute() or ".." in path.parts:
                continue
            data = tar.extractfile(member)
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data.read() if data is not None else b"")


def nothing(folder: Path) -> Result:
    """The result where there was no such folder yet."""
    return Result(folder, 0, [], [], [], [], [], [])


def added(now: Result, before: Result) -> Result:
    """What only `now` has: connections, or resources of theirs, ids, variables and risks. Lines may have moved."""
    old = {each.conn_id: each for each in before.connections}
    connections = [_new(each, old.get(each.conn_id)) for each in now.connections]
    keys = {use.key for use in before.variables}
    dynamic = Counter((each.place.file, each.place.by, each.expression) for each in before.dynamic)
    return replace(
        now,
        connections=[each for each in connections if each is not None],
        unused=[each for each in now.unused if each in old],
        dynamic=[
            each for each in now.dynamic if not _taken(dynamic, (each.place.file, each.place.by, each.expression))
        ],
        variables=[use for use in now.variables if use.key not in keys],
        risks=_new_risks(now.risks, before.risks),
    )


def _new(now: Connection, before: Connection | None) -> Connection | None:
    if before is None:
        return now
    touched = {_touch(each) for each in before.resources}
    resources = tuple(each for each in now.resources if _touch(each) not in touched)
    if not resources:
        return None
    places = {each.place for each in resources}
    uses = tuple(
        use for use in now.uses if (use.place.file, use.place.line) in {(each.file, each.line) for each in places}
    )
    return replace(now, resources=resources, uses=uses or now.uses[:1])


def _touch(resource: Resource) -> tuple[str, str, str, str]:
    return resource.kind, resource.name, resource.verb, resource.right


def _new_risks(now: Sequence[Risk], before: Sequence[Risk]) -> list[Risk]:
    old = Counter((risk.code, risk.place.file, risk.place.by, risk.message) for risk in before)
    return [risk for risk in now if not _taken(old, (risk.code, risk.place.file, risk.place.by, risk.message))]


def _taken(counts: Counter[Key], key: Key) -> bool:
    counts[key] -= 1
    return counts[key] >= 0


def sentence(found: Result, name: str) -> str:
    """`since main: needs slack_api_default (not declared), and INSERT on table orders (warehouse)`."""
    named = (each for each in found.connections if not (each.declared and each.resources))  # else its resources name it
    parts = [f"{each.conn_id}{'' if each.declared else ' (not declared)'}" for each in named]
    rights = dict.fromkeys(
        f"{one.right or one.verb} on {one.kind} {one.name} ({each.conn_id})"
        for each in found.connections
        for one in each.resources
    )
    parts += rights
    parts += [f"variable {key}" for key in dict.fromkeys(use.key for use in found.variables)]
    if not parts:
        return f"since {name}: needs nothing more"
    return f"since {name}: needs {', '.join(parts[:-1])}{', and ' if len(parts) > 1 else ''}{parts[-1]}"
