"""Passwords of MariaDB (from 10.4 on) and MySQL (from 8.0.14 on).

`users: [a, b]`: two users that take turns. The one that the connection doesn't use gets a new password and becomes the
connection's login; the other keeps its own until it is disabled. Both need the same rights, best by one role that is the
default of both: `CREATE USER b@'%' ACCOUNT LOCK PASSWORD EXPIRE; GRANT etl TO b@'%'; SET DEFAULT ROLE etl FOR b@'%'`.

`host` is what stands behind the @ of the accounts. The admin needs CREATE USER and PROCESS, and SELECT on mysql.global_priv
(MySQL: on mysql.user). Run against MariaDB 10.11; what is said to MySQL is from the manual of 8.4 and was not run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from bootstrap.domain.secret import Secret
from bootstrap.errors import IssuerDenied
from bootstrap.issuers import _database
from bootstrap.issuers._database import DatabaseOptions, TwoUsers, Users, check_window, gone
from bootstrap.issuers._mysql import Server, Session
from bootstrap.issuers._mysql_accounts import Account, accounts, require_settable, set_password
from bootstrap.issuers.base import Attempt, Issuer, Key, KeyInfo, Surroundings

_PORT = 3306


class Options(DatabaseOptions):
    """`users`: two with the same rights that take turns. `host`: what stands behind the @ of their accounts."""

    issuer: Literal["mysql_password"]
    users: Users
    host: Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]+$")] = "%"


def fields(options: Options) -> tuple[str, ...]:  # noqa: ARG001  the contract's
    """A new login comes with a new password."""
    return ("login", "password")


def open_issuer(options: Options, surroundings: Surroundings) -> Issuer:
    """The users of a server. Raises StoreError, and IssuerDenied for an admin that can't be one."""
    at = _database.address(options, options.users, surroundings, "mysql", _PORT)
    name = _database.account("mysql", at, [f"{user}@{options.host}" for user in options.users])
    return Alternating(Server(at), options.users, name, options.host)


@dataclass
class Alternating(TwoUsers):
    """Two users of MariaDB or MySQL."""

    server: Server
    host: str

    def issue(self, attempt: Attempt) -> Key:
        """A new password for the user whose turn it is. Sent again it is the same one."""
        user = self.next_user(attempt)
        password = _database.new_password()

        def work(session: Session) -> None:
            found = self._fit(session, user, attempt)
            check_window(attempt, self.server.at)
            set_password(session, found, self.host, password, "ACCOUNT UNLOCK")

        self.server.ask(work)
        return Key(user, {"login": Secret(user), "password": password})

    def keys(self) -> Sequence[KeyInfo]:
        """The users that have a password."""
        found = self.server.ask(lambda session: self._accounts(session, self.users))
        return [account.as_key() for account in found if account.is_key]

    def disable(self, key_id: str) -> None:
        """Nobody logs in as this user any more; whoever is in stays."""
        self.require_own(key_id)

        def work(session: Session) -> None:
            if self._accounts(session, [key_id]):
                session.run("ALTER USER %s@%s ACCOUNT LOCK", (key_id, self.host))

        self.server.ask(work)

    def enable(self, key_id: str) -> None:
        """The user logs in with its old password again."""
        self.require_own(key_id)

        def work(session: Session) -> None:
            found = self._accounts(session, [key_id])
            if not found or not found[0].is_key:
                raise gone(key_id, self.server.at)
            session.run("ALTER USER %s@%s ACCOUNT UNLOCK", (key_id, self.host))

        self.server.ask(work)

    def destroy(self, key_id: str) -> None:
        """The password gives way to one that nobody has; the user stays, locked, since it is needed again."""
        self.require_own(key_id)

        def work(session: Session) -> None:
            for account in self._accounts(session, [key_id]):
                if not account.is_key:
                    continue
                require_settable(session, account, self.server.at)
                set_password(session, account, self.host, _database.new_password(), "PASSWORD EXPIRE ACCOUNT LOCK")
                if not session.mariadb:  # a second one, which RETAIN CURRENT PASSWORD keeps, would stay
                    session.run("ALTER USER %s@%s DISCARD OLD PASSWORD", (key_id, self.host))

        self.server.ask(work)

    def _fit(self, session: Session, user: str, attempt: Attempt) -> Account:
        """The account, if it can take over. Raises IssuerDenied."""
        found = {account.user: account for account in self._accounts(session, self.users)}
        if user not in found:
            raise IssuerDenied(
                f"{self.server.at.shown}: there is no account {user}@{self.host}",
                f"CREATE USER '{user}'@'{self.host}' ACCOUNT LOCK PASSWORD EXPIRE; and give it the rights of {attempt.current}",
            )
        for account in found.values():
            require_settable(session, account, self.server.at)
        taking = found[user]
        if taking.is_key and not taking.locked and taking.sessions and user in attempt.known:
            raise _database.in_use(user, taking.sessions, self.server.at)
        return taking

    def _accounts(self, session: Session, users: Sequence[str]) -> list[Account]:
        return accounts(session, users, self.host)
