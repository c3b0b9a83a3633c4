"""What a login has proven: that the server asked for the credential and took it, or less. A green check that proves less says so.

Nobody is asked with a wrong credential, nor for a named account without its password: that locks accounts.
"""

from __future__ import annotations

from typing import Literal

from bootstrap.checks.base import Run

Asked = Literal["asked", "unasked", "unknown", "none"]
UNASKED = "accepted without asking for the credential"
_SAID: dict[Asked, str] = {
    "asked": "the server asked for the credential and took it",
    "unasked": UNASKED,
    "unknown": "not known whether the server asked for the credential",
    "none": "the connection sends no credential",
}


def told(run: Run, asked: Asked, who: str = "") -> str:
    """The detail of the step `authenticate`, after whom the server takes us for; warns where it never asked."""
    if asked == "unasked":
        run.tell(warning=UNASKED)
    return f"{who}; {_SAID[asked]}" if who else _SAID[asked]
