"""One Postgres role, whose only password is replaced."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from bootstrap.domain.secret import Secret
from bootstrap.errors import IssuerDenied
from bootstrap.issuers._postgres import Server, Session
from bootstrap.issuers.base import Attempt, Key, KeyFields, KeyInfo

_MARKED = re.compile(
    r"[A-Za-z0-9_-]{43}\.([0-9a-f]{8})"
)  # 256 random bits, then which password it is, which is no secret


@dataclass
class Single:
    """A password works once it is installed, and the one before doesn't any more. Nothing is left to disable or destroy.

    A new password ends in the id of its key: the server can't tell one password from another.
    """

    server: Server
    user: str
    account: str

    def issue(self, attempt: Attempt) -> Key:
        """A new password. Nothing is sent."""
        mark = hashlib.sha256(attempt.run.encode()).hexdigest()[:8]
        return Key(f"{self.user}#{mark}", {"password": Secret(f"{secrets.token_urlsafe(32)}.{mark}")})

    def install(self, key_id: str | None, fields: KeyFields) -> None:
        """Make this the role's password, which may also be the old one. Raises IssuerDenied for a role that isn't there."""
        password = fields.get("password")
        if not password:
            raise IssuerDenied(f"{self.server.at.shown}: the key {key_id or 'before'} has no password", "rotate again")

        def work(session: Session) -> None:
            from psycopg2 import sql

            verifier = session.verifier(self.user, password)
            session.run(sql.SQL("ALTER ROLE {} PASSWORD %s").format(sql.Identifier(self.user)), (verifier,))

        self.server.ask(work)

    def lost(self, attempt: Attempt) -> Sequence[str]:  # noqa: ARG002  the contract's
        """None: a password that was never installed is no key."""
        return []

    def keys(self) -> Sequence[KeyInfo]:
        """None, since Postgres doesn't tell which password a role has."""
        return []

    def identify(self, fields: KeyFields) -> str | None:
        """The key whose mark the password ends in; None for one that wasn't made here."""
        password = fields.get("password")
        marked = _MARKED.fullmatch(password.reveal()) if password else None
        return f"{self.user}#{marked[1]}" if marked else None

    def disable(self, key_id: str) -> None:
        """Nothing: it was replaced."""

    def enable(self, key_id: str) -> None:
        """Nothing: it works if it is installed."""

    def destroy(self, key_id: str) -> None:
        """Nothing: it was replaced."""
