"""How `plan` grows with the manifest: so many connections, or variables, and ten times as many, side by side in one run.

`make bench-slope`. Each is a process from its start to its exit, against an empty target; processor seconds and the
peak of its memory are the kernel's (`wait4`), so that other work on the machine adds little. Less than ten times as much is linear growth above
the price of a start.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

import psutil

CONNECTIONS, VARIABLES, FACTOR = 10_000, 100_000, 10


def connections(folder: Path, count: int) -> None:
    """A manifest of connections, each with a password in a store of kind `file`."""
    names = [f"c{index}" for index in range(count)]
    (folder / "secrets.json").write_text(json.dumps({name: f"password of {name}" for name in names}))
    common = {"conn_type": "postgres", "host": "db.internal", "login": "etl", "extra": {"sslmode": "require"}}
    found = {name: {**common, "password": {"secret": f"files:{name}"}, "checks": []} for name in names}
    stores = {"files": {"kind": "file", "path": "secrets.json"}}
    _write(folder, {"stores": stores, "connections": found})


def variables(folder: Path, count: int) -> None:
    """A manifest of variables."""
    _write(folder, {"variables": {f"v{index}": f"value number {index}" for index in range(count)}})


def _write(folder: Path, sections: dict[str, object]) -> None:
    (folder / "bootstrap.yaml").write_text(json.dumps({"version": 1, "register": ["file"], **sections}))


def planned(folder: Path) -> tuple[float, float]:
    """Processor seconds and peak MB of `plan`."""
    command = [sys.executable, "-m", "bootstrap", "-f", str(folder / "bootstrap.yaml"), "plan"]
    with (folder / "out").open("wb") as out:
        child = os.posix_spawn(
            sys.executable, command, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, out.fileno(), 1)]
        )
        _, status, used = os.wait4(child, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        sys.exit(f"plan failed: a failure is no measurement\n{(folder / 'out').read_text()[-1000:]}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def main() -> None:
    """Measure and print."""
    print(f"{psutil.cpu_count()} cores; load before: {psutil.getloadavg()[0]:.1f}")
    for make, count in ((connections, CONNECTIONS), (variables, VARIABLES)):
        found = []
        for size in (count, count * FACTOR):
            with tempfile.TemporaryDirectory() as folder:
                make(Path(folder), size)
                seconds, peak = planned(Path(folder))
            found.append(seconds)
            print(f"{make.__name__}: {size:,} in {seconds:.1f} processor seconds, {peak:.0f} MB")
        print(f"  {FACTOR} times as many take {found[1] / found[0]:.1f} times as long")


if __name__ == "__main__":
    main()
