"""How fast a check's output is masked: a log with 1,000 secrets known, as `_user_code` does it, end to end.

Beside it, what it was before (a walk from character to character) and one `str.replace` for each form: of a small text, and scaled. The bound is a rate,
since a check that prints much must not spend its deadline on this.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.frame import Figure, best
from bootstrap.checks import _user_code
from bootstrap.domain.secret import _known, foreign, mask

ROUNDS = 3
SECRETS = 1_000
MEGABYTES = 50
SMALL = 0.2  # megabytes, for those that would take minutes
RATE = 50  # megabytes in a second


def measure(_: Path) -> list[Figure]:
    """Seconds for all of it."""
    values = [f"{secrets.token_urlsafe(16)}/{number}+ü" for number in range(SECRETS)]
    for value in values:
        mask(value)
    foreign("makes the forms")
    text, small = _log(MEGABYTES, values), _log(SMALL, values)
    scale = MEGABYTES / SMALL
    ours = f"masking {MEGABYTES} MB of output"
    ways = {
        ours: lambda: _seconds(lambda: _through_a_check(text)),
        "a walk": lambda: scale * _seconds(lambda: [*_known.all.walk(small)]),
        "str.replace for each form": lambda: scale * _seconds(lambda: _replace(small, _known.all.forms)),
    }
    seconds = best(ways, ROUNDS)
    mine = seconds.pop(ours)
    rate = Figure(ours, mine, f"{RATE} MB/s", MEGABYTES / RATE, faster=1)
    return [rate, *(Figure(ours, mine, name, other) for name, other in seconds.items())]


def _log(megabytes: float, values: list[str]) -> str:
    """A log of so many megabytes, with a secret in every hundredth line."""
    line = "2026-11-30 12:00:01,123 INFO  [pool-1-thread-7] com.example.Loader: row 4711 of table orders was read in 12 ms\n"
    block = "".join(line * 99 + f"log-in with {value}\n" for value in values)
    size = int(megabytes * 1_000_000)
    return (block * (size // len(block) + 1))[:size]


def _through_a_check(text: str) -> None:
    """Print it as the user's code would; what comes out goes nowhere."""
    kept = os.dup(1)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    try:
        with _user_code.guarded("the benchmark"):
            os.write(1, text.encode())
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(null)


def _replace(text: str, forms: set[str]) -> None:
    """The simplest way."""
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, "***")


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
