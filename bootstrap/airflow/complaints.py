"""What Airflow logs while it reads its options: of keyword arguments that it can't read it says so nowhere else."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

_LOGGERS = ("", "airflow", "airflow._shared.configuration.parser", "airflow.sdk._shared.configuration.parser")
_kept: list[str] = []


@contextlib.contextmanager
def kept() -> Iterator[list[str]]:
    """The messages of this process up to the block's end: in a fork, also those from when its Airflow was made anew."""

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
