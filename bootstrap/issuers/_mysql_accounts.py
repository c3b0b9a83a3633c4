"""Accounts of a MariaDB or MySQL server: what is known of them, and the statements that change them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, TypeAlias

from bootstrap.domain.secret import Secret, mask
from bootstrap.errors import IssuerDenied
from bootstrap.issuers._database import Address
from bootstrap.issuers._mysql import Session
from bootstrap.issuers.base import KeyInfo

NATIVE = "mysql_native_password"
TEXT_PLUGINS = ("caching_sha2_password", "sha256_password")  # MySQL's, whose hashes only the server makes
Way: TypeAlias = tuple[str, str]  # a plugin of authentication, and what it keeps of the password


@dataclass(frozen=True)
class Account:
    """One user at one host. `ways` are the ways in, the first that fits counts; `expired` is what PASSWORD EXPIRE does.

    A destroyed password is one that nobody has, of an account that is locked and expired.
    """

    user: str
    locked: bool
    expired: bool
    ways: tuple[Way, ...]
    changed: datetime | None
    days: int  # until the password expires; 0: never
    sessions: int

    @property
    def is_key(self) -> bool:
        return any(kept for _, kept in self.ways) and not (self.locked and self.expired)

    def as_key(self) -> KeyInfo:
        expires = self.changed + timedelta(days=self.days) if self.changed is not None and self.days else None
        state: Any = "disabled" if self.locked else "enabled"
        return KeyInfo(self.user, state, created=self.changed, expires=expires, sessions=self.sessions)


def accounts(session: Session, users: Sequence[str], host: str) -> list[Account]:
    """Those of these users that there are. Raises the connector's error if the admin can't see everybody's sessions."""
    # This needs PROCESS as well; without that, the list of sessions would have our own alone, and say so to nobody.
    session.rows("SELECT 1 FROM information_schema.INNODB_METRICS LIMIT 1")
    default = int(session.rows("SELECT @@default_password_lifetime")[0][0])
    marks = ", ".join(["%s"] * len(users))
    sessions = dict(
        session.rows(
            f"SELECT USER, COUNT(*) FROM information_schema.PROCESSLIST WHERE USER IN ({marks}) GROUP BY USER",  # noqa: S608  marks only
            users,
        )
    )
    read = _of_mariadb if session.mariadb else _of_mysql
    return read(session, marks, (*users, host), default, sessions)


def _of_mariadb(
    session: Session, marks: str, values: Sequence[str], default: int, sessions: Mapping[str, int]
) -> list[Account]:
    """mariadb.com/kb/en/mysqlglobal_priv-table: all of an account is one JSON."""
    query = f"SELECT User, Priv FROM mysql.global_priv WHERE User IN ({marks}) AND Host = %s ORDER BY User"  # noqa: S608  marks only
    found = [(user, json.loads(text)) for user, text in session.rows(query, values)]
    return [
        Account(
            user=user,
            locked=bool(kept.get("account_locked")),
            expired=kept.get("password_last_changed") == 0,
            # An empty way in among `auth_or` stands for the account's own
            ways=tuple(
                (str(way.get("plugin", NATIVE)), str(way.get("authentication_string", "")))
                for way in (each or kept for each in kept.get("auth_or") or [{}])
            ),
            changed=_moment(kept.get("password_last_changed")),
            days=default if (days := kept.get("password_lifetime", -1)) < 0 else days,
            sessions=sessions.get(user, 0),
        )
        for user, kept in found
    ]


def _of_mysql(
    session: Session, marks: str, values: Sequence[str], default: int, sessions: Mapping[str, int]
) -> list[Account]:
    """dev.mysql.com/doc/refman/8.4/en/grant-tables.html; only whether there is a password is asked for."""
    query = (
        "SELECT User, account_locked = 'Y', password_expired = 'Y', plugin, authentication_string <> '',"  # noqa: S608  marks only
        f" UNIX_TIMESTAMP(password_last_changed), password_lifetime FROM mysql.user WHERE User IN ({marks}) AND Host = %s ORDER BY User"
    )
    return [
        Account(
            user=user,
            locked=bool(locked),
            expired=bool(expired),
            ways=((plugin, "set" if there else ""),),
            changed=_moment(changed),
            days=default if days is None else int(days),
            sessions=sessions.get(user, 0),
        )
        for user, locked, expired, plugin, there, changed, days in session.rows(query, values)
    ]


def _moment(seconds: Any) -> datetime | None:
    return datetime.fromtimestamp(int(seconds), timezone.utc) if seconds else None


def native_hash(password: Secret) -> str:
    """What mysql_native_password keeps. Made here: the server's general log shows statements as they come."""
    inner = hashlib.sha1(password.reveal().encode()).digest()  # noqa: S324  the plugin's own, of 256 random bits
    made = "*" + hashlib.sha1(inner).hexdigest().upper()  # noqa: S324
    mask(made)
    return made


def set_password(session: Session, account: Account, host: str, password: Secret, then: str) -> None:
    """Make this the account's only password; `then` are words on locks and expiry."""
    plugin = account.ways[0][0]
    statement, value = password_clause(plugin, password, mariadb=session.mariadb)
    session.run(f"ALTER USER %s@%s {statement} {then}", (account.user, host, value))


def password_clause(plugin: str, password: Secret, *, mariadb: bool) -> tuple[str, str]:
    """How a password is set, and what is sent for it: a hash wherever one can be made here.

    MySQL leaves the text out of its logs: dev.mysql.com/doc/refman/8.4/en/password-logging.html.
    """
    if mariadb:
        return f"IDENTIFIED VIA {NATIVE} USING %s", native_hash(password)
    if plugin == NATIVE:
        return f"IDENTIFIED WITH {NATIVE} AS %s", native_hash(password)
    return f"IDENTIFIED WITH {plugin} BY %s", password.reveal()


def require_settable(session: Session, account: Account, at: Address) -> None:
    """Raise IssuerDenied for an account whose password this issuer can't set, or not where others could read it."""
    known = (NATIVE,) if session.mariadb else (NATIVE, *TEXT_PLUGINS)
    ways = " or ".join(plugin for plugin, _ in account.ways)
    if ways not in known:
        raise IssuerDenied(
            f"{at.shown}: {account.user} logs in by {ways}, and this issuer sets passwords of {' or '.join(known)} only",
            f"ALTER USER {account.user} to {known[0]}, or take it out of the manifest's `rotate`",
        )
    if ways != NATIVE and not session.encrypted and not at.extra.get("unix_socket"):
        message = f"{at.shown}: a new password would be sent to the server in clear text: the connection has no TLS"
        raise IssuerDenied(message, "turn TLS on in the server and in the extra of `admin`")
