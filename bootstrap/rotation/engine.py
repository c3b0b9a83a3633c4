"""The life of one rotation: begun, continued after a crash, turned back.

At every moment the secret holds a key that works, and every key that there is is in the journal: a step is written down
before it is done, and done again if nobody knows whether it was. docs/rotation.md tells it to people.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass

from bootstrap.domain.secret import foreign
from bootstrap.errors import BootstrapError, UsageError
from bootstrap.rotation.candidate import content
from bootstrap.rotation.journal import Journal, Rotation, Side, TakenOver, now, over
from bootstrap.rotation.rotatable import Refused, Subject, Voice, Work
from bootstrap.rotation.status import Outcome, Unfinished
from bootstrap.rotation.steps import STEPS, due, turned

BEFORE_USE = ("issue", "stage", "verify", "abandon")  # the new key was never in use
GONE = ("destroy", "forget")  # the old key may be gone


@dataclass
class Engine:
    """Rotates one key."""

    subject: Subject
    journal: Journal
    voice: Voice
    despite_use: bool = False

    def rotate(self) -> Outcome:
        """Begin, and go on as far as it goes now. Raises Unfinished, BootstrapError."""
        with self._taken():
            self._require_none()
            self.subject.require()
            self.journal.put(self._begun())
            return self._go_on(fresh=True)

    def resume(self) -> Outcome:
        """Go on with what a run has left. Raises BootstrapError."""
        if self.journal.look().rotation is None:
            return Outcome("nothing")
        with self._taken():
            return self._go_on(fresh=False)

    def roll_back(self) -> Outcome:
        """Return to the old key. Raises UsageError once that is gone, BootstrapError."""
        if self.journal.look().rotation is None:
            return Outcome("nothing")
        with self._taken():
            rotation = self.journal.rotation
            if rotation is not None:
                self.journal.put(self._turned(rotation))
            return self._go_on(fresh=False)

    def give_up(self) -> Outcome:
        """End a rotation as it is, with whatever keys there are: where somebody has put things right by hand. Raises BootstrapError."""
        if self.journal.look().rotation is None:
            return Outcome("nothing")
        with self._taken():
            rotation = self.journal.rotation
            if rotation is not None:
                self._work(fresh=False).forget()
                left = ", ".join(sorted({key for key in (rotation.old.key, rotation.new.key, *rotation.doomed) if key}))
                text = (
                    f"{self.subject.name}: given up at `{rotation.step}`; what is still at the issuer is yours: {left}"
                )
                self.voice.say(text)
                self.journal.put(None, past=over(rotation, "abandoned", text))
        return Outcome("over")

    def _require_none(self) -> None:
        rotation = self.journal.rotation
        if rotation is None:
            return
        name = self.subject.name
        if rotation.step == "grace":
            until = due(rotation, self.subject.grace)
            message = f"{name}: the key of {rotation.began:%Y-%m-%d} is in use, and the old one works until {until:%Y-%m-%d %H:%M} UTC"
            raise Unfinished(message, "airflow-bootstrap rotate --due ends it from then on; a shorter `grace:`, sooner")
        reason = f" ({rotation.failure})" if rotation.failure else ""
        message = f"{name}: the rotation {rotation.run} is not over: it stopped at `{rotation.step}`{reason}"
        raise Unfinished(message, f"airflow-bootstrap rotate --resume {name}, or --rollback")

    def _begun(self) -> Rotation:
        stored = self.subject.store.read(self.subject.path)
        current = self.subject.issuer.identify(self.subject.fields_of(stored))
        listed = self.subject.issuer.keys()
        began = now()
        return Rotation(
            run=f"{began:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}",
            by=self.journal.holder.who,
            began=began,
            step="issue",
            old=Side(key=current, version=stored.version, slot="old"),
            new=Side(slot="new"),
            since=began,
            known=tuple(sorted(key.id for key in listed)),
        )

    def _turned(self, rotation: Rotation) -> Rotation:
        """The rotation on its way back; one whose key never came into use is abandoned."""
        name = self.subject.name
        if rotation.step in GONE:
            raise UsageError(
                f"{name}: the key {rotation.old.key} was taken out of use for good: there is no way back to it",
                f"airflow-bootstrap rotate --resume {name}, then rotate {name} for another new key",
            )
        in_use = self._came_into_use(rotation)
        if not rotation.used and not in_use:
            self.voice.say(f"{name}: the new key was never in use: it is taken away")
            return rotation.model_copy(update={"step": "abandon", "failure": ""})
        self.voice.say(f"{name}: back to the key {rotation.old.key or 'before'}")
        return turned(rotation)

    def _came_into_use(self, rotation: Rotation) -> bool:
        """Whether the secret ever held the new key. If it doesn't yet, it never will: a run that was only thought dead may
        wake in the midst of writing it, and finds another version of the same.
        """
        if rotation.step != "promote":
            return rotation.step not in BEFORE_USE
        subject, work = self.subject, self._work(fresh=False)
        old, new = work.contents(rotation)
        stored = subject.store.read(subject.path)
        if work.holds(stored, new):
            return True
        if work.holds(stored, old):
            subject.store.write(subject.path, content(stored).payload(), expect=stored.version)
        return False

    def _work(self, *, fresh: bool) -> Work:
        """Whoever goes on with a rotation that came to nothing is told so, as the run was that has left it."""
        work = Work(self.subject, self.journal, self.voice, fresh=fresh, despite_use=self.despite_use)
        rotation = self.journal.rotation
        if rotation is not None and rotation.reason and (rotation.back or rotation.step == "abandon"):
            work.error = Refused(rotation.reason)
        return work

    def _go_on(self, *, fresh: bool) -> Outcome:
        """Step after step, each written down before it is done."""
        work = self._work(fresh=fresh)
        outcome = Outcome("over")
        while (rotation := self.journal.rotation) is not None:
            following = STEPS[rotation.step](work, rotation)
            if following is None:
                outcome = Outcome("grace", due(rotation, self.subject.grace))
                break
            work.fresh = True
            self.journal.put(following.rotation, past=following.past)
            if following.error is not None:
                raise following.error
        if work.error is not None:
            raise work.error
        self.journal.release()
        return outcome

    @contextlib.contextmanager
    def _taken(self) -> Iterator[None]:
        """The journal is ours, until this ends or fails; a run that another has taken over writes nothing more."""
        self.journal.take()
        try:
            yield
        except BaseException as err:
            if not isinstance(err, TakenOver):
                with contextlib.suppress(BootstrapError):
                    self.journal.release(self._failure(err))
            raise

    def _failure(self, err: BaseException) -> str:
        """What is written down of an error; of a command that can't be, nothing: what was there stays."""
        if isinstance(err, Unfinished | UsageError) and self.journal.rotation is not None:
            return self.journal.rotation.failure
        return foreign(err) if isinstance(err, BootstrapError) else type(err).__name__
