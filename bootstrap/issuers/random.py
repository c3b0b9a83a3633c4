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
from bootstrap.issuers.base import Attempt, Issuer, IssuerOptions, Key, KeyFields, KeyInfo, Surroundings
from bootstrap.issuers.command import Identified, Listing, Nothing, Patience, Words, require_early

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
class Random:
    """Secrets that a program installs; each has the name of the run that drew it as its id."""

    program: Program
    options: Options

    @property
    def account(self) -> str:
        """The program."""
        return f"command {' '.join(self.options.push)}"

    def issue(self, attempt: Attempt) -> Key:
        """Draw one, and have it accepted beside the others."""
        require_early(attempt, self.account)
        value = Secret("".join(secrets.choice(_LETTERS) for _ in range(self.options.length)))
        self.program.ask({"action": "add", "key": attempt.run, "value": value.reveal()}, Nothing)
        return Key(attempt.run, {self.options.field: value})

    def lost(self, attempt: Attempt) -> Sequence[str]:
        """The one of this run, if it was installed."""
        listed = self.keys()
        return [key.id for key in listed if key.id == attempt.run]

    def keys(self) -> Sequence[KeyInfo]:
        """The program's listing."""
        return [key.info() for key in self.program.ask({"action": "keys"}, Listing).keys]

    def identify(self, fields: KeyFields) -> str | None:
        """The program gets the secret."""
        value = fields[self.options.field].reveal()
        return self.program.ask({"action": "identify", "value": value}, Identified).id

    def disable(self, key_id: str) -> None:
        """It is refused from now on, and kept."""
        self.program.ask({"action": "disable", "key": key_id}, Nothing)

    def enable(self, key_id: str) -> None:
        """It is accepted again."""
        self.program.ask({"action": "enable", "key": key_id}, Nothing)

    def destroy(self, key_id: str) -> None:
        """It is removed."""
        self.program.ask({"action": "destroy", "key": key_id}, Nothing)
