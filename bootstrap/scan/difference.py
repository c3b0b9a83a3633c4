"""What a change adds to what the code needs: a scan against the same scan of an earlier git revision."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from bootstrap.domain.secret import foreign
from bootstrap.errors import UsageError
from bootstrap.scan.model import Resource, Risk
from bootstrap.scan.result import Connection, Result
from bootstrap.scan.sources import ignore
from bootstrap.scan.sources.source_file import LARGEST, kind_of
from bootstrap.util import git

Key = TypeVar("Key")
_FILE = ("100644", "100755")  # git's modes of a file that is no link
_HINT = "name a revision that git knows: --diff main, --diff HEAD~1, --diff origin/main"


@contextmanager
def revision(folder: Path, name: str) -> Iterator[Path]:
    """The folder as it was in that revision of its git repository, in a folder that is gone afterwards; it may not exist there.

    Only what a scan reads is there, as git has it: no filter and no hook is run. Raises UsageError without git, outside of a
    repository, and for a revision that git doesn't know.
    """
    where = folder.resolve() if folder.is_dir() else folder.resolve().parent
    root = Path(_git(where, "rev-parse", "--show-toplevel").decode().rstrip("\n"))
    unknown = f"git knows no revision {foreign(name)!r}"
    commit = (
        _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}", refused=unknown)
        .decode()
        .strip()
    )
    with tempfile.TemporaryDirectory(prefix="airflow-bootstrap-") as scratch:
        before = Path(scratch)
        (before / ".git").mkdir()  # so that imports are looked for as far up as in the repository
        _restore(root, commit, before)
        yield before / folder.resolve().relative_to(root.resolve())


def _restore(root: Path, commit: str, target: Path) -> None:
    names: dict[str, str] = {}
    for row in _git(root, "ls-tree", "-r", "-z", "-l", commit).decode("utf-8", "surrogateescape").split("\0"):
        about, _, path = row.partition("\t")
        mode, _, blob, size = about.split() if path else ("", "", "", "0")
        if mode in _FILE and _is_read(Path(path)) and int(size) <= max(LARGEST.values()):
            names[path] = blob
    contents = _git(root, "cat-file", "--batch", told="".join(f"{blob}\n" for blob in names.values()).encode())
    at = 0
    for path in names:  # git-cat-file(1): "OBJECT blob SIZE\n", the contents, "\n"
        start = contents.index(b"\n", at) + 1
        at = start + int(contents[at:start].split()[2])
        file = target / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(contents[start:at])
        at += 1


def _is_read(path: Path) -> bool:
    return kind_of(path) is not None or path.name == ignore.NAME or path.suffix.lower() == ".zip"


def _git(folder: Path, *question: str, told: bytes = b"", refused: str = "") -> bytes:
    done = git.answer(folder, *question, told=told)
    if done is None:
        raise UsageError("--diff needs git, which could not be run", "git --version")
    if done.returncode:
        said = foreign(done.stderr).strip().splitlines()
        raise UsageError(refused or f"git {question[0]}: {said[-1] if said else 'it failed'}", _HINT)
    return done.stdout


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
