"""Keys that any program makes, by a small protocol over stdin and stdout: docs/rotation-command.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, Field

from bootstrap.domain.secret import PublicText, Secret
from bootstrap.errors import IssuerDenied, IssuerUnavailable
from bootstrap.issuers._program import PROTOCOL, Program
from bootstrap.issuers.base import Attempt, Issuer, IssuerOptions, Key, KeyFields, KeyInfo, Surroundings
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
class ByProgram:
    """An issuer's part about keys that are there. Of a key that is gone, a program says nothing."""

    program: Program

    def keys(self) -> Sequence[KeyInfo]:
        """The program's listing."""
        return [KeyInfo(**dict(key)) for key in self.program.ask({"action": "keys"}, Listing).keys]

    def disable(self, key_id: str) -> None:
        """It is refused from now on, and kept."""
        self.program.ask({"action": "disable", "key": key_id}, Nothing)

    def enable(self, key_id: str) -> None:
        """It is accepted again. Raises IssuerDenied as the program says."""
        self.program.ask({"action": "enable", "key": key_id}, Nothing)

    def destroy(self, key_id: str) -> None:
        """It is removed."""
        self.program.ask({"action": "destroy", "key": key_id}, Nothing)


@dataclass(frozen=True)
class Command(ByProgram):
    """What the program says."""

    fields: tuple[str, ...]
    account: str

    def issue(self, attempt: Attempt) -> Key:
        """Once."""
        attempt.require_early(self.account)
        made = self.program.ask({"action": "issue", **told(attempt)}, _Issued).key
        values = {
            # A login that is the key's id is no secret: masked, no message could name the key
            name: PublicText(value) if name == "login" and value == made.id else Secret(value)
            for name, value in made.fields.items()
        }
        for value in values.values():
            value.reveal()
        what = f"{self.program.name}: issue"
        if made.fields.keys() != set(self.fields) or not all(made.fields.values()):
            message = (
                f"{what}: the key must have these fields, each with a text, and no others: {', '.join(self.fields)}"
            )
            raise IssuerUnavailable(message, f"correct the program, or `fields:`; {PROTOCOL}")
        if any(made.id == value for name, value in made.fields.items() if name != "login"):
            raise IssuerUnavailable(f"{what}: the key's id is its secret, and ids are written down", PROTOCOL)
        return Key(made.id, values, made.created, made.expires)

    def lost(self, attempt: Attempt) -> Sequence[str]:
        """As the program can tell by the run's name. Raises IssuerDenied if it names a key that is older than the attempt."""
        ids = self.program.ask({"action": "lost", **told(attempt)}, _Lost).ids
        older = sorted({*attempt.known, *filter(None, [attempt.current])} & set(ids))
        if older:
            message = f"{self.program.name}: lost: says that this run made {', '.join(older)}, which was there before"
            raise IssuerDenied(message, f"correct the program; {PROTOCOL}")
        return ids

    def identify(self, fields: KeyFields) -> str | None:
        """The program gets the fields."""
        values = {name: value.reveal() for name, value in fields.items()}
        return self.program.ask({"action": "identify", "fields": values}, Identified).id


def told(attempt: Attempt) -> Mapping[str, Any]:
    """An attempt, for a program."""
    return {
        "run": attempt.run,
        "since": attempt.since.isoformat(),
        "current": attempt.current,
        "known": list(attempt.known),
    }
