"""Real servers for the tests and the quickstart, one module per system."""

from __future__ import annotations

import importlib.util
import os
import shutil
from unittest import SkipTest


def require(name: str, install: str) -> None:
    """Let a test go on only if `name`, an importable module or a command on PATH, is there.

    Where it is missing the test fails if CI is "true" and is skipped otherwise; either way the
    reason ends in `install`, the command that mends it. (The quickstart has no pytest to import.)
    """
    if importlib.util.find_spec(name) or shutil.which(name):
        return
    reason = f"{name} is missing; install it with: {install}"
    raise AssertionError(reason) if os.environ.get("CI") == "true" else SkipTest(reason)
