"""The journal of one secret's rotations, kept beside it in its store: which key, which step, since when. It holds no secret.

Whoever works on a rotation writes itself into the journal, by check-and-set: of two that try, one gets it. What is written
before a step names the step; so whoever comes after a crash does that step again, which every step allows.
"""

from __future__ import annotations

import getpass
import os
import secrets
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from bootstrap.domain.secret import PublicText
from bootstrap.errors import Busy, Conflict, Malformed, NotFound
from bootstrap.manifest.key_place import journal_path
from bootstrap.stores.base import Store, Version, pick_field
from bootstrap.util.model import Model

LEASE = 120.0  # seconds after which a process elsewhere that has written nothing is taken for dead
KEPT = 20  # rotations in the history
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_NAMESPACE = Path("/proc/self/ns/pid")
_POLL = 1.0  # seconds between two looks at somebody else's lease

StepName = Literal[
    "issue", "stage", "enable", "verify", "promote", "verify_live", "grace", "disable", "verify_disabled", "destroy",
    "forget", "abandon",
]  # fmt: skip


class TakenOver(Conflict):
    """Another run has the journal now: this one may write nothing more."""


class Holder(Model):
    """A process: `machine` is the same for all of one boot and one space of pids; '' where that can't be told."""

    who: str
    machine: str
    pid: int
    started: str
    nonce: str

    @property
    def is_dead(self) -> bool:
        """Whether it has ended for certain: a process of this machine that is not there any more."""
        return self.machine != "" and self.machine == _machine() and _started(self.pid) != self.started

    @property
    def is_alive(self) -> bool:
        """Whether it runs for certain: as `is_dead`, on this machine."""
        return self.machine != "" and self.machine == _machine() and _started(self.pid) == self.started


def here() -> Holder:
    """The process that asks, for one run."""
    pid = os.getpid()
    return Holder(who=who(), machine=_machine(), pid=pid, started=_started(pid), nonce=secrets.token_hex(8))


def who() -> str:
    """The user and the host, for people."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def _machine() -> str:
    try:
        return f"{_BOOT.read_text().strip()} {_NAMESPACE.readlink()}"
    except OSError:
        return ""


def _started(pid: int) -> str:
    """When a process began, in ticks since the boot (proc(5), stat, field 22); '' if there is none, or a dead one."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in {"Z", "X"} else fields[19]


class Side(Model):
    """One of the two keys: its id at the issuer, as far as that can be told, and the version of the secret that holds it."""

    key: str | None = None
    version: Version | None = None
    slot: Literal["old", "new"]


class Rotation(Model):
    """A rotation that isn't over. `step` has begun, or is next.

    `old` is the key on its way out, `new` the one on its way in: after a rollback, the other way round (`back`); `used`: the secret
    has held both. `known` are the
    keys that the issuer had before, `since` when `issue` began, `doomed` keys that were made in vain, `promoted` when the
    new key was proven in use. `proofs` are the checks that passed, by step; `failure` is why the last run stopped, `reason` why
    the old key was brought back.
    """

    run: str
    by: str
    began: datetime
    step: StepName
    old: Side
    new: Side
    since: datetime
    known: tuple[str, ...] = ()
    doomed: tuple[str, ...] = ()
    promoted: datetime | None = None
    back: bool = False
    used: bool = False
    proofs: dict[str, tuple[str, ...]] = {}
    failure: str = ""
    reason: str = ""

    @property
    def keys(self) -> frozenset[str]:
        """Every key that it knows of."""
        found = {*self.known, *self.doomed, self.old.key, self.new.key}
        return frozenset(key for key in found if key is not None)


class Past(Model):
    """A rotation that is over, for evidence: who, when, which keys and versions, and which checks proved them."""

    run: str
    by: str
    outcome: Literal["rotated", "rolled back", "abandoned"]
    began: datetime
    promoted: datetime | None
    ended: datetime
    old: Side
    new: Side
    proofs: dict[str, tuple[str, ...]]
    failure: str = ""


class Document(Model):
    """What is written."""

    version: Literal[1] = 1
    place: str
    issuer: str
    account: str
    rotation: Rotation | None = None
    holder: Holder | None = None
    history: tuple[Past, ...] = ()

    @property
    def keys(self) -> frozenset[str]:
        """Every key that it knows of, also of rotations that are over."""
        sides = (side.key for each in self.history for side in (each.old, each.new))
        past = frozenset(key for key in sides if key is not None)
        return past | (self.rotation.keys if self.rotation else frozenset())

    @property
    def rotated(self) -> datetime | None:
        """When the key in use was made by a rotation."""
        done = [past for past in self.history if past.outcome == "rotated"]
        return done[-1].promoted if done else None


def _kept(history: tuple[Past, ...]) -> tuple[Past, ...]:
    """The last ones, and the one that the key in use is from, however many have failed since."""
    last = history[-KEPT:]
    in_use = next((past for past in reversed(history) if past.outcome == "rotated"), None)
    return last if in_use is None or in_use in last else (in_use, *last[1:])


def parse(text: str, where: str) -> Document:
    """Raises Malformed."""
    try:
        return Document.model_validate_json(text)
    except ValidationError as err:
        hint = "another release may have written it: update airflow-bootstrap"
        raise Malformed(f"{where}: not a journal of rotations that this release understands", hint) from err


@dataclass
class Journal:
    """The journal of the secret at `path`. `lease` and `holder` are for tests."""

    store: Store
    name: str
    path: str
    new: Document
    lease: float = LEASE
    holder: Holder = field(default_factory=here)
    sleep: Callable[[float], None] = time.sleep
    document: Document = field(init=False)
    _version: Version | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.document = self.new

    @property
    def where(self) -> str:
        """For people."""
        return f"{self.name}:{journal_path(self.path)}"

    @property
    def rotation(self) -> Rotation | None:
        """The one that isn't over."""
        return self.document.rotation

    def look(self) -> Document:
        """What is written now; a new one where there is none. Raises StoreError."""
        try:
            stored = self.store.read(journal_path(self.path))
        except NotFound:
            self.document, self._version = self.new, None
            return self.document
        text = pick_field(stored, self.where, None).unmasked()
        self.document, self._version = parse(text, self.where), stored.version
        return self.document

    def take(self) -> Document:
        """Write ourselves in. Waits for a process that may be dead. Raises Busy, Conflict, StoreError."""
        seen, since = self.look(), time.monotonic()
        while seen.holder is not None and not seen.holder.is_dead:
            if seen.holder.is_alive:
                running = f"{seen.holder.who} rotates this key right now (process {seen.holder.pid})"
                raise Busy(f"{self.where}: {running}", "wait for it to end")
            if time.monotonic() - since >= self.lease:
                break
            self.sleep(_POLL)
            before, seen = self._version, self.look()
            if self._version != before:
                since = time.monotonic()
        self._write(self.document, self.holder)
        return self.document

    def put(self, rotation: Rotation | None, *, past: Past | None = None) -> None:
        """Write how far the rotation is; one that is over is nobody's any more. Raises TakenOver, StoreError."""
        history = _kept((*self.document.history, past)) if past is not None else self.document.history
        changed = self.document.model_copy(update={"rotation": rotation, "history": history})
        self._write(changed, self.holder if rotation is not None else None)

    def release(self, failure: str = "") -> None:
        """Nobody works on it from now on. Raises StoreError."""
        changed = self.document
        if changed.holder is None:
            return
        if changed.rotation is not None and changed.rotation.failure != failure:
            rotation = changed.rotation.model_copy(update={"failure": failure})
            changed = changed.model_copy(update={"rotation": rotation})
        self._write(changed, None)

    def _write(self, document: Document, holder: Holder | None) -> None:
        document = document.model_copy(update={"holder": holder})
        text = document.model_dump_json()
        try:
            self._version = self.store.write(journal_path(self.path), PublicText(text), expect=self._version)
        except Conflict as err:
            raise self._taken_over() from err
        self.document = document

    def require_ours(self) -> None:
        """Nobody has written since we did: to be asked right before what knows no check-and-set. Raises TakenOver, StoreError."""
        if self.store.read(journal_path(self.path)).version != self._version:
            raise self._taken_over()

    def _taken_over(self) -> TakenOver:
        message = f"{self.where}: another run works on this rotation; this one has stopped"
        return TakenOver(message, "airflow-bootstrap rotate --status")


def now() -> datetime:
    """The time, aware."""
    return datetime.now(timezone.utc)


def over(rotation: Rotation, outcome: Literal["rotated", "rolled back", "abandoned"], failure: str = "") -> Past:
    """What is kept of a rotation."""
    return Past(
        run=rotation.run,
        by=rotation.by,
        outcome=outcome,
        began=rotation.began,
        promoted=rotation.promoted,
        ended=now(),
        old=rotation.old,
        new=rotation.new,
        proofs=rotation.proofs,
        failure=failure or rotation.reason or rotation.failure,
    )
