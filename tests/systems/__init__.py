"""Real servers for the tests and the quickstart, one module per system."""

from __future__ import annotations

import importlib.util
import os
import shutil


def require(name: str, install: str) -> None:
    """Let a test go on only if `name`, an importable module or a command on PATH, is there.

    Where it is missing the test fails if CI is "true" and is skipped otherwise; either way the
    reason ends in `install`, the command that mends it.
    """
    if importlib.util.find_spec(name) or shutil.which(name):
        return
    import pytest  # noqa: PLC0415 (the quickstart uses these servers without pytest)

    reason = f"{name} is missing; install it with: {install}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
