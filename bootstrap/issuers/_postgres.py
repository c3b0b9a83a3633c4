"""Asking a Postgres server, with a time limit for whatever it does; its errors become an issuer's here."""

from __future__ import annotations

import select
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

from bootstrap.domain.secret import Secret, foreign, mask
from bootstrap.errors import IssuerDenied, IssuerError, IssuerUnavailable
from bootstrap.issuers._database import LOGIN, PRIMARY, REACH, Address, DatabaseServer

_OLDEST = 100000  # an older server, and Redshift, would take a SCRAM verifier for the password itself
# Of connections' extras; what is left goes to libpq. PostgresHook.ignored_extra_options and its own words.
_OF_AIRFLOW = {"cursor", "iam", "aws_conn_id", "redshift", "sqlalchemy_scheme", "sqlalchemy_query", "azure_conn_id"}


class Session:
    """A transaction. Every wait in it has an end."""

    def __init__(self, connection: Any, seconds: float) -> None:
        self.connection = connection
        self._until = time.monotonic() + seconds

    def rows(self, statement: Any, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """What a query returns."""
        return list(self._sent(statement, values).fetchall())

    def run(self, statement: Any, values: Sequence[Any] = ()) -> None:
        """A statement that returns nothing."""
        self._sent(statement, values)

    def verifier(self, user: str, password: Secret) -> str:
        """What Postgres keeps instead of the password, made here: no log or statistics of the server ever sees the password."""
        from psycopg2.extensions import encrypt_password

        made = str(encrypt_password(password.reveal(), user, self.connection, "scram-sha-256"))
        mask(made)
        return made

    def wait(self) -> None:
        """Until the server has answered. Raises TimeoutError."""
        from psycopg2.extensions import POLL_OK, POLL_READ

        while (state := self.connection.poll()) != POLL_OK:
            left = self._until - time.monotonic()
            mine = [self.connection]
            ready = select.select(*((mine, [], []) if state == POLL_READ else ([], mine, [])), max(0.0, left))
            if left <= 0 or not any(ready):
                raise TimeoutError

    def _sent(self, statement: Any, values: Sequence[Any]) -> Any:
        cursor = self.connection.cursor()
        cursor.execute(statement, values or None)
        self.wait()
        return cursor


class Server(DatabaseServer[Session]):
    """A Postgres server; each session is one transaction."""

    @contextmanager
    def session(self) -> Iterator[Session]:
        """See `DatabaseServer`."""
        with self._translated():
            import psycopg2

            with closing(psycopg2.connect(**self._parameters(), async_=1)) as connection:
                session = Session(connection, self.seconds)
                session.wait()
                if connection.server_version < _OLDEST:
                    hint = "passwords of older ones, and of Redshift, can't be rotated by this issuer"
                    raise IssuerDenied(f"{self.at.shown}: the server is no Postgres of release 10 or later", hint)
                session.run("BEGIN")
                # Else a statement that waits for a lock would be done long after we have left.
                session.run("SELECT set_config('statement_timeout', %s, true)", (f"{int(self.seconds * 800)}ms",))
                yield session
                session.run("COMMIT")

    def _parameters(self) -> dict[str, Any]:
        fixed = {
            "host": self.at.host or None,
            "port": self.at.port,
            "dbname": self.at.schema or "postgres",
            "user": self.at.login or None,
            "password": self.at.password.reveal() or None,
            "application_name": "airflow-bootstrap",
            "client_encoding": "utf8",
        }
        extra = {name: value for name, value in self.at.extra.items() if name not in _OF_AIRFLOW}
        return {**extra, **{name: value for name, value in fixed.items() if value is not None}}

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            import psycopg2
        except ImportError as err:
            raise IssuerDenied("psycopg2 is not installed", "pip install psycopg2-binary") from err
        try:
            yield
        except IssuerError:
            raise
        except psycopg2.Error as err:
            raise translated(err, self.at) from err
        except OSError as err:  # a TimeoutError too
            said = foreign(str(err)) or f"no answer within {self.seconds:g} s"
            raise IssuerUnavailable(f"{self.at.shown}: {said}", REACH) from err


_RIGHTS = (
    "the admin needs CREATEROLE and, from Postgres 16 on, ADMIN OPTION on the users: "
    "GRANT the_user TO the_admin WITH ADMIN OPTION"
)
_TLS = "check `sslmode` and `sslrootcert` in the extra of `admin`"
# postgresql.org/docs/current/errcodes-appendix.html; the first two characters are a class.
_REFUSED = {"28": LOGIN, "3D": "check the schema of `admin`", "25006": PRIMARY, "42501": _RIGHTS, "42": "", "0A": ""}
_REFUSED_LOGIN = {  # libpq gives a failed login no SQLSTATE
    "password authentication failed": LOGIN,
    "no password supplied": LOGIN,
    "no pg_hba.conf entry": "the server lets this login in from elsewhere only, or only with TLS: see its pg_hba.conf",
    "is not permitted to log in": LOGIN,
    "permission denied for database": "GRANT CONNECT on the database in the schema of `admin`",
    "does not exist": "check the login and the schema of `admin`",
    "certificate": _TLS,
    "server does not support SSL": _TLS,
    "invalid sslmode": _TLS,
    "invalid connection option": "take it out of the extra of `admin`",
    "invalid dsn": "take it out of the extra of `admin`",
}


def translated(err: Exception, at: Address) -> IssuerError:
    """What the server or its client library said, as an issuer's error."""
    code = getattr(err, "pgcode", None) or ""
    lines = foreign(getattr(getattr(err, "diag", None), "message_primary", None) or err).strip().splitlines()
    message = f"{at.shown}: {lines[0] if lines else type(err).__name__}"
    known = next((hint for start, hint in _REFUSED.items() if code.startswith(start)), None)
    if not code:
        known = next((hint for words, hint in _REFUSED_LOGIN.items() if words in str(err)), None)
    return IssuerUnavailable(message, REACH) if known is None else IssuerDenied(message, known)
