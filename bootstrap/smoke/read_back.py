"""Prints, as the last line, what Airflow's own parser reads of the managed keys: JSON, the backend and its kwargs."""

from __future__ import annotations

import json
import sys


def main() -> None:
    """Runs inside an Airflow process."""
    from airflow.configuration import conf

    found = [conf.get("secrets", "backend"), conf.getjson("secrets", "backend_kwargs")]
    sys.stdout.write("\n" + json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
