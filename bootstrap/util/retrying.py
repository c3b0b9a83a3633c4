"""Retries requests where that can help, within a store's quota."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

T = TypeVar("T")
After = Callable[[BaseException], float | None]

GIVE_UP = 20.0  # seconds from the first attempt to the last
BLIP = 3.0  # seconds for which a server that fails, or can't be reached, is tried again
_FIRST, _LONGEST = 0.1, 4.0  # seconds of a wait; the bound doubles from one to the other, the wait is random below it


def retried(request: Callable[[], T], after: After, *, give_up: float = GIVE_UP) -> T:
    """What `request` returns. It is made again as long as `after` says of its error that this may help.

    `after` answers with the least seconds to wait (a server's Retry-After, else 0), or None: then the error is raised,
    as the last one is when the time is up.
    """
    from tenacity import RetryCallState, Retrying, retry_if_exception, stop_before_delay, wait_random_exponential

    backoff = wait_random_exponential(multiplier=_FIRST, max=_LONGEST)

    def wait(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        return (after(error) or 0.0 if error else 0.0) + backoff(state)

    retrying = Retrying(
        retry=retry_if_exception(lambda err: after(err) is not None),
        wait=wait,
        stop=stop_before_delay(give_up),
        reraise=True,
    )
    return retrying(request)


def patience(busy: After, blip: After) -> After:
    """Which failures are retried, for `retried`: what is `busy` for as long as it takes, a `blip` for BLIP seconds."""
    start = time.monotonic()

    def after(err: BaseException) -> float | None:
        wait = busy(err)
        return blip(err) if wait is None and time.monotonic() - start < BLIP else wait

    return after


@dataclass
class TokenBucket:
    """Lets `per_minute` requests through in a minute, after `burst` at once; for many threads."""

    per_minute: float
    burst: float
    _tokens: float = field(init=False)
    _filled: float = field(default_factory=time.monotonic, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def __post_init__(self) -> None:
        self._tokens = self.burst

    def take(self) -> None:
        """Wait until one more request may be sent; those who come later wait longer."""
        with self._lock:
            now = time.monotonic()
            per_second = self.per_minute / 60
            self._tokens = min(self.burst, self._tokens + (now - self._filled) * per_second) - 1
            self._filled = now
            wait = -self._tokens / per_second
        if wait > 0:
            time.sleep(wait)
