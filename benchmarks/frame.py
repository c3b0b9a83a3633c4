"""What the benchmarks share: ways that take turns, commands whose failure is no measurement, and a figure with its bound."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).parent.parent
AIRFLOW, TOOL = (str(Path(sys.executable).with_name(name)) for name in ("airflow", "airflow-bootstrap"))
_WHOLE = 100  # from here on, a fraction of a second says nothing


@dataclass(frozen=True)
class Figure:
    """Two quantities that were measured side by side in one run, and the bound on their ratio.

    `at_most`: ours, as a multiple of the other; `faster`: so many times ours, the other takes at least.
    """

    what: str
    ours: float
    against: str
    other: float
    at_most: float | None = None
    faster: float | None = None
    unit: str = "s"

    @property
    def met(self) -> bool:
        """True if the bound holds, and where there is none."""
        if self.at_most is not None:
            return self.ours <= self.at_most * self.other
        return self.faster is None or self.faster * self.ours <= self.other

    def __str__(self) -> str:
        """A row of the table whose head is `HEAD`."""
        ratio, bound = f"{self.other / self.ours:.1f}x faster", f"≥ {self.faster:g}x" if self.faster else ""
        if self.at_most is not None:
            ratio, bound = f"{self.ours / self.other:.2f}x", f"≤ {self.at_most:g}x"
        met = ("yes" if self.met else "**no**") if bound else ""
        measured = f"{_number(self.ours)} and {_number(self.other)} {self.unit}"
        return f"| {self.what} | {self.against} | {ratio} | {bound} | {met} | {measured} |"


HEAD = "| what | against | ratio | bound | met | measured |\n| --- | --- | --- | --- | --- | --- |"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= _WHOLE else f"{value:.3g}"


def best(ways: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """The smallest figure of each way. They take turns, and the smallest counts, since noise only ever adds."""
    found = [{name: way() for name, way in ways.items()} for _ in range(rounds)]
    return {name: min(figures[name] for figures in found) for name in ways}


def run(*command: str, cwd: str | None = None, **environment: str) -> float:
    """Seconds of a command from its start to its exit."""
    began = time.perf_counter()
    output(*command, cwd=cwd, **environment)
    return time.perf_counter() - began


def output(*command: str, cwd: str | None = None, **environment: str) -> str:
    """What a command prints. Ends the benchmarks if it fails."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}  # as a user's
    done = subprocess.run(
        command, cwd=cwd, env={**inherited, **environment}, check=False, capture_output=True, encoding="utf-8"
    )
    if done.returncode != 0:
        failed(f"{' '.join(command)} failed: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def failed(why: str) -> NoReturn:
    """A failure is no measurement."""
    sys.exit(why)
