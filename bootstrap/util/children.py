"""Commands and environments of child processes: they inherit PYTHONPATH, and nothing by accident.

A secrets backend of the user's own may live on PYTHONPATH. The folder that a command is run in is no such place: a file
there that is called like a module of Python's would be run, with the secrets that Airflow gets.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Container, Iterable, Iterator
from pathlib import Path

INTERNAL = "AIRFLOW_BOOTSTRAP_"  # what a variable begins with by which our own processes tell each other something
_PACKAGE = Path(__file__).parent.parent
_UNWANTED = frozenset(
    {
        "PYTHONINSPECT",  # it would wait for input at its end, and forget its exit code
        "PYTHONOPTIMIZE",  # it would leave out each `assert`, also in a check
    }
)
_START = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); import bootstrap; del sys.path[0]; "
    "from bootstrap.airflow.child import main; main()"
)
_MODULE = "import sys; sys.path.pop(0); import runpy; runpy.run_module('{}', run_name='__main__', alter_sys=True)"
_hidden: set[str] = set()


def command(module: str, *arguments: str) -> list[str]:
    """What starts a module with secrets from a pipe, see `airflow_child`: with our package, whatever else is called so."""
    safe, start = (["-P"], _START) if _can_be_safe() else ([], f"import sys; sys.path.pop(0); {_START}")
    return [sys.executable, *safe, "-c", start, str(_PACKAGE.parent), module, *arguments]


def by_hand(module: str) -> tuple[list[str], dict[str, str]]:
    """What a person types for `python -m MODULE` without the folder that it is run in, and the variables for it."""
    if _can_be_safe():
        return [sys.executable, "-m", module], {"PYTHONSAFEPATH": "1"}
    return [sys.executable, "-c", _MODULE.format(module)], {}


def hide(names: Iterable[str]) -> None:
    """No process that is started from now on has these variables in its environment, where others could read them."""
    _hidden.update(names)


def environment(secrets: Container[str] = ()) -> dict[str, str]:
    """The environment of this process for another, without `secrets` and what is hidden, ours alone, or bad for it."""
    found = {
        name: value for name, value in os.environ.items() if not (is_ours(name) or name in _hidden or name in secrets)
    }
    if "PYTHONPATH" in found:
        found["PYTHONPATH"] = python_path(found["PYTHONPATH"], Path())
    return found


@contextlib.contextmanager
def without_hidden_variables() -> Iterator[None]:
    """Meanwhile, also a program that a library starts gets none of the hidden variables; they are back afterwards."""
    kept = {name: os.environ.pop(name) for name in _hidden if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(kept)


def is_ours(name: str) -> bool:
    """True if nobody but our commands may set this variable for a process."""
    return name.startswith(INTERNAL) or name in _UNWANTED


def python_path(value: str, folder: Path) -> str:
    """PYTHONPATH as it reads in `folder`, for a process in another. An empty entry, mostly by mistake, would be that folder."""
    return os.pathsep.join(str((folder / entry).absolute()) for entry in value.split(os.pathsep) if entry)


def namesakes(path: Iterable[str]) -> Iterator[Path]:
    """What is called `bootstrap` in these folders and isn't this tool: code that asks for it would get the wrong one."""
    for folder in dict.fromkeys(path):
        for found in (Path(folder, "bootstrap"), Path(folder, "bootstrap.py")):
            is_package = found.suffix or (found / "__init__.py").exists()
            if is_package and found.exists() and not _is_ours(found.resolve()):
                yield found


def _is_ours(found: Path) -> bool:
    """True if it is this tool, or another checkout of it."""
    own = _PACKAGE / "__init__.py"
    return found == _PACKAGE or (found.is_dir() and (found / own.name).read_bytes() == own.read_bytes())


def _can_be_safe() -> bool:
    return sys.version_info >= (3, 11)  # `-P` is new in it
