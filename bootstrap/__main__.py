"""`python -m bootstrap` is `airflow-bootstrap`."""

from __future__ import annotations

import gc
import sys

GC_THRESHOLD = 50_000  # start-up makes many objects that stay and no garbage: collecting them costs a tenth of it


def main() -> None:
    """The console script."""
    gc.set_threshold(GC_THRESHOLD)
    from bootstrap.cli import main as run

    sys.exit(run())


if __name__ == "__main__":
    main()
