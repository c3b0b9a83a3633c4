"""Passwords of Postgres.

`users: [a, b]`: two roles that take turns. The one that the connection doesn't use gets a new password and becomes the
connection's login; the other keeps its own until it is disabled. Both need the same rights, best as members of one group:
`CREATE ROLE b NOLOGIN VALID UNTIL '-infinity' IN ROLE etl`. What they make should belong to the group.

`user: a`, `overlap: none`: one role. Postgres keeps one password for it, so that the old one stops working in the moment
in which the new one starts to.

The admin needs CREATEROLE and, from Postgres 16 on, ADMIN OPTION on the roles. Where it can't read pg_authid, as nobody can
in most clouds, a role that never had a password is told from others by VALID UNTIL '-infinity' alone.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Literal

from pydantic import model_validator
from typing_extensions import Self

from bootstrap.domain.secret import Secret
from bootstrap.errors import IssuerDenied
from bootstrap.issuers import _database
from bootstrap.issuers._database import DatabaseOptions, Name, TwoUsers, Users, check_window, gone
from bootstrap.issuers._postgres import Server, Session
from bootstrap.issuers.base import Attempt, Issuer, Key, KeyFields, KeyInfo, Surroundings

_PORT = 5432
_MARKED = re.compile(r"[A-Za-z0-9_-]{43}\.([0-9a-f]{8})")  # 256 random bits, then which password it is: no secret
_ONE_OR_TWO = "say either `users: [a, b]`, two users that take turns, or `user: a`, whose only password is replaced"
_OVERLAP = (
    "Postgres keeps one password for a role: with `user`, the old one stops working in the moment in which the new one starts to, "
    "and jobs that log in just then fail. Name two roles in `users` instead, or say `overlap: none` to accept that"
)


class Options(DatabaseOptions):
    """`users`: two with the same rights that take turns; `user`: one whose password is replaced.

    `overlap: none` accepts, for a single `user`, that its old password stops working at once.
    """

    issuer: Literal["postgres_password"]
    users: Users | None = None
    user: Name | None = None
    overlap: Literal["none"] | None = None

    @model_validator(mode="after")
    def _known_to_have_no_overlap(self) -> Self:
        if (self.users is None) == (self.user is None):
            raise ValueError(_ONE_OR_TWO)
        if self.user is not None and self.overlap is None:
            raise ValueError(_OVERLAP)
        if self.users is not None and self.overlap is not None:
            raise ValueError("`overlap: none` is for a single `user`: two `users` work side by side")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """The roles whose passwords are this rotation's."""
        return tuple(self.users or (self.user or "",))


def fields(options: Options) -> tuple[str, ...]:
    """A new login comes with a new password, unless there is one user."""
    return ("login", "password") if options.users else ("password",)


def open_issuer(options: Options, surroundings: Surroundings) -> Issuer:
    """The roles of a server. Raises StoreError, and IssuerDenied for an admin that can't be one."""
    at = _database.address(options, options.names, surroundings, "postgres", _PORT)
    name = _database.account("postgres", at, options.names)
    server = Server(at)
    if options.user:
        return Single(server, options.user, name)
    return Alternating(server, options.names, name)


@dataclass(frozen=True)
class _Role:
    """`password` is None where the admin may not know whether there is one."""

    name: str
    login: bool
    destroyed: bool
    expires: datetime | None
    password: bool | None
    sessions: int

    @property
    def is_key(self) -> bool:
        return not self.destroyed and self.password is not False


@dataclass
class Alternating(TwoUsers):
    """Two roles.

    A destroyed one has no password, and VALID UNTIL '-infinity', which everybody may read; a date that was there is lost.
    """

    def issue(self, attempt: Attempt) -> Key:
        """A new password for the role whose turn it is. Sent again it is the same one."""
        user = self.next_user(attempt)
        password = _database.new_password()

        def work(session: Session) -> _Role:
            role = self._fit(session, user, attempt)
            verifier = session.verifier(user, password)
            until = role.expires.isoformat() if role.expires else "infinity"
            check_window(attempt, self.server.at)
            session.run(_alter(user, "LOGIN PASSWORD %s VALID UNTIL %s"), (verifier, until))
            return role

        role = self.server.ask(work)
        return Key(user, {"login": Secret(user), "password": password}, expires=role.expires)

    def keys(self) -> Sequence[KeyInfo]:
        """The roles that have a password. Everybody may see whose the sessions are, so that their number is true."""
        found = self.server.ask(lambda session: _roles(session, self.users))
        return [
            KeyInfo(role.name, "enabled" if role.login else "disabled", expires=role.expires, sessions=role.sessions)
            for role in found
            if role.is_key
        ]

    def disable(self, key_id: str) -> None:
        """Nobody logs in as this role any more; whoever is in stays."""
        self._change(key_id, "NOLOGIN")

    def enable(self, key_id: str) -> None:
        """The role logs in with its old password again."""

        def work(session: Session) -> None:
            roles = _roles(session, [key_id])
            if not roles or not roles[0].is_key:
                raise gone(key_id, self.server.at)
            session.run(_alter(key_id, "LOGIN"))

        self.require_own(key_id)
        self.server.ask(work)

    def destroy(self, key_id: str) -> None:
        """The password is gone; the role stays, since it is needed again."""
        self._change(key_id, "NOLOGIN PASSWORD NULL VALID UNTIL '-infinity'")

    def _change(self, key_id: str, change: str) -> None:
        def work(session: Session) -> None:
            if _roles(session, [key_id]):
                session.run(_alter(key_id, change))

        self.require_own(key_id)
        self.server.ask(work)

    def _fit(self, session: Session, user: str, attempt: Attempt) -> _Role:
        """The role, if it can take over. Raises IssuerDenied."""
        shown, current = self.server.at.shown, str(attempt.current)
        role = next((role for role in _roles(session, self.users) if role.name == user), None)
        if role is None:
            hint = f"CREATE ROLE {user} NOLOGIN VALID UNTIL '-infinity' IN ROLE the_groups_of_{current}"
            raise IssuerDenied(f"{shown}: there is no role {user}", hint)
        # Rights that a role got by itself are for the checks to find
        groups = {name: {row[0] for row in session.rows(_GROUPS, (name, [user, current]))} for name in (user, current)}
        missing = {name: groups[other] - groups[name] for name, other in ((user, current), (current, user))}
        lacks = [f"{name} is not in {', '.join(sorted(names))}" for name, names in missing.items() if names]
        if lacks:
            message = f"{shown}: the roles {user} and {current} have different rights: {'; '.join(lacks)}"
            raise IssuerDenied(message, "GRANT the groups of one to the other")
        if role.login and role.is_key and role.sessions and role.name in attempt.known:
            raise _database.in_use(role.name, role.sessions, self.server.at)
        if role.expires is not None and role.expires <= datetime.now(timezone.utc):
            message = f"{shown}: the role {role.name} is valid until {role.expires:%Y-%m-%d} only, which is over"
            raise IssuerDenied(message, f"ALTER ROLE {role.name} VALID UNTIL 'infinity'")
        return role


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


def _alter(user: str, change: str) -> Any:
    from psycopg2 import sql

    return sql.SQL("ALTER ROLE {} " + change).format(sql.Identifier(user))


def _roles(session: Session, names: Sequence[str]) -> list[_Role]:
    """The roles of these names that there are."""
    from psycopg2 import sql

    tells = session.rows("SELECT has_column_privilege('pg_catalog.pg_authid', 'rolpassword', 'SELECT')")[0][0]
    password = "(SELECT a.rolpassword IS NOT NULL FROM pg_catalog.pg_authid a WHERE a.oid = r.oid)" if tells else "NULL"
    query = sql.SQL(
        "SELECT rolname, rolcanlogin, coalesce(rolvaliduntil = '-infinity', false),"
        " CASE WHEN isfinite(rolvaliduntil) THEN rolvaliduntil END, {},"
        " (SELECT count(*)::int FROM pg_catalog.pg_stat_activity s WHERE s.usesysid = r.oid)"
        " FROM pg_catalog.pg_roles r WHERE rolname = ANY(%s::text[]) ORDER BY rolname"
    ).format(sql.SQL(password))
    return [_Role(*row) for row in session.rows(query, (list(names),))]


_GROUPS = """
    WITH RECURSIVE reached (member, roleid) AS (
        SELECT m.member, m.roleid FROM pg_catalog.pg_auth_members m
        UNION SELECT r.member, m.roleid FROM reached r JOIN pg_catalog.pg_auth_members m ON m.member = r.roleid
    )
    SELECT g.rolname FROM reached r JOIN pg_catalog.pg_roles g ON g.oid = r.roleid
    JOIN pg_catalog.pg_roles m ON m.oid = r.member
    WHERE m.rolname = %s::text AND g.rolname <> ALL(%s::text[]) ORDER BY g.rolname
"""
