"""Runs the `airflow` command with variables that no process list shows.

`python -m bootstrap.smoke.child ARGUMENT…` is `airflow ARGUMENT…`, with the JSON object from stdin added to the
environment after the start: an environment given to exec could be read by others who may look at the process.
"""

from __future__ import annotations

import json
import os
import sys


def main() -> None:
    """Read the variables, then hand over to Airflow."""
    os.environ.update(json.load(sys.stdin))
    sys.argv[0] = "airflow"
    from airflow.__main__ import main as airflow

    airflow()


if __name__ == "__main__":
    main()
