"""What is known of every key: how old it is, when it was rotated last, when that is due, and what goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bootstrap.domain.secret import safe_json
from bootstrap.errors import BootstrapError
from bootstrap.issuers.kind import KnowsKeyless
from bootstrap.rotation.fernet import rotatable
from bootstrap.rotation.journal import now
from bootstrap.rotation.keyring import Keyring
from bootstrap.rotation.status import Item, State
from bootstrap.rotation.steps import due
from bootstrap.util.durations import shown

VERSION = 1


def take(keyring: Keyring, name: str) -> Item:
    """What is known of a key. What can't be asked is in the item's `error`."""
    if name == rotatable.NAME:
        return keyring.fernet_key().item()
    subject = keyring.subject(name)
    kind = subject.kind
    known = Item(
        name=subject.name,
        issuer=subject.issuer_name,
        place=f"{subject.store_name}:{subject.path}",
        state="unknown",
        keyless=kind.KEYLESS if isinstance(kind, KnowsKeyless) else "",
    )
    try:
        known = replace(known, account=subject.issuer.account)
        document = keyring.journal(subject).look()
        stored = subject.store.read(subject.path)
        fields = subject.fields_of(stored)
    except BootstrapError as err:
        return replace(known, error=err)
    known = replace(known, journal=document, version=stored.version)
    try:
        key, keys = subject.issuer.identify(fields), subject.issuer.keys()
    except BootstrapError as err:
        key, keys, known = None, (), replace(known, error=err)
    info = next((each for each in keys if each.id == key), None)
    since = document.rotated or (info.created if info else None) or stored.created
    every = subject.spec.options.every
    upcoming = since + every if since is not None and every is not None else None
    rotation = document.rotation
    in_grace = rotation is not None and rotation.step == "grace" and rotation.promoted
    until = due(rotation, subject.grace) if rotation is not None and in_grace else None
    state: State = "good"
    if rotation is not None:
        state = "unfinished" if until is None else "grace" if now() < until else "grace over"
    elif every is not None and (upcoming is None or upcoming < now()):
        state = "overdue"  # a key whose age nobody knows can't be shown to be young enough
    return replace(
        known,
        key=key,
        keys=tuple(keys),
        since=since,
        expires=info.expires if info else None,
        next=upcoming,
        grace_until=until,
        state=state,
    )


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
        "keys": [dict(item.as_json()) for item in items],
    }
    return safe_json(document)
