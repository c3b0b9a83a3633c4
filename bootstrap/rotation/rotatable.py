"""What the steps of a rotation work with and return: a secret in a store, its issuer, and the ways to prove a key and to put it in use."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, Protocol

from bootstrap.errors import BootstrapError, Conflict, Exit, NotFound
from bootstrap.issuers.base import Issuer, KeyFields
from bootstrap.issuers.kind import SaysIfItDisables
from bootstrap.rotation.candidate import Content, Material
from bootstrap.rotation.journal import Journal, Past, Rotation
from bootstrap.stores.base import Store, Stored

State = Literal["passed", "refused", "undecided"]
_LOGIN = ("auth", "store_denied")  # causes of a refused login
_FIRST, _LONGEST = 2.0, 15.0  # seconds between two tries


@dataclass(frozen=True)
class Proof:
    """What the checks said. `refused`: it is the key's fault; `undecided`: it can't be told, for what is around it fails.

    `checks` are those that passed; `cause` and `why` are of the first that failed.
    """

    state: State
    checks: tuple[str, ...] = ()
    cause: str = ""
    why: str = ""
    hint: str = ""
    exit_code: Exit = Exit.FAILED


def settled(prove: Callable[[], Proof], settle: timedelta, say: Callable[[str], None]) -> Proof:
    """The proof of a new key, which may be refused until it is known everywhere: it is tried again for `settle`, and that is said."""
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


class Subject(Protocol):
    """A key that is rotated."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def store(self) -> Store:
        """The store that has the secret."""

    @property
    def store_name(self) -> str:
        """Its name in the manifest."""

    @property
    def path(self) -> str:
        """Where in it the secret is."""

    @property
    def issuer(self) -> Issuer:
        """Who mints its keys."""

    @property
    def issuer_name(self) -> str:
        """As the manifest has it."""

    @property
    def grace(self) -> timedelta:
        """How long both keys work."""

    @property
    def settle(self) -> timedelta:
        """How long a new key may be refused."""

    def fields_of(self, stored: Stored) -> KeyFields:
        """The key's fields in the secret. Raises StoreError."""

    def filled(self, stored: Stored, fields: KeyFields) -> Content:
        """The secret with another key's fields. Raises StoreError."""

    def require(self) -> None:
        """Raises BootstrapError if a new key could not be put in use, or not be proven: before there is one."""

    def prove(self, candidate: Content) -> Proof:
        """Run the checks with a candidate that nobody else sees."""

    def publish(self) -> None:
        """Bring what the secret now holds to where Airflow finds it. May be called again. Raises BootstrapError."""

    def prove_live(self) -> Proof:
        """Run the checks as Airflow does, and see that what it finds is what the secret now holds."""

    def others(self) -> frozenset[str]:
        """The ids of keys of the same account that other journals know of. Raises StoreError."""


@dataclass(frozen=True)
class Voice:
    """How a rotation talks: `say` tells what happens, `ask` puts a question and returns whether the answer is yes."""

    say: Callable[[str], None]
    ask: Callable[[str], bool]


class Refused(BootstrapError):
    """A key failed its checks."""


class InUse(BootstrapError):
    """Somebody used the old key lately."""


@dataclass(frozen=True)
class Next:
    """What is written down after a step: the rotation at its next step, or None and what is kept of it; then `error`, if any."""

    rotation: Rotation | None
    past: Past | None = None
    error: BootstrapError | None = None


@dataclass
class Work:
    """What the steps work with. `fresh`: the step was not begun by a run that may have been killed in it.

    `error` is what a step has found, while the rotation still goes on.
    """

    subject: Subject
    journal: Journal
    voice: Voice
    fresh: bool
    despite_use: bool = False
    error: BootstrapError | None = None

    @property
    def material(self) -> Material:
        """Both contents of the secret."""
        return Material(self.subject.store, self.subject.store_name, self.subject.path)

    @property
    def where(self) -> str:
        """The secret, for people."""
        return f"{self.subject.store_name}:{self.subject.path}"

    def say(self, text: str) -> None:
        """Tell what happens to this key."""
        self.voice.say(f"{self.subject.name}: {text}")

    def contents(self, rotation: Rotation) -> tuple[Content, Content]:
        """What the secret holds with the key on its way out, and with the one on its way in. Raises NotFound."""
        found = self.material.read(rotation.run)
        if found is None:
            raise NotFound(
                f"{self.material.where}: what the rotation {rotation.run} kept there is gone",
                "put the secret right by hand, then: airflow-bootstrap rotate --give-up; --status --json names both keys",
            )
        return found[rotation.old.slot], found[rotation.new.slot]

    def keep(self, run: str, old: Content, new: Content) -> None:
        """Both contents are beside the secret, unless another run has gone on meanwhile. Raises TakenOver, StoreError."""
        version = self.material.version()
        self.journal.require_ours()
        self.material.write(run, old, new, expect=version)

    def forget(self) -> None:
        """They are gone. Raises TakenOver, StoreError."""
        version = self.material.version()
        self.journal.require_ours()
        if version is not None:
            self.material.forget(version)

    def holds(self, stored: Stored, wanted: Content) -> bool:
        """Whether the secret has the key of such a content; what else is in it may have changed."""
        return self.subject.fields_of(stored) == self.subject.fields_of(wanted.stored())

    def changed(self) -> Conflict:
        """Neither key is there."""
        return Conflict(
            f"{self.where}: somebody else changed the key in it while it was rotated; nothing was written over it",
            f"put the right one there, then: airflow-bootstrap rotate --resume {self.subject.name}; or keep theirs: --give-up",
        )

    def take_away(self, key_id: str) -> None:
        """A key that is of no use is gone at the issuer. Raises TakenOver."""
        self.journal.require_ours()
        if self.can_disable:
            self.subject.issuer.disable(key_id)
        self.subject.issuer.destroy(key_id)

    def listed(self) -> tuple[str, ...]:
        """The ids of all keys that the issuer has."""
        found = self.subject.issuer.keys()
        return tuple(sorted(key.id for key in found))

    @property
    def can_disable(self) -> bool:
        """Whether the issuer can take a key back that it has disabled."""
        issuer = self.subject.issuer
        return not isinstance(issuer, SaysIfItDisables) or issuer.can_disable
