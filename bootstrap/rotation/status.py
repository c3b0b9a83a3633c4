"""How a run of `rotate` ended, and what is known of a key: how old it is, when it is to be rotated, and what goes on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from bootstrap.domain.secret import safe_json
from bootstrap.errors import BootstrapError, Exit
from bootstrap.issuers.base import KeyInfo
from bootstrap.rotation.journal import Document, now
from bootstrap.util.durations import shown

State = Literal["good", "overdue", "grace", "grace over", "unfinished", "unknown"]
_WRONG = ("overdue", "grace over", "unfinished")


class Unfinished(BootstrapError):
    """There is a rotation already."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended: the rotation is over, or the old key works until `due`, or there was nothing to do."""

    state: Literal["over", "grace", "nothing"]
    due: datetime | None = None


@dataclass(frozen=True)
class Item:
    """One key. `since` is when the key in use was made, as far as that is known; `next` when it is to be rotated.

    `error` is why something isn't known.
    """

    name: str
    issuer: str
    place: str
    state: State
    account: str = ""
    key: str | None = None
    version: str | None = None
    since: datetime | None = None
    expires: datetime | None = None
    next: datetime | None = None
    grace_until: datetime | None = None
    journal: Document | None = None
    keys: Sequence[KeyInfo] = ()
    keyless: str = ""
    error: BootstrapError | None = None

    @property
    def exit_code(self) -> Exit:
        """1 for what is overdue or unfinished; that of the error."""
        wrong = Exit.FAILED if self.state in _WRONG else Exit.OK
        return max(wrong, self.error.exit_code if self.error is not None else Exit.OK)

    @property
    def sentence(self) -> str:
        """The state, for people."""
        if self.error is not None:
            return f"unknown: {self.error.message}"
        if self.state == "overdue":
            return "overdue" if self.next is None else f"overdue since {self.next:%Y-%m-%d}"
        if self.state == "unfinished" and self.journal is not None and self.journal.rotation is not None:
            return f"unfinished at `{self.journal.rotation.step}`"
        if self.grace_until is not None:
            said = "until" if self.state == "grace" else "is over since"
            return f"grace {said} {self.grace_until:%Y-%m-%d %H:%M}"
        return self.state

    @property
    def age(self) -> str:
        """Of the key in use."""
        return shown(now() - self.since) if self.since is not None else "unknown"

    def as_json(self) -> Mapping[str, Any]:
        """For programs, and for evidence."""
        found: dict[str, Any] = {
            "name": self.name,
            "issuer": self.issuer,
            "secret_place": self.place,
            "account": self.account,
            "state": self.state,
            "key": self.key,
            "version": self.version,
            "since": _text(self.since),
            "expires": _text(self.expires),
            "next": _text(self.next),
            "grace_until": _text(self.grace_until),
            "keys": [
                {
                    "id": key.id,
                    "state": key.state,
                    "created": _text(key.created),
                    "expires": _text(key.expires),
                    "last_used": _text(key.last_used),
                }
                for key in self.keys
            ],
        }
        if self.journal is not None:
            document = json.loads(self.journal.model_dump_json())
            found["rotation"], found["history"] = document["rotation"], document["history"]
        if self.keyless:
            found["recommend"] = "keyless"
        if self.error is not None:
            found["error"] = self.error.message
        return found


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment is not None else None


def as_json(items: Sequence[Item]) -> str:
    """All of them, without a value."""
    keys = [dict(item.as_json()) for item in items]
    return safe_json({"version": 1, "taken": now().isoformat(timespec="seconds"), "keys": keys})
