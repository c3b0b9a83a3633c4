"""Starts a Python module with variables that no process list shows: see `children.command`.

It is `python -m MODULE ARGUMENT…`, with the JSON object in stdin's first line added to the environment after the start:
an environment given to exec could be read by whoever may look at the process.
"""

from __future__ import annotations

import json
import os
import runpy
import sys

from bootstrap.util.children import hide


def main() -> None:
    """Read the variables, then hand over."""
    told = json.loads(sys.stdin.readline())
    os.environ.update(told)
    hide(told)
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
