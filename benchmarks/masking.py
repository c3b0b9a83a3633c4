"""How fast a check's output is masked: 50 MB of a log with 1,000 secrets known, as `_user_code` does it, end to end.

Beside it, in the same run, what it was before (a walk from character to character) and one `str.replace` for each form.
Prints MB/s of each, and how many times faster the first is. `python -m benchmarks.masking [MB]`
"""

from __future__ import annotations

import os
import resource
import secrets
import sys
import time
from collections.abc import Callable

from bootstrap.checks import _user_code
from bootstrap.domain.secret import _known, foreign, mask

SECRETS = 1_000
MEGABYTE = 1_000_000
SMALL = 0.2  # megabytes, for those that would take minutes


def main(megabytes: float) -> None:
    """Measure all of them."""
    values = [f"{secrets.token_urlsafe(16)}/{number}+ü" for number in range(SECRETS)]
    for value in values:
        mask(value)
    foreign("makes the forms")
    forms = _known.all.forms
    print(f"{len(values)} secrets, {len(forms)} forms")
    text = log(megabytes, values)
    fast = max(rate(lambda: through_a_check(text), megabytes, "a check's output, end to end") for _ in range(3))
    small = log(SMALL, values)
    walk = rate(lambda: [*_known.all.walk(small)], SMALL, "before: a walk")
    replaced = rate(lambda: replace(small, forms), SMALL, "str.replace for each form")
    print(f"{fast / walk:.0f} times the walk, {fast / replaced:.0f} times str.replace")
    print(
        f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000:.0f} MB, of which {megabytes:.0f} MB are the text itself"
    )


def log(megabytes: float, values: list[str]) -> str:
    """A log of so many megabytes, with a secret in every hundredth line."""
    line = "2026-11-30 12:00:01,123 INFO  [pool-1-thread-7] com.example.Loader: row 4711 of table orders was read in 12 ms\n"
    block = "".join(line * 99 + f"log-in with {value}\n" for value in values)
    return (block * (int(megabytes * MEGABYTE / len(block)) + 1))[: int(megabytes * MEGABYTE)]


def through_a_check(text: str) -> None:
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


def replace(text: str, forms: set[str]) -> None:
    """The simplest way."""
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, "***")


def rate(work: Callable[[], object], megabytes: float, what: str) -> float:
    """Megabytes in a second."""
    start = time.perf_counter()
    work()
    found = megabytes / (time.perf_counter() - start)
    print(f"{what}: {found:.1f} MB/s")
    return found


if __name__ == "__main__":
    main(float(sys.argv[1]) if sys.argv[1:] else 50)
