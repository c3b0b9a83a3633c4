"""Files of this process and its children are private unless a mode is given."""

from __future__ import annotations

import os

_PRIVATE = 0o077
_users: list[int] = []


def keep_private() -> None:
    """From now on, whatever the user's umask is: of 000, an Airflow home would be everybody's to read; of 777, nobody's."""
    _users[:] = [os.umask(_PRIVATE)]


def users_umask() -> int:
    """What the user has it at, for what is meant for others."""
    if _users:
        return _users[0]
    mask = os.umask(_PRIVATE)  # it can only be asked for by setting it
    os.umask(mask)
    return mask
