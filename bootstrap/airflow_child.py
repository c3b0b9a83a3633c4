"""Starts a Python module with variables that no process list shows.

`python -m bootstrap.airflow_child MODULE ARGUMENT…` is `python -m MODULE ARGUMENT…`, with the JSON object in stdin's first
line added to the environment after the start: an environment given to exec could be read by whoever may look at the process.
"""

from __future__ import annotations

import json
import os
import runpy
import sys


def main() -> None:
    """Read the variables, then hand over."""
    os.environ.update(json.loads(sys.stdin.readline()))
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
