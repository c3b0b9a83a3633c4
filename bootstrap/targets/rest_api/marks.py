"""How the list of what is ours marks what was written where the API doesn't show it again.

Whoever may see Airflow's variables can read the list, and not the secrets. So a mark of a secret is made by scrypt, under
a salt of its own for each name: who guesses pays some milliseconds for each guess.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bootstrap.domain.connection import Connection
from bootstrap.targets.base import Content, Key
from bootstrap.targets.rest_api.shown import NO_SECRETS

_COST: Any = {"n": 2**12, "r": 8, "p": 1, "dklen": 16}  # 4 MB and about 10 ms


class Marks:
    """Marks under the salt of one list. Each has two parts: of the secrets, and of what never is hidden."""

    def __init__(self, salt: str) -> None:
        self._salt = salt

    def of(self, contents: Mapping[Key, Content]) -> dict[Key, str]:
        """A mark for each."""
        slow = self._slow(contents)
        return {key: f"{slow[key]}.{self._fast(key, _lasting(content))}" for key, content in contents.items()}

    def known(self, marks: Mapping[Key, str], contents: Mapping[Key, Content]) -> set[Key]:
        """Those whose secrets are what they were when the mark was made."""
        made = self._slow({key: contents[key] for key in marks})
        return {key for key, mark in marks.items() if hmac.compare_digest(mark.partition(".")[0], made[key])}

    def is_as_written(self, key: Key, lasting: Any, mark: str) -> bool:
        """True if what never is hidden still is what it was when the mark was made."""
        return mark.partition(".")[2] == self._fast(key, lasting)

    def _slow(self, contents: Mapping[Key, Content]) -> dict[Key, str]:
        """In several threads: scrypt lets others run meanwhile."""
        with ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="mark") as pool:
            return dict(zip(contents, pool.map(self._digest, contents.items()), strict=True))

    def _digest(self, item: tuple[Key, Content]) -> str:
        key, content = item
        secrets = _secrets(content)
        if secrets is None:
            return ""
        text = json.dumps(secrets, sort_keys=True)
        return hashlib.scrypt(text.encode(), salt=f"{self._salt}:{key.kind}:{key.name}".encode(), **_COST).hex()

    def _fast(self, key: Key, lasting: Any) -> str:
        text = json.dumps([key.kind, key.name, lasting])
        return hmac.new(self._salt.encode(), text.encode(), "sha256").hexdigest()[:16]


def _secrets(content: Content) -> Any:
    """What of it may be hidden; None: nothing."""
    if not isinstance(content, Connection):
        return content.value
    return [content.password, content.extra] if content.password or content.extra else None


def _lasting(content: Content) -> Any:
    """As `Shown.lasting`."""
    if not isinstance(content, Connection):
        return None
    return [getattr(content, name) for name in NO_SECRETS] + [sorted(content.extra or {})]
