"""How long `up` of the quickstart takes, against one plain `airflow tasks test` in the same run.

`make bench-up`. A copy of the quickstart, whose store and systems run; the ways take turns, and each figure is the best of its
runs: noise only ever adds time. The first `up` has no Airflow home and none of our cache; the second finds all as it should be.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROUNDS = int(os.environ.get("ROUNDS", "4"))
FOLDER = Path(__file__).parent.parent / "examples" / "quickstart"
TOOL = (sys.executable, "-m", "bootstrap", "-f", str(FOLDER / "bootstrap.yaml"))
CHECK = "store_health.http"


def main() -> None:
    """Measure and print."""
    _run(sys.executable, "-m", "examples.quickstart.systems", "up")
    _run(*TOOL, "up")
    try:
        times: dict[str, list[float]] = {"tasks test": [], "first up": [], "second up": []}
        for _ in range(ROUNDS):
            times["tasks test"].append(_tasks_test())
            for folder in (FOLDER / ".airflow", FOLDER / ".bootstrap" / "cache"):
                shutil.rmtree(folder)
            times["first up"].append(_run(*TOOL, "up"))
            times["second up"].append(_run(*TOOL, "up"))
    finally:
        _run(sys.executable, "-m", "examples.quickstart.systems", "down")
    base = min(times.pop("tasks test"))
    print(f"airflow tasks test: {base:.1f} s (best of {ROUNDS})")
    for name, seconds in times.items():
        print(f"{name}: {min(seconds):.1f} s, {min(seconds) / base:.2f} of it")


def _tasks_test() -> float:
    """The last line of what `--show-command` prints is the task; those before it prepare its environment and its database."""
    shown = subprocess.run([*TOOL, "smoke", "--show-command", CHECK], capture_output=True, text=True, check=True)
    *before, task = shown.stdout.strip().splitlines()
    began = 'echo "$(date +%s.%N)"'
    done = subprocess.run(
        ["sh", "-c", "\n".join(["exec 3>&1 >&2", *before, f"{began} >&3", task, f"{began} >&3"])],
        capture_output=True,
        text=True,
        check=True,
    )
    begin, end = map(float, done.stdout.split())
    return end - begin


def _run(*command: str) -> float:
    began = time.perf_counter()
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{command} failed: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
