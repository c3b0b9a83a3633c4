"""`python -m bootstrap` is `airflow-bootstrap`."""

from __future__ import annotations

import sys


def main() -> None:
    """The console script."""
    from bootstrap.cli import main as run

    sys.exit(run())


if __name__ == "__main__":
    main()
