"""How long `render` takes, against `airflow config get-value secrets backend` in the same run.

`make bench-render`. Whole processes, as a user starts them, in a home that Airflow made: its airflow.cfg has 3,000 lines.
They take turns, and each figure is the best of its runs: noise only ever adds time. Exits 1 where `render` isn't
`TIMES` times faster.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bootstrap.render import formats

ROUNDS = 9
TIMES = 10
MANIFEST = """
version: 1
airflow: {home: airflow}
stores: {team: {kind: vault, url: "https://vault.example.com", mount: airflow}}
backend: {store: team}
"""
GET_VALUE = "airflow config get-value"


@dataclass(frozen=True)
class Way:
    """A command, and the airflow.cfg that it finds and leaves."""

    command: tuple[str, ...]
    before: bytes
    after: bytes


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name:
        best = _best(Path(name), _ways(Path(name)))
    asked = best.pop(GET_VALUE)
    print(f"{GET_VALUE}: {asked:.2f} s (best of {ROUNDS})")
    for way, seconds in best.items():
        print(f"{way}: {seconds * 1000:.0f} ms, {asked / seconds:.1f} times faster")
    if asked < TIMES * max(best.values()):
        sys.exit(f"less than {TIMES} times faster")


def _ways(folder: Path) -> dict[str, Way]:
    (folder / "bootstrap.yaml").write_text(MANIFEST)
    file = folder / "airflow" / "airflow.cfg"
    asks = ("airflow", "config", "get-value", "secrets", "backend")
    _run(folder, *asks)  # Airflow writes its own airflow.cfg, and both tools their bytecode
    before = file.read_bytes()
    render = ("airflow-bootstrap", "-f", str(folder / "bootstrap.yaml"), "render")
    _run(folder, *render)
    after = file.read_bytes()
    return {
        GET_VALUE: Way(asks, after, after),
        "render, a change": Way(render, before, after),
        "render, nothing to change": Way(render, after, after),
        "render --check": Way((*render, "--check"), after, after),
        **{f"render --format {name}": Way((*render, "--format", name), after, after) for name in formats.NAMES},
    }


def _best(folder: Path, ways: dict[str, Way]) -> dict[str, float]:
    file = folder / "airflow" / "airflow.cfg"
    best: dict[str, float] = {}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            file.write_bytes(way.before)
            seconds = _run(folder, *way.command)
            if file.read_bytes() != way.after:
                sys.exit(f"{name} did not do its work: a failure is no measurement")
            best[name] = min(seconds, best.get(name, seconds))
    return best


def _run(folder: Path, command: str, *arguments: str) -> float:
    environment = {**os.environ, "VAULT_TOKEN": "none", "AIRFLOW_HOME": str(folder / "airflow"), "HOME": str(folder)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # a user has no such thing, and our own code is measured, too
    script = Path(sys.executable).with_name(command)
    began = time.perf_counter()
    done = subprocess.run([script, *arguments], env=environment, check=False, capture_output=True, text=True)
    seconds = time.perf_counter() - began
    if done.returncode != 0:
        sys.exit(f"{command} {arguments} failed: {done.stderr[-500:]}")
    return seconds


if __name__ == "__main__":
    main()
