"""A shared secret that is drawn here, and that the user's own program installs where it is checked: docs/rotation-command.md."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from bootstrap.domain.secret import Secret
from bootstrap.issuers._program import Program
from bootstrap.issuers.base import Attempt, Issuer, IssuerOptions, Key, KeyFields, Surroundings
from bootstrap.issuers.command import ByProgram, Identified, Nothing, Patience, Words

_LETTERS = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # none looks like another


class Options(IssuerOptions):
    """`push`: the program that installs a secret, and its arguments; `field`: what of the connection it fills."""

    issuer: Literal["random"]
    push: Words
    field: str = "password"
    length: Annotated[int, Field(ge=16, le=1024)] = 40
    timeout: Patience = timedelta(seconds=60)


def fields(options: Options) -> tuple[str, ...]:
    """One."""
    return (options.field,)


def open_issuer(options: Options, surroundings: Surroundings) -> Issuer:
    """Starts nothing yet."""
    return Random(Program(options.push, surroundings.folder, options.timeout.total_seconds()), options)


@dataclass(frozen=True)
class Random(ByProgram):
    """Secrets that a program installs; each has the name of the run that drew it as its id."""

    options: Options

    @property
    def account(self) -> str:
        """The program."""
        return f"command {' '.join(self.options.push)}"

    def issue(self, attempt: Attempt) -> Key:
        """Draw one, and have it accepted beside the others."""
        attempt.require_early(self.account)
        value = Secret("".join(secrets.choice(_LETTERS) for _ in range(self.options.length)))
        self.program.ask({"action": "add", "key": attempt.run, "value": value.reveal()}, Nothing)
        return Key(attempt.run, {self.options.field: value})

    def lost(self, attempt: Attempt) -> Sequence[str]:
        """The one of this run, if it was installed."""
        return [key.id for key in self.keys() if key.id == attempt.run]

    def identify(self, fields: KeyFields) -> str | None:
        """The program gets the secret."""
        value = fields[self.options.field].reveal()
        return self.program.ask({"action": "identify", "value": value}, Identified).id
