"""The console script `airflow-bootstrap`, in a module whose name no project has for code of its own.

Where a project has a package `bootstrap` on PYTHONPATH, that would be run in our package's place.
"""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Import our package, whatever else is called so."""
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120  pathlib is slow to import
    import bootstrap  # noqa: F401

    del sys.path[0]
    from bootstrap.__main__ import main as run

    run()
