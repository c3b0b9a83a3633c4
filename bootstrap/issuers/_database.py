"""What issuers of database passwords have in common: whose passwords, on which server, and whose turn it is."""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Annotated, Any, Generic, TypeVar

from pydantic import AfterValidator, Field

from bootstrap.domain.connection import Connection
from bootstrap.domain.secret import Secret
from bootstrap.errors import IssuerDenied, IssuerUnavailable
from bootstrap.issuers.base import WINDOW, Attempt, IssuerOptions, KeyFields, KeyInfo, Surroundings
from bootstrap.manifest.field_types import SecretRef
from bootstrap.util.retrying import GIVE_UP, retried

S = TypeVar("S")
T = TypeVar("T")
Name = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[^\x00-\x1f\x7f]+$")]

SECONDS = 10  # of one request
REACH = "check that the server runs and can be reached from here, then run the command again"
LOGIN = "check the login and password of `admin`"
PRIMARY = "name the primary server in `admin`: this one only reads"


def _two_of_them(users: list[str]) -> list[str]:
    if users[0] == users[1]:
        raise ValueError(f"`users` names {users[0]} twice: say `users: [a, b]`, two users that take turns")
    return users


Users = Annotated[list[Name], Field(min_length=2, max_length=2), AfterValidator(_two_of_them)]


class DatabaseOptions(IssuerOptions):
    """`admin`: a whole connection that may change the users; what it lacks of host, port and schema is the connection's."""

    admin: SecretRef


@dataclass(frozen=True)
class Address:
    """Where the server is, and as whom it is asked."""

    host: str
    port: int
    schema: str
    login: str
    password: Secret
    extra: Mapping[str, Any]

    @property
    def shown(self) -> str:
        """For messages."""
        return f"{self.host or 'localhost'}:{self.port}"


class TooLate(IssuerUnavailable):
    """Nothing was sent, since a later run would not take the key for this attempt's."""


def address(
    options: DatabaseOptions, users: Sequence[str], surroundings: Surroundings, conn_type: str, port: int
) -> Address:
    """The admin's connection, completed. Raises StoreError, and IssuerDenied if it is another system's or one of the users."""
    admin = surroundings.whole(options.admin)
    admin.mask()
    if admin.conn_type != conn_type:
        message = f"rotate: `admin` is a connection of type {admin.conn_type}"
        raise IssuerDenied(message, f"store one of type {conn_type}")
    if admin.login in users:
        message = f"rotate: the admin {admin.login} is one of the users whose passwords are changed"
        raise IssuerDenied(message, "store the connection of another user as `admin`")
    at = surroundings.connection or Connection(conn_type)
    encryption = {} if admin.host else {name: value for name, value in (at.extra or {}).items() if _trust(name)}
    return Address(
        host=admin.host or at.host or "",
        port=admin.port or at.port or port,
        schema=admin.schema or at.schema or "",
        login=admin.login or "",
        password=Secret(admin.password or ""),
        extra={**encryption, **(admin.extra or {})},
    )


def _trust(name: str) -> bool:
    """Whether this key of an extra says how a server is trusted. A client's own certificate is its user's alone."""
    return name.startswith("ssl") and name not in ("sslcert", "sslkey", "sslpassword", "ssl_cert", "ssl_key")


def account(kind: str, at: Address, names: Sequence[str]) -> str:
    """Whose keys these are: the server and its users."""
    return f"{kind}:{at.shown.lower()}/{'+'.join(sorted(names))}"


def new_password() -> Secret:
    """256 random bits; nothing in it needs quoting anywhere."""
    return Secret(secrets.token_urlsafe(32))


def check_window(attempt: Attempt, at: Address) -> None:
    """Raise TooLate if the attempt began too long ago to send its request now."""
    if datetime.now(timezone.utc) > attempt.since + timedelta(seconds=WINDOW):
        raise TooLate(
            f"{at.shown}: no password was set: more than {WINDOW:.0f} s have passed since the attempt began",
            "run the command again",
        )


@dataclass(frozen=True)
class DatabaseServer(ABC, Generic[S]):
    """A server as its admin sees it. `seconds` is how long one answer may take, `give_up` how long to try again."""

    at: Address
    seconds: float = SECONDS
    give_up: float = GIVE_UP

    @abstractmethod
    def session(self) -> AbstractContextManager[S]:
        """A login of the admin's. Raises IssuerError, also for what is raised inside of it."""

    def ask(self, work: Callable[[S], T]) -> T:
        """What `work` returns, in one session. It is done again after a failure that may pass, so it must be safe to do twice."""

        def once() -> T:
            with self.session() as session:
                return work(session)

        def after(err: BaseException) -> float | None:
            return 0.0 if isinstance(err, IssuerUnavailable) and not isinstance(err, TooLate) else None

        return retried(once, after, give_up=self.give_up)


@dataclass
class TwoUsers(ABC):
    """Two users that take turns; a key is a user with a password, and its id is the user's name."""

    server: DatabaseServer[Any]
    users: Sequence[str]
    account: str

    @abstractmethod
    def keys(self) -> Sequence[KeyInfo]:
        """The users that have a password."""

    def lost(self, attempt: Attempt) -> Sequence[str]:
        """The user whose turn it was, if it had no password before the attempt and has one now: that is the attempt's.

        One that had a password before is left as it is: a new attempt replaces that anyway.
        """
        if attempt.current not in self.users:
            return []
        user = self.next_user(attempt)
        return [key.id for key in self.keys() if key.id == user and key.id not in attempt.known]

    def identify(self, fields: KeyFields) -> str | None:
        """The user that these fields log in as."""
        login = fields.get("login")
        return login.unmasked() if login and login.unmasked() in self.users else None

    def next_user(self, attempt: Attempt) -> str:
        """The user whose turn it is. Raises IssuerDenied if the connection's login is none of them."""
        if attempt.current not in self.users:
            raise IssuerDenied(
                f"rotate: the connection's login is none of the users {' and '.join(self.users)}, so it can't be told whose turn it is",
                "make the connection's login one of `users`, or name its user there",
            )
        return next(user for user in self.users if user != attempt.current)

    def require_own(self, key_id: str) -> None:
        """Raises IssuerDenied for a key of a user that isn't this rotation's to change."""
        if key_id not in self.users:
            message = f"{self.server.at.shown}: {key_id} is none of this rotation's users ({', '.join(self.users)})"
            raise IssuerDenied(message, "name it in `users` again, or change it by hand")


def in_use(user: str, sessions: int, at: Address) -> IssuerDenied:
    """The error for a user whose password would be changed under somebody's feet."""
    return IssuerDenied(
        f"{at.shown}: somebody uses {user}, whose password would be replaced ({sessions} sessions)",
        "the other one of `users` must be nobody else's: end its sessions, then run the command again",
    )


def gone(user: str, at: Address) -> IssuerDenied:
    """The error for a password that can't be brought back."""
    message = f"{at.shown}: {user} has no password any more: it was destroyed"
    return IssuerDenied(message, "rotate again, for a new password")
