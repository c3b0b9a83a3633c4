"""Keys that any program makes, by a small protocol over stdin and stdout: docs/rotation-command.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, Field

from bootstrap.domain.secret import PublicText, Secret
from bootstrap.errors import IssuerDenied, IssuerUnavailable
from bootstrap.issuers._program import PROTOCOL, Program
from bootstrap.issuers.base import WINDOW, Attempt, Issuer, IssuerOptions, Key, KeyFields, KeyInfo, Surroundings
from bootstrap.util.durations import Duration
from bootstrap.util.model import Model

_LONGEST = timedelta(seconds=100)  # a run that writes nothing for two minutes is taken for dead by other machines


def _patience(span: timedelta) -> timedelta:
    if not timedelta(seconds=1) <= span <= _LONGEST:
        msg = "expected 1s to 100s"
        raise ValueError(msg)
    return span


Words = Annotated[list[str], Field(min_length=1), AfterValidator(tuple)]
Patience = Annotated[Duration, AfterValidator(_patience)]
Id = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]{1,200}$")]


class Options(IssuerOptions):
    """`run`: the program and its arguments, without a shell; `fields`: what of the connection its keys fill."""

    issuer: Literal["command"]
    run: Words
    fields: Words = ["password"]
    timeout: Patience = timedelta(seconds=60)
    account: str | None = None


class _Made(Model):
    id: Id
    fields: dict[str, str]
    created: AwareDatetime | None = None
    expires: AwareDatetime | None = None


class _Issued(Model):
    key: _Made


class Listed(Model):
    """A key in a program's listing."""

    id: Id
    state: Literal["enabled", "disabled"]
    created: AwareDatetime | None = None
    expires: AwareDatetime | None = None
    last_used: AwareDatetime | None = None
    sessions: int = 0

    def info(self) -> KeyInfo:
        """As an issuer lists it."""
        return KeyInfo(**dict(self))


class Listing(Model):
    """All keys."""

    keys: list[Listed]


class _Lost(Model):
    ids: list[Id]


class Identified(Model):
    """Which key it is; null if the program can't tell."""

    id: Id | None


class Nothing(Model):
    """It is done."""


def fields(options: Options) -> tuple[str, ...]:
    """As the manifest says."""
    return tuple(options.fields)


def open_issuer(options: Options, surroundings: Surroundings) -> Issuer:
    """Starts nothing yet."""
    program = Program(options.run, surroundings.folder, options.timeout.total_seconds())
    return Command(program, tuple(options.fields), options.account or f"command {' '.join(options.run)}")


@dataclass(frozen=True)
class Command:
    """What the program says."""

    program: Program
    fields: tuple[str, ...]
    account: str

    def issue(self, attempt: Attempt) -> Key:
        """Once."""
        require_early(attempt, self.account)
        made = self.program.ask({"action": "issue", **told(attempt)}, _Issued).key
        values = {name: _secret(name, value, made.id) for name, value in made.fields.items()}
        for value in values.values():
            value.reveal()
        self._require_whole(made)
        return Key(made.id, values, made.created, made.expires)

    def _require_whole(self, made: _Made) -> None:
        what = f"{self.program.name}: issue"
        if made.fields.keys() != set(self.fields) or not all(made.fields.values()):
            message = (
                f"{what}: the key must have these fields, each with a text, and no others: {', '.join(self.fields)}"
            )
            raise IssuerUnavailable(message, f"correct the program, or `fields:`; {PROTOCOL}")
        if any(made.id == value for name, value in made.fields.items() if name != "login"):
            raise IssuerUnavailable(f"{what}: the key's id is its secret, and ids are written down", PROTOCOL)

    def lost(self, attempt: Attempt) -> Sequence[str]:
        """As the program can tell by the run's name. Raises IssuerDenied if it names a key that is older than the attempt."""
        ids = self.program.ask({"action": "lost", **told(attempt)}, _Lost).ids
        older = sorted({*attempt.known, *filter(None, [attempt.current])} & set(ids))
        if older:
            message = f"{self.program.name}: lost: says that this run made {', '.join(older)}, which was there before"
            raise IssuerDenied(message, f"correct the program; {PROTOCOL}")
        return ids

    def keys(self) -> Sequence[KeyInfo]:
        """Its listing."""
        return [key.info() for key in self.program.ask({"action": "keys"}, Listing).keys]

    def identify(self, fields: KeyFields) -> str | None:
        """The program gets the fields."""
        values = {name: value.reveal() for name, value in fields.items()}
        return self.program.ask({"action": "identify", "fields": values}, Identified).id

    def disable(self, key_id: str) -> None:
        """Of a key that is gone, the program says nothing."""
        self.program.ask({"action": "disable", "key": key_id}, Nothing)

    def enable(self, key_id: str) -> None:
        """Raises IssuerDenied as the program says."""
        self.program.ask({"action": "enable", "key": key_id}, Nothing)

    def destroy(self, key_id: str) -> None:
        """Of a key that is gone, the program says nothing."""
        self.program.ask({"action": "destroy", "key": key_id}, Nothing)


def _secret(name: str, value: str, key_id: str) -> Secret:
    """A login that is the key's id is no secret: masked, no message could name the key."""
    return PublicText(value) if name == "login" and value == key_id else Secret(value)


def told(attempt: Attempt) -> Mapping[str, Any]:
    """An attempt, for a program."""
    return {
        "run": attempt.run,
        "since": attempt.since.isoformat(),
        "current": attempt.current,
        "known": list(attempt.known),
    }


def require_early(attempt: Attempt, account: str) -> None:
    """Raises IssuerUnavailable if a key made now could not be told from others' later on."""
    if (datetime.now(timezone.utc) - attempt.since).total_seconds() > WINDOW:
        raise IssuerUnavailable(f"{account}: too slow to make a key safely; none was made", "run this again")
