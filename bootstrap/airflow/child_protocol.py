"""What a process with Airflow and whoever started it say to each other: JSON, in lines, errors included.

In the process, nothing that Airflow prints is taken for an answer: `answering` for one that answers once, `conversing` for one that
answers each line of its stdin. An error is `{"error": a class of bootstrap.errors, "message": …, "hint": …}`.
"""

from __future__ import annotations

import contextlib
import gc
import json
import logging
import os
from collections.abc import Callable, Iterator
from typing import IO, Any

from bootstrap import errors
from bootstrap.errors import AirflowError, BootstrapError

_LOGGERS = ("", "airflow", "airflow._shared.configuration.parser", "airflow.sdk._shared.configuration.parser")
_kept: list[str] = []
_GC_THRESHOLD = 500_000  # objects


@contextlib.contextmanager
def answering() -> Iterator[Callable[[Any], None]]:
    """What is printed from now on, up to the process's very end, goes to stderr; plain JSON data that is told, to stdout."""
    with _few_collections(), os.fdopen(os.dup(1), "w", encoding="utf-8") as stream:
        os.dup2(2, 1)
        yield lambda answer: json.dump(answer, stream)


@contextlib.contextmanager
def conversing() -> Iterator[tuple[IO[str], Callable[[Any], None]]]:
    """The questions, a line each, and what tells an answer. Commands that Airflow runs for options read nothing of the former."""
    with (
        _few_collections(),
        os.fdopen(os.dup(0), encoding="utf-8") as questions,
        os.fdopen(os.dup(1), "w", encoding="utf-8") as stream,
    ):
        with open(os.devnull) as nothing:  # noqa: PTH123  a descriptor is wanted
            os.dup2(nothing.fileno(), 0)
        os.dup2(2, 1)

        def tell(answer: Any) -> None:
            stream.write(json.dumps(answer) + "\n")
            stream.flush()

        yield questions, tell


@contextlib.contextmanager
def complaints() -> Iterator[list[str]]:
    """What Airflow logs while it reads its options: of keyword arguments that it can't read it says so nowhere else.

    The messages of this process up to the block's end: in a fork, also those from when its Airflow was made anew.
    """

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            _kept.append(record.getMessage())

    handler = Keep(logging.WARNING)
    for name in _LOGGERS:
        logging.getLogger(name).addHandler(handler)
    try:
        yield _kept
    finally:
        for name in _LOGGERS:
            logging.getLogger(name).removeHandler(handler)


@contextlib.contextmanager
def _few_collections() -> Iterator[None]:
    """Most of what `import airflow` makes stays: to look for garbage in it, and once more at the end, takes a third of such a process."""
    gc.set_threshold(_GC_THRESHOLD)
    try:
        yield
    finally:
        gc.freeze()


def told(work: Callable[[], dict[str, Any]], translated: Callable[[Exception], BootstrapError]) -> dict[str, Any]:
    """What it returns, or its error; `translated` makes one of ours of what a library raises."""
    try:
        return work()
    except BootstrapError as err:
        error = err
    except Exception as err:
        error = translated(err)
    return {"error": type(error).__name__, "message": error.message, "hint": error.hint}


@contextlib.contextmanager
def starting() -> Iterator[None]:
    """Around the first import of Airflow. Raises AirflowError, without a value: that of an option could be in the text."""
    try:
        yield
    except Exception as err:
        hint = f"see why: AIRFLOW_HOME={os.environ.get('AIRFLOW_HOME', '')} airflow version"
        raise AirflowError(f"Airflow does not start ({type(err).__name__})", hint) from err


def answer_in(printed: str) -> dict[str, Any] | None:
    """What was told; None where the process ended before. What Python itself ran before us may have printed, too."""
    try:
        answer = json.loads(printed.strip().rpartition("\n")[2])
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None


def require(answer: dict[str, Any]) -> dict[str, Any]:
    """The answer. Raises the error that it is."""
    if "error" in answer:
        kind: type[BootstrapError] = getattr(errors, answer["error"])
        raise kind(answer["message"], answer["hint"])
    return answer
