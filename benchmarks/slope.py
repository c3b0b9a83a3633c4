"""How `plan` grows with the manifest: so many connections, or variables, and ten times as many.

Each is a process from its start to its exit, against an empty target; processor seconds and the peak of its memory are
the kernel's (`wait4`), so that other work on the machine adds little. Less than ten times as much is linear growth
above the price of a start.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from benchmarks.frame import Figure, failed

CONNECTIONS, VARIABLES, FACTOR = 5_000, 20_000, 10


def measure(folder: Path) -> list[Figure]:
    """Processor seconds and memory of each."""
    figures = []
    for make, count in ((_connections, CONNECTIONS), (_variables, VARIABLES)):
        few, many = (_planned(folder, make(folder, size)) for size in (count, count * FACTOR))
        what, against = (f"plan of {size:,} {make.__name__[1:]}" for size in (count * FACTOR, count))
        figures.append(Figure(what, many[0], against, few[0], at_most=FACTOR))
        figures.append(Figure(f"{what}: memory", many[1], against, few[1], at_most=FACTOR, unit="MB"))
    return figures


def _connections(folder: Path, count: int) -> dict[str, object]:
    """A manifest of connections, each with a password in a store of kind `file`."""
    names = [f"c{index}" for index in range(count)]
    (folder / "secrets.json").write_text(json.dumps({name: f"password of {name}" for name in names}))
    common = {"conn_type": "postgres", "host": "db.internal", "login": "etl", "extra": {"sslmode": "require"}}
    found = {name: {**common, "password": {"secret": f"files:{name}"}, "checks": []} for name in names}
    return {"stores": {"files": {"kind": "file", "path": "secrets.json"}}, "connections": found}


def _variables(_: Path, count: int) -> dict[str, object]:
    """A manifest of variables."""
    return {"variables": {f"v{index}": f"value number {index}" for index in range(count)}}


def _planned(folder: Path, sections: dict[str, object]) -> tuple[float, float]:
    """Processor seconds and peak MB of `plan`."""
    manifest = folder / "bootstrap.yaml"
    manifest.write_text(json.dumps({"version": 1, "register": ["file"], **sections}))
    command = [sys.executable, "-m", "bootstrap", "-f", str(manifest), "--quiet", "plan"]
    with (folder / "out").open("wb") as out:
        child = os.posix_spawn(
            sys.executable, command, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, out.fileno(), 1)]
        )
        _, status, used = os.wait4(child, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        failed(f"plan failed: {(folder / 'out').read_text()[-1000:]}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024
