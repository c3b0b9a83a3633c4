"""`python -m bootstrap` is `airflow-bootstrap`."""

from __future__ import annotations

import gc
import os
import sys
import types

_INTERRUPTED = 130
GC_THRESHOLD = 500_000  # start-up makes many objects that stay and no garbage: looking for some costs a tenth of it


def _without_current_folder() -> None:
    """A file there that is called like a module of Python's would be run, and see our secrets.

    `python -m` looks there first; so does an empty entry of PYTHONPATH (`:/lib`), which nobody means in this way.
    """
    try:
        here = os.getcwd()  # noqa: PTH109  pathlib is slow to import
    except FileNotFoundError:  # it was removed: there is nothing to be run
        return
    entries = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    for unwanted in (
        __name__ == "__main__" and not getattr(sys.flags, "safe_path", False),
        len(entries) > 1 and "" in entries,
    ):
        if unwanted and here in sys.path:
            sys.path.remove(here)


def _without_pydantic_plugins() -> None:
    """Pydantic looks for plugins in every installed package: with Airflow's 300, a fifth of our start-up.

    Takes the place of the module that does it, in this process only. Should pydantic rename it, we only start slower.
    """
    loader = types.ModuleType("pydantic.plugin._loader")
    loader.__dict__["get_plugins"] = tuple
    sys.modules[loader.__name__] = loader


def main() -> None:
    """The console script. Nothing of ours is imported before ^C is looked after."""
    code, came = _INTERRUPTED, False
    _without_current_folder()
    try:
        from bootstrap.util.own_process import Interrupts, Streams, keep_private

        interrupts = Interrupts()
        gc.set_threshold(GC_THRESHOLD)
        streams = Streams()
        keep_private()
        _without_pydantic_plugins()
        from bootstrap.cli import main as run

        code = run(unwritten=streams.end)
        interrupts.end()
        came = interrupts.came
    except KeyboardInterrupt:  # while modules were imported, or a second one
        sys.stderr.write("warning: interrupted\n")
    gc.freeze()  # or the interpreter would look for garbage in all of it once more, to throw it away
    sys.exit(_INTERRUPTED if came else code)


if __name__ == "__main__":
    main()
