"""How a process with Airflow answers: on its own way out, so that nothing that Airflow prints is taken for it."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from typing import Any


@contextlib.contextmanager
def answering() -> Iterator[Callable[[Any], None]]:
    """In the process: what is printed from now on, up to its very end, goes to stderr; plain JSON data that is told, to stdout."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as stream:
        os.dup2(2, 1)
        yield lambda answer: json.dump(answer, stream)


def answer_in(printed: str) -> dict[str, Any] | None:
    """What was told; None where the process ended before. What Python itself ran before us may have printed, too."""
    try:
        answer = json.loads(printed.strip().rpartition("\n")[2])
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None
