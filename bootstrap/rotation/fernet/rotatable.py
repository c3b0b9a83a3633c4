"""Airflow's own key, [core] fernet_key, rotated by the same commands as other keys. airflow.cfg and the rows are its journal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from bootstrap.airflow.environment import Environment
from bootstrap.errors import BootstrapError, UsageError
from bootstrap.manifest.models import FernetKey as Spec
from bootstrap.rotation.fernet import steps
from bootstrap.rotation.fernet.steps import Done, FernetState
from bootstrap.rotation.journal import now
from bootstrap.rotation.status import Item, Outcome, State, Unfinished

NAME = "airflow:fernet_key"  # no conn_id has a colon


@dataclass(frozen=True)
class FernetKey:
    """The key of the Airflow in `environment`."""

    environment: Environment
    spec: Spec
    say: Callable[[str], None]

    def rotate(self) -> Outcome:
        """Put a new key first; without a grace, go on to the end. Raises Unfinished, AirflowError, UsageError."""
        found = steps.state(self.environment)
        if found.under_way:
            until = self._due(found)
            raise Unfinished(
                f"{NAME}: the key is being rotated, and Airflow still has the old one"
                + (f" until {until:%Y-%m-%d %H:%M} UTC" if until else ""),
                "airflow-bootstrap rotate --due ends it from then on; --rollback goes back",
            )
        return self._after(self._told(steps.begin(self.environment)))

    def resume(self) -> Outcome:
        """Re-encrypt all rows, and drop the old key once its grace is over. Raises AirflowError, UsageError."""
        found = steps.state(self.environment)
        return self._after(found) if found.under_way else Outcome("nothing")

    def roll_back(self) -> Outcome:
        """The old key alone again. Raises AirflowError, UsageError."""
        found = steps.state(self.environment)
        if not found.under_way:
            return Outcome("nothing")
        self._told(steps.abort(self.environment))
        return Outcome("over")

    def give_up(self) -> Outcome:
        """There is nothing to give up: what airflow.cfg and the rows say is how it stands. Raises UsageError."""
        message = f"{NAME}: a rotation of it can't be given up"
        raise UsageError(message, "end it with --resume, or go back with --rollback")

    def item(self) -> Item:
        """What is known of it, without asking for more than Airflow's rows."""
        place = f"{self.environment.config} [core] fernet_key"
        try:
            found = steps.state(self.environment)
        except BootstrapError as err:
            return Item(NAME, "fernet", place, "unknown", error=err)
        since, every = found.created_hint, self.spec.every
        upcoming = since + every if since is not None and every is not None else None
        until = self._due(found) if found.under_way else None
        state: State = "good"
        if found.under_way:
            state = "grace" if until is not None and now() < until else "grace over"
        elif every is not None and (upcoming is None or upcoming < now()):
            state = "overdue"
        return Item(
            name=NAME,
            issuer="fernet",
            place=place,
            state=state,
            key=found.ids[0] if found.ids else None,
            since=since,
            next=upcoming,
            grace_until=until,
        )

    def _after(self, found: FernetState) -> Outcome:
        until = self._due(found)
        if self.spec.grace > timedelta(0) and until is not None and now() < until and not found.aborting:
            return Outcome("grace", until)
        self._told(steps.reencrypt(self.environment))
        self._told(steps.finish(self.environment))
        return Outcome("over")

    def _due(self, found: FernetState) -> datetime | None:
        return found.created_hint + self.spec.grace if found.created_hint is not None else None

    def _told(self, done: Done) -> FernetState:
        self.say(f"{NAME}: {done.text}")
        if done.next:
            self.say(f"{NAME}: {done.next}")
        return done.state
