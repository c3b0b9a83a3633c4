"""Asking a MariaDB or MySQL server, with a time limit for whatever it does; its errors become an issuer's here."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bootstrap.domain.secret import foreign
from bootstrap.errors import IssuerDenied, IssuerError, IssuerUnavailable
from bootstrap.issuers._database import LOGIN, PRIMARY, REACH, Address, DatabaseServer

_OLDEST_MARIADB, _OLDEST_MYSQL = (10, 4), (8, 0, 14)
_NO_ANSWER = 3024  # the connector's own: no byte came within read_timeout
_VERIFYING = ("VERIFY_CA", "VERIFY_IDENTITY")


@dataclass(frozen=True)
class Session:
    """A login that sends one statement after the other; there are no transactions about accounts."""

    connection: Any
    mariadb: bool
    encrypted: bool

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """What a query returns."""
        cursor = self.connection.cursor()
        cursor.execute(statement, tuple(values))
        return list(cursor.fetchall())

    def run(self, statement: str, values: Sequence[Any] = ()) -> None:
        """A statement that returns nothing."""
        self.connection.cursor().execute(statement, tuple(values))


class Server(DatabaseServer[Session]):
    """A MariaDB or MySQL server."""

    @contextlib.contextmanager
    def session(self) -> Iterator[Session]:
        """See `DatabaseServer`."""
        with self._translated():
            import mysql.connector

            connection: Any = mysql.connector.connect(**self._parameters())
            try:
                yield self._prepared(connection)
            except mysql.connector.Error as err:
                if err.errno == _NO_ANSWER:  # MySQL has no time limit for a statement that waits to change an account
                    with contextlib.suppress(mysql.connector.Error, OSError):
                        other: Any = mysql.connector.connect(**self._parameters())
                        with contextlib.closing(other):
                            other.cursor().execute("KILL %s", (connection.connection_id,))
                raise
            finally:
                connection.close()

    def _prepared(self, connection: Any) -> Session:
        cursor = connection.cursor()
        cursor.execute("SELECT VERSION()")
        mariadb = self._is_mariadb(str(cursor.fetchone()[0]))
        cursor.execute("SET SESSION sql_mode = '', time_zone = '+00:00'")
        if mariadb:  # else a statement that waits for a lock would be done long after we have left
            cursor.execute("SET SESSION max_statement_time = %s", (self.seconds * 0.8,))
        cursor.execute("SHOW SESSION STATUS LIKE 'Ssl_cipher'")
        encrypted = bool((cursor.fetchone() or ("", ""))[1])
        if self.at.extra.get("ssl_mode") == "REQUIRED" and not encrypted:
            raise IssuerDenied(f"{self.at.shown}: the server offers no TLS, which `ssl_mode` demands", _TLS)
        return Session(connection, mariadb, encrypted)

    def _is_mariadb(self, version: str) -> bool:
        """Raise IssuerDenied for a server that is too old."""
        mariadb = "mariadb" in version.lower()
        digits = version.removeprefix("5.5.5-").partition("-")[0]  # which MariaDB puts there for old clients
        number = tuple(int(part) for part in digits.split(".") if part.isdigit())
        if number < (_OLDEST_MARIADB if mariadb else _OLDEST_MYSQL):
            message = f"{self.at.shown}: passwords of a server of release {version} can't be rotated"
            raise IssuerDenied(message, "MariaDB 10.4, MySQL 8.0.14 or later can")
        return mariadb

    def _parameters(self) -> dict[str, Any]:
        from mysql.connector.constants import DEFAULT_CONFIGURATION

        limits = {"connection_timeout": self.seconds}
        if "read_timeout" in DEFAULT_CONFIGURATION:  # before 9.2, connection_timeout was for all waiting
            limits |= {"read_timeout": self.seconds, "write_timeout": self.seconds}
        return {
            "host": self.at.host or "localhost",
            "port": self.at.port,
            "user": self.at.login,
            "password": self.at.password.reveal(),
            "database": self.at.schema,
            "autocommit": True,
            "use_pure": True,  # the other one knows no time limit once it is connected
            **limits,
            **_encryption(self.at.extra),
        }

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            import mysql.connector
        except ImportError as err:
            raise IssuerDenied("mysql-connector-python is not installed", "pip install mysql-connector-python") from err
        try:
            yield
        except IssuerError:
            raise
        except mysql.connector.Error as err:
            raise translated(err, self.at) from err
        except AttributeError as err:  # how the connector refuses an option
            raise IssuerDenied(f"{self.at.shown}: {foreign(err)}", "take it out of the extra of `admin`") from err
        except OSError as err:
            raise IssuerUnavailable(f"{self.at.shown}: {foreign(err)}", REACH) from err


def _encryption(extra: Mapping[str, Any]) -> dict[str, Any]:
    """The connector's words for TLS, from its own in an extra or from those of mysqlclient."""
    found = extra.get("ssl") or {}
    if isinstance(found, str):
        try:
            found = json.loads(found)
        except ValueError as err:
            raise IssuerDenied("rotate: `ssl` in the extra of `admin` is not JSON", "store an object") from err
    theirs = {f"ssl_{name}": value for name, value in found.items() if name in ("ca", "cert", "key")}
    mode = str(extra.get("ssl_mode", ""))
    verify = {"ssl_verify_cert": mode in _VERIFYING, "ssl_verify_identity": mode == _VERIFYING[1]}
    own = {name: value for name, value in extra.items() if name.startswith("ssl_") and name != "ssl_mode"}
    socket = {"unix_socket": extra["unix_socket"]} if extra.get("unix_socket") else {}
    disabled = {"ssl_disabled": True} if mode == "DISABLED" else {}
    return {**verify, **theirs, **own, **socket, **disabled}


_RIGHTS = (
    "the admin needs CREATE USER and PROCESS: GRANT CREATE USER, PROCESS ON *.* TO the_admin; and to read accounts: "
    "GRANT SELECT ON mysql.global_priv TO the_admin (MySQL: ON mysql.user)"
)
_TLS = "check `ssl_ca`, `ssl_mode` and the like in the extra of `admin`"
# dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html; 2000 and up are the client's.
_REFUSED: Mapping[int, str] = {
    **dict.fromkeys((1045, 1698, 1251, 1275, 1820, 1862, 2059, 2061, 3118, 4151), LOGIN),
    **dict.fromkeys((1142, 1143, 1227, 1370), _RIGHTS),
    **dict.fromkeys((1044, 1049), "check the schema of `admin`, and that it may use that database"),
    **dict.fromkeys((2026, 3159), _TLS),
    **dict.fromkeys((1290, 1792, 1836), PRIMARY),
    1130: "the server lets no login in from this machine: create the admin for this host (CREATE USER … @ …)",
    **dict.fromkeys((1064, 1193), "the server doesn't know this statement: is it a MariaDB or MySQL?"),
    1396: "the account is gone, or was changed by somebody else: look at it with SHOW CREATE USER",
    1819: "the server's rules for passwords refuse a random one of 43 letters and digits",
}


def translated(err: Any, at: Address) -> IssuerError:
    """What the server or its client library said, as an issuer's error."""
    lines = foreign(err.msg or err).strip().splitlines()
    message = f"{at.shown}: {lines[0].strip() if lines else type(err).__name__} ({err.errno})"
    if "[SSL" in str(err):  # which the connector takes for a lost connection
        return IssuerDenied(message, _TLS)
    if err.errno in _REFUSED:
        return IssuerDenied(message, _REFUSED[err.errno])
    return IssuerUnavailable(message, REACH)
