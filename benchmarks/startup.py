"""Commands that don't import Airflow, against `airflow version` and `airflow config get-value`.

Whole processes, as a user starts them, in a home that Airflow made: its airflow.cfg has 3,000 lines.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmarks.frame import AIRFLOW, TOOL, Figure, best, failed, run
from bootstrap.render import formats

ROUNDS = 7
MANIFEST = """
version: 1
airflow: {home: airflow}
stores: {team: {kind: vault, url: "https://vault.example.com", mount: airflow}}
backend: {store: team}
"""
CONNECTION = 'connections: {warehouse: {conn_type: postgres, host: db, password: {secret: "team:warehouse#password"}}}'
VERSION, GET_VALUE = "airflow version", "airflow config get-value"
CHANGE = "render, a change"


def measure(folder: Path) -> list[Figure]:
    """The everyday commands."""
    (folder / "bootstrap.yaml").write_text(MANIFEST)
    cfg = folder / "airflow" / "airflow.cfg"
    environment = {"VAULT_TOKEN": "none", "AIRFLOW_HOME": str(cfg.parent), "HOME": str(folder)}
    (folder / "connection.yaml").write_text(MANIFEST + CONNECTION)
    tool, with_connection = ((TOOL, "-f", str(folder / name)) for name in ("bootstrap.yaml", "connection.yaml"))
    run(AIRFLOW, "config", "list", **environment)  # Airflow writes its own airflow.cfg
    before = cfg.read_bytes()
    run(*tool, "render", **environment)
    after = cfg.read_bytes()

    def way(*command: str, given: bytes = after) -> Callable[[], float]:
        def timed() -> float:
            cfg.write_bytes(given)
            seconds = run(*command, **environment)
            if cfg.read_bytes() != after:
                failed(f"{command} did not do its work")
            return seconds

        return timed

    renders = {
        CHANGE: way(*tool, "render", given=before),
        "render, nothing to change": way(*tool, "render"),
        "render --check": way(*tool, "render", "--check"),
        **{f"render --format {name}": way(*tool, "render", "--format", name) for name in formats.NAMES},
    }
    others = {
        "--help": way(*tool, "--help"),
        "schema": way(*tool, "schema"),
        "render, with a connection": way(*with_connection, "render"),
    }
    bases = {VERSION: way(AIRFLOW, "version"), GET_VALUE: way(AIRFLOW, "config", "get-value", "secrets", "backend")}
    seconds = best({**bases, **others, **renders}, ROUNDS)
    return [
        *(Figure(name, seconds[name], VERSION, seconds[VERSION], faster=10) for name in others),
        *(
            Figure(name, seconds[name], GET_VALUE, seconds[GET_VALUE], faster=11 if name == CHANGE else 10)
            for name in renders
        ),
    ]
