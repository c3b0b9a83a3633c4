"""Run in an Airflow process: what this Airflow makes of its configuration, its sources and its database, as a line of JSON."""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any


def main() -> None:
    if sys.argv[1:] == ["sleep"]:
        sys.stdout.write("here\n")
        sys.stdout.flush()
        time.sleep(600)
    if sys.argv[1:2] == ["imported"]:
        sys.stdout.write(json.dumps({"modules": [name for name in sys.argv[2:] if name in sys.modules]}) + "\n")
        sys.exit(3)
    from airflow import settings
    from airflow.configuration import AIRFLOW_CONFIG, conf, ensure_secrets_loaded

    from bootstrap.airflow import compat

    found = {
        "arguments": sys.argv[1:],
        "stdin": sys.stdin.readline(),
        "secret": os.environ.get("PROBE_SECRET"),
        "folder": str(Path.cwd()),
        "server": _hosts(ensure_secrets_loaded()),
        "worker": _hosts(compat.worker_backends() or []),
        "rows": _rows(settings),
        "options": [conf.get(section, option) for section, option in OPTIONS],
        "timezone": str(settings.TIMEZONE),
        "marks": getattr(settings, "PROBE_MARK", None),
        "config": str(AIRFLOW_CONFIG),
    }
    sys.stdout.write(json.dumps(found) + "\n")
    sys.exit(3)


OPTIONS = (("core", "fernet_key"), ("core", "dags_folder"), ("core", "executor"), ("secrets", "backend"))


def _hosts(backends: list[Any]) -> list[Any]:
    """What each source says of one connection."""
    found = []
    for backend in backends:
        conn = None
        with suppress(Exception):
            conn = backend.get_connection("probe")
        found.append([type(backend).__name__, conn and conn.host])
    return found


def _rows(settings: Any) -> Any:
    try:
        with settings.engine.connect() as connection:
            return connection.exec_driver_sql("SELECT count(*) FROM connection").scalar()
    except Exception as err:
        return type(err).__name__


if __name__ == "__main__":
    main()
