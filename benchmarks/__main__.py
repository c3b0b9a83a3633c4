"""`make bench`: runs every benchmark, prints one table, and writes it to docs/benchmarks.md.

With ONLY=startup,up it runs only those, and writes nothing. Exits 1 if a bound is missed.
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import time
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import psutil

from benchmarks.frame import HEAD, ROOT, Figure

NAMES = ("startup", "up", "smoke", "register", "stores", "slope", "masking")
TABLE = ROOT / "docs" / "benchmarks.md"
INTRODUCTION = """\
# Benchmarks

Each figure is a ratio of two times (or sizes) that were measured side by side in one run: the ways take turns, and the best of each counts. So the ratios
mean something on other machines, too; the seconds behind them only on this one. `make bench` measures all anew and writes
this page; `make bench ONLY=up` measures one module of `benchmarks/`, and its docstring says what is compared.
"""


def main() -> int:
    """Measure, print, write."""
    only = os.environ.get("ONLY")
    machine = _machine()
    began = time.monotonic()
    print(f"{machine}\n\n{HEAD}", flush=True)
    figures = [figure for name in (only.split(",") if only else NAMES) for figure in _measured(name)]
    if not only:
        took = f"Measured in {(time.monotonic() - began) / 60:.0f} minutes on {machine}."
        TABLE.write_text("\n".join([INTRODUCTION, took, "", HEAD, *map(str, figures), ""]))
    return 0 if all(figure.met for figure in figures) else 1


def _measured(name: str) -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        figures: list[Figure] = import_module(f"benchmarks.{name}").measure(Path(folder))
    print(*figures, sep="\n", flush=True)
    return figures


def _machine() -> str:
    """What the seconds depend on."""
    models = [
        line.partition(": ")[2] for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{psutil.cpu_count()} cores ({next(iter(models), platform.machine())}), {memory:.0f} GB, Python "
        f"{platform.python_version()}, Airflow {version('apache-airflow-core')}; load at the start {psutil.getloadavg()[0]:.1f}"
    )


if __name__ == "__main__":
    sys.exit(main())
