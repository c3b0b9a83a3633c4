"""How long the everyday commands take, against `airflow version` in the same run.

`make bench`. The commands take turns, and each figure is the best of its runs: noise only ever adds time.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 9
MANIFEST = """
version: 1
stores: {team: {kind: vault, url: "https://vault.example.com", mount: airflow}}
backend: {store: team}
connections: {warehouse: {conn_type: postgres, host: db, password: {secret: "team:warehouse#password"}}}
"""


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "bootstrap.yaml").write_text(MANIFEST)
        home = Path(folder, "airflow")
        _run(folder, "airflow", "config", "list")  # Airflow writes its own airflow.cfg, the file that we edit
        tool = ("airflow-bootstrap", "-f", str(Path(folder, "bootstrap.yaml")))
        commands = {
            "airflow version": ("airflow", "version"),
            "--help": (*tool, "--help"),
            "schema": (*tool, "schema"),
            "render": (*tool, "render", "-o", str(home / "airflow.cfg")),
        }
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(ROUNDS):
            for name, arguments in commands.items():
                times[name].append(_run(folder, *arguments))
    _print({name: min(values) for name, values in times.items()})


def _run(folder: str, command: str, *arguments: str) -> float:
    environment = {**os.environ, "VAULT_TOKEN": "none", "AIRFLOW_HOME": str(Path(folder, "airflow")), "HOME": folder}
    began = time.perf_counter()
    script = Path(sys.executable).with_name(command)
    done = subprocess.run([script, *arguments], env=environment, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{command} {arguments} failed: {done.stderr[-500:]}")
    return time.perf_counter() - began


def _print(best: dict[str, float]) -> None:
    base = best.pop("airflow version")
    print(f"airflow version: {base:.2f} s (best of {ROUNDS})")
    for name, seconds in best.items():
        print(f"{name}: {seconds:.2f} s, 1/{base / seconds:.1f} of it")


if __name__ == "__main__":
    main()
