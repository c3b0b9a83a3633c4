"""A new key may be refused for a while, until it is known everywhere: it is tried again, for a bounded time."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

from bootstrap.rotation.rotatable import Proof

_LOGIN = ("auth", "store_denied")  # causes of a refused login
_FIRST, _LONGEST = 2.0, 15.0  # seconds between two tries


def settled(prove: Callable[[], Proof], settle: timedelta, say: Callable[[str], None]) -> Proof:
    """The proof of a key that is given time to settle: refusals of a login are waited out, and said."""
    until = time.monotonic() + settle.total_seconds()
    pause = _FIRST
    while True:
        proof = prove()
        left = until - time.monotonic()
        if proof.state != "refused" or proof.cause not in _LOGIN or left <= 0:
            return proof
        if pause == _FIRST:
            say(f"the key is refused so far ({proof.why}): it may not be known everywhere yet; trying for {left:.0f} s")
        time.sleep(min(pause, left))
        pause = min(2 * pause, _LONGEST)
