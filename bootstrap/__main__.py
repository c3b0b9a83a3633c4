"""`python -m bootstrap` is `airflow-bootstrap`."""

from __future__ import annotations

import gc
import os
import sys

GC_THRESHOLD = 50_000  # start-up makes many objects that stay and no garbage: collecting them costs a tenth of it

NO_PLUGINS = ("PYDANTIC_DISABLE_PLUGINS", "__all__")  # pydantic would look for them in every installed package


def main() -> None:
    """The console script."""
    gc.set_threshold(GC_THRESHOLD)
    os.environ.setdefault(*NO_PLUGINS)
    from bootstrap.cli import main as run

    code = run()
    gc.freeze()  # or the interpreter would look for garbage in all of it once more, to throw it away
    sys.exit(code)


if __name__ == "__main__":
    main()
