"""What is known of every key: how old it is, when it was rotated last, when that is due, and what goes on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from bootstrap.errors import BootstrapError, Exit
from bootstrap.rotation import issuers
from bootstrap.rotation.durations import shown
from bootstrap.rotation.issuers.base import KeyInfo
from bootstrap.rotation.journal import Document, now
from bootstrap.rotation.keyring import Keyring, Rotatable
from bootstrap.rotation.steps import due
from bootstrap.secret import redact_value

VERSION = 1
State = Literal["good", "overdue", "grace", "grace over", "unfinished", "unknown"]
_WRONG = ("overdue", "grace over", "unfinished")


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
            "keys": [_key(key) for key in self.keys],
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


def _key(key: KeyInfo) -> Mapping[str, Any]:
    return {
        "id": key.id,
        "state": key.state,
        "created": _text(key.created),
        "expires": _text(key.expires),
        "last_used": _text(key.last_used),
    }


def take(keyring: Keyring, subjects: Sequence[Rotatable]) -> list[Item]:
    """What is known of these keys. What can't be asked is in the item's `error`."""
    return [_item(keyring, subject) for subject in subjects]


def _item(keyring: Keyring, subject: Rotatable) -> Item:
    module: Any = issuers.KINDS.find(subject.issuer_name)
    known = Item(
        name=subject.name,
        issuer=subject.issuer_name,
        place=f"{subject.store_name}:{subject.path}",
        state="unknown",
        keyless=getattr(module, "KEYLESS", ""),
    )
    try:
        known = Item(**{**vars(known), "account": subject.issuer.account})
        document = keyring.journal(subject).look()
        stored = subject.store.read(subject.path)
        fields = subject.fields_of(stored)
    except BootstrapError as err:
        return Item(**{**vars(known), "error": err})
    known = Item(**{**vars(known), "journal": document, "version": stored.version})
    try:
        key, keys = subject.issuer.identify(fields), subject.issuer.keys()
    except BootstrapError as err:
        key, keys, known = None, (), Item(**{**vars(known), "error": err})
    info = next((each for each in keys if each.id == key), None)
    since = document.rotated or (info.created if info else None) or stored.created
    every: timedelta | None = subject.spec.options.every
    upcoming = since + every if since is not None and every is not None else None
    return Item(
        **{
            **vars(known),
            "key": key,
            "keys": tuple(keys),
            "since": since,
            "expires": info.expires if info else None,
            "next": upcoming,
            "grace_until": _grace_until(document, subject.grace),
            "state": _state(document, subject.grace, every, upcoming),
        }
    )


def _grace_until(document: Document, grace: timedelta) -> datetime | None:
    rotation = document.rotation
    return due(rotation, grace) if rotation is not None and rotation.step == "grace" and rotation.promoted else None


def _state(document: Document, grace: timedelta, every: timedelta | None, upcoming: datetime | None) -> State:
    """A key whose age nobody knows can't be shown to be young enough: it is overdue."""
    if document.rotation is not None:
        until = _grace_until(document, grace)
        if until is None:
            return "unfinished"
        return "grace" if now() < until else "grace over"
    if every is not None and (upcoming is None or upcoming < now()):
        return "overdue"
    return "good"


def is_due(item: Item) -> bool:
    """Whether something has come due: the next rotation, or the end of a grace."""
    return item.error is None and item.state in {"overdue", "grace over"}


def sentence(item: Item) -> str:
    """The state, for people."""
    if item.error is not None:
        return f"unknown: {item.error.message}"
    if item.state == "overdue":
        return "overdue" if item.next is None else f"overdue since {item.next:%Y-%m-%d}"
    if item.state == "unfinished" and item.journal is not None and item.journal.rotation is not None:
        return f"unfinished at `{item.journal.rotation.step}`"
    if item.grace_until is not None:
        said = "until" if item.state == "grace" else "is over since"
        return f"grace {said} {item.grace_until:%Y-%m-%d %H:%M}"
    return item.state


def age(item: Item) -> str:
    """Of the key in use."""
    return shown(now() - item.since) if item.since is not None else "unknown"


def as_json(items: Sequence[Item]) -> str:
    """All of them, without a value."""
    document = {
        "version": VERSION,
        "taken": now().isoformat(timespec="seconds"),
        "keys": [redact_value(dict(item.as_json())) for item in items],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
