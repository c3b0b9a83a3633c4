"""Which connections the DAGs of `airflow.dags` use: found out by a process of its own, beside other work.

So a scan that is slow, hangs or crashes costs `doctor` and `up` nothing but what it would have said. The answer is kept until a
file changes.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bootstrap.manifest.loader import Manifest
from bootstrap.util import children, distributions
from bootstrap.util.file_cache import remembered
from bootstrap.util.files import cache_folder

PATIENCE = 10.0  # seconds that somebody who has done all else waits for the answer
PLACES = 3  # that are named
_NICE = 10  # the other work comes first


@dataclass(frozen=True)
class Need:
    """Why the code needs a connection: the first `places`, as `load.py:12 PostgresHook.postgres_conn_id`; and of each resource that
    it touches the name, the right in SQL's words, and the place.
    """

    places: tuple[str, ...]
    resources: tuple[tuple[str, str, str], ...] = ()

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Need:
        """As the process answers."""
        touched = tuple((str(name), str(right), str(place)) for name, right, place in said["resources"])
        return cls(tuple(map(str, said["places"])), touched)


@dataclass
class Search:
    """A search that goes on."""

    process: subprocess.Popen[str]

    def found(self, patience: float = PATIENCE) -> Mapping[str, Need] | None:
        """The connections by id; None where it could not be found out."""
        try:
            answer = json.loads(self.process.communicate(timeout=patience)[0].splitlines()[-1])
            return {conn_id: Need.of(said) for conn_id, said in answer.items()}
        except (subprocess.TimeoutExpired, OSError, ValueError, IndexError, TypeError, AttributeError, KeyError):
            return None


@contextlib.contextmanager
def searching(manifest: Manifest) -> Iterator[Search | None]:
    """Begin to look into the folder of DAGs; None where the manifest names none, or it isn't there."""
    dags = manifest.folder / manifest.airflow.dags if manifest.airflow.dags is not None else None
    try:
        process = _start(dags, cache_folder(manifest.folder)) if dags is not None and dags.is_dir() else None
    except OSError:
        process = None
    if process is None:
        yield None
        return
    try:
        yield Search(process)
    finally:
        process.kill()  # nothing, if it has ended
        for stream in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):
                if stream is not None:
                    stream.close()
        process.wait()


def _start(dags: Path, cache: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        children.command("bootstrap.scan.manifest.used", str(dags.absolute()), str(cache.absolute())),
        env=children.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with contextlib.suppress(OSError):
        if process.stdin is not None:
            process.stdin.write("{}\n")  # the variables that `children.command` waits for: none
            process.stdin.flush()
    return process


def undeclared(manifest: Manifest, used: Iterable[str]) -> list[str]:
    """Those that the manifest lacks."""
    return sorted(set(used) - set(manifest.connections))


def used(dags: Path, cache: Path) -> dict[str, Any]:
    """All connections that the code below a folder uses, by id: what `Need.of` takes. Raises UsageError."""
    from bootstrap.scan.sources.files import collect

    collected = collect(dags)
    code = hashlib.sha256()
    for file in collected.files:
        content = file.data if file.data is not None else str(_stamp(file.location)).encode()
        code.update(json.dumps([file.path, hashlib.sha256(content).hexdigest()]).encode())
    installed = [[folder, sorted(distributions.metadata_folders(folder))] for folder in sys.path]
    stamp = hashlib.sha256(json.dumps(installed).encode()).hexdigest()
    asked = [str(dags), code.hexdigest(), stamp]
    found: dict[str, Any] = remembered(cache, "dags-need", asked, lambda: (_needs(dags, cache), [str(dags)]))
    return found


def _stamp(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _needs(dags: Path, cache: Path) -> dict[str, Any]:
    from bootstrap.scan.result import Declared
    from bootstrap.scan.text import where
    from bootstrap.scan.whole import scan

    of_user = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "airflow-bootstrap"  # as of `scan`
    found = scan(dags, Declared(), of_user if of_user.is_dir() else cache)
    return {
        each.conn_id: {
            "places": [where(place) for place in each.places[:PLACES]],
            "resources": [[one.name, one.right, where(one.place)] for one in each.resources],
        }
        for each in found.connections
    }


def main() -> None:
    """Answer the question of the arguments: a folder of DAGs, and one for what is kept."""
    with contextlib.suppress(OSError):
        os.nice(_NICE)
    dags, cache = map(Path, sys.argv[1:3])
    sys.stdout.write(json.dumps(used(dags, cache)) + "\n")


if __name__ == "__main__":
    main()
