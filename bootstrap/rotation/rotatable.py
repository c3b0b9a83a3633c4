"""What is rotated, as the steps see it: a secret in a store, its issuer, and the ways to prove a key and to put it in use."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, Protocol

from bootstrap.errors import Exit
from bootstrap.issuers.base import Issuer, KeyFields
from bootstrap.rotation.candidate import Content
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
