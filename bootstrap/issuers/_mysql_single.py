"""One MariaDB user that has two passwords for a while: IDENTIFIED VIA … OR …."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bootstrap.errors import IssuerDenied
from bootstrap.issuers import _database
from bootstrap.issuers._database import check_window
from bootstrap.issuers._mysql import Server, Session
from bootstrap.issuers._mysql_accounts import NATIVE, Account, Way, accounts, native_hash
from bootstrap.issuers.base import Attempt, Key, KeyFields, KeyInfo, Window

_HASH = re.compile(r"\*[0-9A-F]{40}")
_PARKED = "unix_socket"  # lets in who is called so in the operating system: nobody, for it takes no name with a *


@dataclass
class Single:
    """A key is one of the passwords. A disabled one stays with the user, as a way in that fits nobody, and always the last:
    clients lose the thread when a password comes after it.
    """

    server: Server
    user: str
    host: str
    account: str

    def issue(self, attempt: Attempt) -> Key:
        """One more password. Sent again it is the same one."""
        password = _database.new_password()
        made = native_hash(password)

        def added(ways: list[Way]) -> list[Way]:
            if not any(self._is(way, str(attempt.current)) and way[0] == NATIVE for way in ways):
                raise self._unknown()
            return ways if (NATIVE, made) in ways else [*ways, (NATIVE, made)]

        self._change(added, attempt)
        return Key(self._id(made), {"password": password})

    def lost(self, attempt: Attempt) -> Sequence[str]:
        """The password that came since the attempt began. Raises IssuerDenied if there is more than one."""
        window = Window(attempt)
        new = [key.id for key in self.keys() if window.holds(KeyInfo(key.id, key.state))]
        if len(new) > 1:
            raise IssuerDenied(
                f"{self.server.at.shown}: {self.user} got more than one password since {attempt.since:%Y-%m-%d %H:%M}: {', '.join(new)}",
                "look at them with SHOW CREATE USER, and take away by ALTER USER … IDENTIFIED VIA … what nobody uses",
            )
        return new

    def keys(self) -> Sequence[KeyInfo]:
        """The user's passwords. When the newest was set is known, but not which that is; sessions are the user's, by whichever."""
        account = self.server.ask(self._account)
        shown = [(self._id(kept), plugin) for plugin, kept in account.ways if _HASH.fullmatch(kept)]
        return [
            KeyInfo(key_id, "disabled" if account.locked or plugin == _PARKED else "enabled")
            for key_id, plugin in shown
            if plugin in (NATIVE, _PARKED)
        ]

    def identify(self, fields: KeyFields) -> str | None:
        """The key of the password."""
        password = fields.get("password")
        return self._id(native_hash(password)) if password else None

    def disable(self, key_id: str) -> None:
        """The password lets nobody in any more; whoever is in stays."""
        self._change(lambda ways: [self._moved(way, key_id, _PARKED) for way in ways])

    def enable(self, key_id: str) -> None:
        """The password lets in again."""

        def moved(ways: list[Way]) -> list[Way]:
            if not any(self._is(way, key_id) for way in ways):
                raise _database.gone(key_id, self.server.at)
            return [self._moved(way, key_id, NATIVE) for way in ways]

        self._change(moved)

    def destroy(self, key_id: str) -> None:
        """The password is forgotten. Raises IssuerDenied if it is the only one."""

        def without(ways: list[Way]) -> list[Way]:
            left = [way for way in ways if not self._is(way, key_id)]
            if not left:
                raise IssuerDenied(
                    f"{self.server.at.shown}: {key_id} is the only password of {self.user}, which would be without one",
                    "rotate again, for a new one",
                )
            return left

        self._change(without)

    def _change(self, change: Callable[[list[Way]], list[Way]], attempt: Attempt | None = None) -> None:
        """Replace the ways in; an advisory lock keeps another run from doing so at the same time."""

        def work(session: Session) -> None:
            if session.rows("SELECT GET_LOCK(%s, 5)", (self._lock,)) != [(1,)]:  # it goes with the session
                raise _database.busy(self.user, self.server.at)
            before = list(self._account(session).ways)
            after = change(before)
            if after == before:
                return
            if attempt is not None:
                check_window(attempt, self.server.at)
            self._write(session, after)

        self.server.ask(work)

    def _write(self, session: Session, ways: Sequence[Way]) -> None:
        ordered = sorted(ways, key=lambda way: way[0] == _PARKED)
        clauses = " OR ".join(f"{_word(plugin)} USING %s" if kept else _word(plugin) for plugin, kept in ordered)
        values = [kept for _, kept in ordered if kept]
        session.run(f"ALTER USER %s@%s IDENTIFIED VIA {clauses}", (self.user, self.host, *values))

    def _account(self, session: Session) -> Account:
        at = self.server.at
        if not session.mariadb:
            raise IssuerDenied(
                f"{at.shown}: this is MySQL, where a single `user` can't be rotated", "name two `users` that take turns"
            )
        found = accounts(session, [self.user], self.host)
        if not found:
            raise IssuerDenied(
                f"{at.shown}: there is no account {self.user}@{self.host}", "check `user` and `host` in `rotate`"
            )
        return found[0]

    def _id(self, kept: str) -> str:
        """The hash's digest, cut to 24 bits and slow to make: it tells two passwords apart, and is of little use for guessing one."""
        digest = hashlib.scrypt(kept.encode(), salt=self.user.encode(), n=2**14, r=8, p=1, dklen=3)
        return f"{self.user}#{digest.hex()}"

    def _unknown(self) -> IssuerDenied:
        """The error for a password in use that could never be taken away."""
        return IssuerDenied(
            f"{self.server.at.shown}: the connection's password is none that {NATIVE} keeps for {self.user}@{self.host}",
            "check the connection, and the account with SHOW CREATE USER; or name two `users` that take turns",
        )

    def _is(self, way: Way, key_id: str) -> bool:
        plugin, kept = way
        return plugin in (NATIVE, _PARKED) and bool(_HASH.fullmatch(kept)) and self._id(kept) == key_id

    def _moved(self, way: Way, key_id: str, plugin: str) -> Way:
        return (plugin, way[1]) if self._is(way, key_id) else way

    @property
    def _lock(self) -> str:
        return "airflow-bootstrap:" + hashlib.sha256(self.account.encode()).hexdigest()[:32]


def _word(plugin: str) -> str:
    return "`" + plugin.replace("`", "``") + "`"
