"""Code of the user's that a check runs: finding it, and keeping its output and its odd ends from passing for a result."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import io
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Annotated, Any

from pydantic import AfterValidator

from bootstrap.checks.base import Cause, CauseName, Diagnosed
from bootstrap.domain.secret import foreign, foreign_stream
from bootstrap.util import distributions

_TWO_PARTS = frozenset({"apache", "atlassian", "cncf", "common", "dbt", "microsoft"})  # of a provider's name
_NO_RESULT = {  # how a task ends that is neither a success nor a failure; by name: their module differs by version
    "AirflowSkipException": "skipped its work",
    "TaskDeferred": "deferred its work to a trigger (say deferrable: false)",
    "AirflowRescheduleException": "put its work off (say mode: poke)",
}
_PROMISES: Mapping[str, Callable[[Any], bool]] = {
    "a coroutine (it is async, and was not awaited)": inspect.iscoroutine,
    "a generator": inspect.isgenerator,
    "an async generator": inspect.isasyncgen,
    "an awaitable (it is async, and was not awaited)": inspect.isawaitable,
    "a task of a DAG (it is decorated with @task)": lambda result: (
        "XComArg" in {kind.__name__ for kind in type(result).__mro__}
    ),
    "a context manager": lambda result: hasattr(type(result), "__enter__") or hasattr(type(result), "__aenter__"),
    "a callable": callable,
}
_SHOWN = 200  # characters of a result
_PART = 1 << 20  # characters of an output that are masked at a time
_folders: list[str] = []  # of the user's code
_UNOPTIMIZED = "leave PYTHONOPTIMIZE out of the environment, and out of `airflow.env` in the manifest"


class UserCodeError(Diagnosed):
    """The user's code can't be run as the manifest says, or ended in an odd way."""

    def __init__(self, message: str, hint: str, name: CauseName = "check_error") -> None:
        super().__init__(Cause(name, message, hint))


def look_in(folders: Sequence[str]) -> None:
    """From now on, the user's code may be in these folders."""
    _folders[:] = folders


def find(path: str) -> Any:
    """What the dotted path `module.name` means. Raises UserCodeError."""
    module, _, name = path.rpartition(".")
    try:
        with importable():
            found = importlib.import_module(module)
    except ModuleNotFoundError as err:
        raise _missing(module, foreign(err.name or "")) from err
    except Exception as err:
        message = f"{module} can't be imported: {type(err).__name__}: {foreign(err)}"
        raise UserCodeError(message, f"python -c 'import {module}' in the module's folder says where") from err
    if not hasattr(found, name):
        raise UserCodeError(f"the module {module} has no {name}", "correct the path in the manifest")
    return getattr(found, name)


@contextlib.contextmanager
def importable() -> Iterator[None]:
    """Meanwhile, the modules beside the manifest and in `airflow.dags` can be imported, after all others, as Airflow does it.

    Not longer: other checks of this process import what is installed, and nothing that lies beside the manifest by chance.
    """
    added = [folder for folder in _folders if folder not in sys.path]
    sys.path += added
    try:
        yield
    finally:
        for folder in added:
            with contextlib.suppress(ValueError):  # the user's code took it out
                sys.path.remove(folder)


def _missing(module: str, name: str) -> UserCodeError:
    """`name` is the module that isn't there: `module`, a package around it, or one that it imports."""
    parts = name.split(".")
    if parts[0] == "bootstrap":
        message = f"{module} can't be imported: airflow-bootstrap's own package is called bootstrap, too"
        return UserCodeError(message, "rename your package: Python can't have both in one process")
    if parts[:2] == ["airflow", "providers"] and parts[2:]:
        parts = parts[2 : 4 if parts[2] in _TWO_PARTS else 3]
        package = f"apache-airflow-providers-{'-'.join(parts)}"
        if distributions.version(package) is None:  # else the module's name is wrong
            return UserCodeError(f"{package} is not installed", f"pip install {package}", "provider_missing")
    if f"{module}.".startswith(f"{name}."):
        where = "neither installed, nor beside the manifest or in airflow.dags"
        return UserCodeError(f"there is no module {name}: {where}", "correct the path in the manifest")
    return UserCodeError(f"{module} imports {name}, which is not installed", f"pip install what brings {name}")


def require_ran(what: str, result: Any) -> None:
    """Raises UserCodeError where the result is a promise of work that nobody did."""
    kind = next((name for name, is_one in _PROMISES.items() if is_one(result)), None)
    if kind is None:
        return
    if inspect.iscoroutine(result):
        result.close()  # else Python complains at the end
    raise UserCodeError(f"{what} returned {kind}: its work was never run", "let it do the work itself, and return")


def shown(result: Any) -> str:
    """A result as a message has it: the beginning of its repr, without secrets, and its type."""
    kind = type(result)
    name = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
    try:
        text = foreign(repr(result))
    except Exception:
        return name
    return f"{text[:_SHOWN]}{'…' if len(text) > _SHOWN else ''} ({name})"


@contextlib.contextmanager
def guarded(what: str) -> Iterator[None]:
    """Run the user's code: only a plain return is a result. Raises UserCodeError, and whatever else the code raises."""
    if not __debug__:
        raise UserCodeError("this Python skips `assert` (-O, PYTHONOPTIMIZE): nothing would be proven", _UNOPTIMIZED)
    try:
        with _masked_output(), importable():
            yield
    except SystemExit as err:
        message = f"{what} ended its process: sys.exit({foreign(repr(err.code))})"
        raise UserCodeError(message, "return or raise instead") from err
    except BaseException as err:  # TaskDeferred is no Exception
        odd = next((_NO_RESULT[kind.__name__] for kind in type(err).__mro__ if kind.__name__ in _NO_RESULT), None)
        if odd is None:
            raise
        raise UserCodeError(f"{what} {odd}: nothing is proven", "let it do its work, or fail") from err


@contextlib.contextmanager
def _masked_output() -> Iterator[None]:
    """What this process and its children print meanwhile comes out at the end, without secrets.

    Of a process that ends in between it never does: its last line would be in the report.
    """
    with tempfile.TemporaryFile() as kept:
        _flush()
        before = [os.dup(stream) for stream in (1, 2)]
        try:
            for stream in (1, 2):
                os.dup2(kept.fileno(), stream)
            yield
        finally:
            _flush()
            for stream, original in zip((1, 2), before, strict=True):
                os.dup2(original, stream)
                os.close(original)
            kept.seek(0)
            text = io.TextIOWrapper(kept, encoding="utf-8", errors="replace", newline="")
            with os.fdopen(os.dup(1), "w", encoding="utf-8", errors="replace") as stdout:
                stdout.writelines(foreign_stream(iter(partial(text.read, _PART), "")))


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # a stream of Airflow's, or one that is closed
            stream.flush()


def dotted(example: str) -> Any:
    """The type of a parameter that is a dotted path; `example` is in the message for what can be none."""

    def valid(path: str) -> str:
        if re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)+", path) is None:
            msg = f"expected a dotted path, as in {example}"
            raise ValueError(msg)
        return path

    return Annotated[str, AfterValidator(valid)]
