"""What the steps of a rotation work with, and what they return."""

from __future__ import annotations

from dataclasses import dataclass

from bootstrap.errors import BootstrapError, Conflict, NotFound
from bootstrap.issuers.kind import SaysIfItDisables
from bootstrap.rotation.candidate import Content, Material
from bootstrap.rotation.journal import Journal, Past, Rotation
from bootstrap.rotation.rotatable import Subject, Voice
from bootstrap.stores.base import Stored


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
