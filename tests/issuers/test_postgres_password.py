from __future__ import annotations

import contextlib
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import pytest
from pydantic import ValidationError

from bootstrap.domain.connection import Connection
from bootstrap.domain.secret import Secret, redact
from bootstrap.errors import IssuerDenied, IssuerUnavailable
from bootstrap.issuers._database import TooLate
from bootstrap.issuers._postgres import Server
from bootstrap.issuers.base import Issuer, Key, KeyFields, KeyInfo
from bootstrap.issuers.kind import Installing
from bootstrap.issuers.postgres_password import Alternating, Options, Single, fields, open_issuer
from tests.rotation.databases import ADMIN, Manifest, attempt
from tests.systems import faulty, postgres

OLD = "the-old-password-of-a"
ADMIN_PASSWORD = "the-password-of-the-admin"
TURNS = {"issuer": "postgres_password", "admin": ADMIN, "users": ["etl_a", "etl_b"]}
ALONE = {"issuer": "postgres_password", "admin": ADMIN, "user": "etl_a", "overlap": "none"}
# As they are before the first rotation, and as docs/ tells to make them.
ROLES = f"""
    DROP ROLE IF EXISTS etl_a, etl_b, other, keeper;
    CREATE ROLE etl_a LOGIN PASSWORD '{OLD}' IN ROLE etl;
    CREATE ROLE etl_b NOLOGIN VALID UNTIL '-infinity' IN ROLE etl;
    CREATE ROLE keeper CREATEROLE LOGIN PASSWORD '{ADMIN_PASSWORD}';
    GRANT etl_a, etl_b TO keeper WITH ADMIN OPTION;
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[postgres.Postgres]:
    with postgres.running(tmp_path_factory.mktemp("postgres")) as running:
        running.sql("CREATE ROLE etl; CREATE ROLE lonely")
        running.sql(f"CREATE ROLE chief SUPERUSER LOGIN PASSWORD '{ADMIN_PASSWORD}'")
        running.sql("CREATE TABLE orders (id int); GRANT SELECT ON orders TO etl")
        yield running


@pytest.fixture
def place(server: postgres.Postgres) -> Manifest:
    """The roles as new, an admin who is no superuser, and a connection that logs in as etl_a."""
    server.sql(ROLES)
    connection = Connection("postgres", host=server.host, port=server.port, schema="postgres", login="etl_a")
    return Manifest(Connection("postgres", login="keeper", password=ADMIN_PASSWORD), connection)


@pytest.fixture
def issuer(place: Manifest) -> Alternating:
    return opened(place)


def opened(place: Manifest, server: type[Server] | None = None) -> Alternating:
    made = open_issuer(Options.model_validate(TURNS), place)
    assert isinstance(made, Alternating)
    if server is not None:
        made.server = server(made.server.at, 0.5, 0)
    return made


def quick(place: Manifest) -> Alternating:
    """One that doesn't wait for long."""
    return opened(place, Server)


def by_id(issuer: Issuer) -> dict[str, KeyInfo]:
    return {key.id: key for key in issuer.keys()}


@contextlib.contextmanager
def logged_in(server: postgres.Postgres, login: str, password: str) -> Iterator[Any]:
    import psycopg2

    connection = psycopg2.connect(
        host=server.host, port=server.port, dbname="postgres", user=login, password=password, connect_timeout=60
    )
    connection.autocommit = True
    try:
        yield connection
    finally:
        connection.close()


def gets_in(server: postgres.Postgres, values: KeyFields, login: str = "") -> bool:
    import psycopg2

    try:
        user = values["login"].unmasked() if "login" in values else login
        with logged_in(server, user, values["password"].reveal()) as connection:
            cursor = connection.cursor()
            cursor.execute("SELECT count(*) FROM orders")
            return bool(cursor.fetchone() == (0,))
    except psycopg2.OperationalError as err:
        if "not permitted to log in" not in str(err) and "password authentication failed" not in str(err):
            raise
        return False


def old() -> KeyFields:
    return {"login": Secret("etl_a"), "password": Secret(OLD)}


def test_a_whole_rotation_and_the_one_after(server: postgres.Postgres, issuer: Alternating) -> None:
    assert fields(Options.model_validate(TURNS)) == ("login", "password")
    assert issuer.identify(old()) == "etl_a"
    assert {key.id: key.state for key in issuer.keys()} == {"etl_a": "enabled"}

    new = issuer.issue(attempt("etl_a", "etl_a"))
    assert new.id == "etl_b"
    assert issuer.identify(new.fields) == "etl_b"
    assert gets_in(server, new.fields)
    assert gets_in(server, old())
    assert {key.id: key.state for key in issuer.keys()} == {"etl_a": "enabled", "etl_b": "enabled"}

    for _ in range(2):
        issuer.disable("etl_a")
        assert not gets_in(server, old())
        assert by_id(issuer)["etl_a"].state == "disabled"
    for _ in range(2):
        issuer.enable("etl_a")
        assert gets_in(server, old())
    for _ in range(2):
        issuer.destroy("etl_a")
        assert list(by_id(issuer)) == ["etl_b"]
    issuer.disable("etl_a")
    assert not gets_in(server, old())
    assert gets_in(server, new.fields)
    with pytest.raises(IssuerDenied, match="etl_a has no password any more"):
        issuer.enable("etl_a")

    third = issuer.issue(attempt("etl_b", "etl_b"))
    assert third.id == "etl_a"
    assert gets_in(server, third.fields)
    assert gets_in(server, new.fields)


def test_a_password_is_destroyed_even_if_the_role_may_log_in_again(
    server: postgres.Postgres, issuer: Alternating
) -> None:
    issuer.destroy("etl_a")
    server.sql("ALTER ROLE etl_a LOGIN VALID UNTIL 'infinity'")
    assert not gets_in(server, old())
    assert server.sql("SELECT rolpassword IS NULL FROM pg_authid WHERE rolname = 'etl_a'") == "t"


def test_only_a_verifier_is_sent(server: postgres.Postgres, issuer: Alternating) -> None:
    server.sql("ALTER SYSTEM SET log_statement = 'all'; SELECT pg_reload_conf()")
    new = issuer.issue(attempt("etl_a", "etl_a"))
    server.sql("ALTER SYSTEM RESET log_statement; SELECT pg_reload_conf()")
    log = "".join(path.read_text(errors="replace") for path in server.folder.rglob("*.log"))
    sent = re.search(r"ALTER ROLE \"etl_b\" LOGIN PASSWORD '(SCRAM-SHA-256\$[^']+)'", log)
    assert sent
    assert new.fields["password"].reveal() not in log
    assert redact(sent[1]) == "***"


def test_after_a_crash_the_same_role_gets_another_password(server: postgres.Postgres, issuer: Alternating) -> None:
    begun = attempt("etl_a", "etl_a")
    lost = issuer.issue(begun)
    assert issuer.lost(begun) == ["etl_b"]
    again = issuer.issue(begun)
    assert again.id == "etl_b"
    assert gets_in(server, again.fields)
    assert not gets_in(server, lost.fields)
    assert gets_in(server, old())
    assert issuer.lost(attempt("etl_a", "etl_a", "etl_b")) == []  # it had a password, which may be somebody's
    assert issuer.lost(attempt(None)) == []


def test_a_login_that_takes_no_turns(server: postgres.Postgres, issuer: Alternating) -> None:
    before = server.sql("SELECT rolname, rolpassword FROM pg_authid ORDER BY 1")
    assert issuer.identify({"login": Secret("stranger"), "password": Secret("x")}) is None
    assert issuer.identify({"password": Secret("x")}) is None
    for current in (None, "stranger"):
        with pytest.raises(IssuerDenied, match="none of the users etl_a and etl_b"):
            issuer.issue(attempt(current))
    assert server.sql("SELECT rolname, rolpassword FROM pg_authid ORDER BY 1") == before


def test_a_role_that_is_not_there(server: postgres.Postgres, issuer: Alternating) -> None:
    server.sql("DROP ROLE etl_b")
    with pytest.raises(IssuerDenied, match="there is no role etl_b") as caught:
        issuer.issue(attempt("etl_a", "etl_a"))
    assert "CREATE ROLE etl_b" in caught.value.hint
    issuer.disable("etl_b")
    issuer.destroy("etl_b")
    with pytest.raises(IssuerDenied):
        issuer.enable("etl_b")


def test_roles_with_different_rights(server: postgres.Postgres, issuer: Alternating) -> None:
    server.sql("REVOKE etl FROM etl_b; GRANT lonely TO etl_b")
    with pytest.raises(IssuerDenied, match="etl_b is not in etl; etl_a is not in lonely"):
        issuer.issue(attempt("etl_a", "etl_a"))
    assert "etl_b" not in by_id(issuer)
    server.sql("REVOKE lonely FROM etl_b; GRANT etl_a TO etl_b")  # has all of etl_a's rights, those of etl too
    assert gets_in(server, issuer.issue(attempt("etl_a", "etl_a")).fields)


def test_a_role_that_somebody_uses_keeps_its_password(server: postgres.Postgres, issuer: Alternating) -> None:
    server.sql("ALTER ROLE etl_b LOGIN PASSWORD 'of-somebody' VALID UNTIL 'infinity'")
    with logged_in(server, "etl_b", "of-somebody"), logged_in(server, "etl_b", "of-somebody"):
        assert by_id(issuer)["etl_b"].sessions == 2
        with pytest.raises(IssuerDenied, match=r"somebody uses etl_b.*2 sessions"):
            issuer.issue(attempt("etl_a", "etl_a", "etl_b"))
        assert issuer.issue(attempt("etl_a", "etl_a")).id == "etl_b"  # who is in has the password of this attempt


def test_sessions_stay_when_their_role_is_disabled(server: postgres.Postgres, issuer: Alternating) -> None:
    with logged_in(server, "etl_a", OLD) as connection:
        issuer.disable("etl_a")
        issuer.destroy("etl_a")
        cursor = connection.cursor()
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)


def test_a_date_until_which_the_role_is_valid(server: postgres.Postgres, issuer: Alternating) -> None:
    server.sql("ALTER ROLE etl_b VALID UNTIL '2222-02-02 00:00+00'")
    until = datetime(2222, 2, 2, tzinfo=timezone.utc)
    assert issuer.issue(attempt("etl_a", "etl_a")).expires == until
    assert by_id(issuer)["etl_b"].expires == until
    server.sql("ALTER ROLE etl_b VALID UNTIL '2002-02-02'")
    with pytest.raises(IssuerDenied, match="2002-02-02 only, which is over"):
        issuer.issue(attempt("etl_a", "etl_a"))


def test_who_may_see_passwords_tells_a_role_without_one(server: postgres.Postgres, place: Manifest) -> None:
    server.sql("ALTER ROLE etl_b LOGIN VALID UNTIL 'infinity'")
    assert set(by_id(opened(place))) == {"etl_a", "etl_b"}
    chief = replace(place, admin=replace(place.admin, login="chief"))
    assert set(by_id(opened(chief))) == {"etl_a"}


def test_a_role_that_is_not_the_rotations(issuer: Alternating) -> None:
    for change in (issuer.disable, issuer.enable, issuer.destroy):
        with pytest.raises(IssuerDenied, match="chief is none of this rotation's users"):
            change("chief")


def test_an_attempt_that_began_too_long_ago_sends_nothing(server: postgres.Postgres, place: Manifest) -> None:
    with pytest.raises(TooLate):
        opened(place).issue(attempt("etl_a", "etl_a", age=61))
    assert server.sql("SELECT rolcanlogin FROM pg_roles WHERE rolname = 'etl_b'") == "f"


def test_an_admin_without_the_right(server: postgres.Postgres, issuer: Alternating) -> None:
    server.sql("REVOKE etl_b FROM keeper; ALTER ROLE keeper NOCREATEROLE")
    with pytest.raises(IssuerDenied, match="permission denied") as caught:
        issuer.issue(attempt("etl_a", "etl_a"))
    assert "ADMIN OPTION" in caught.value.hint
    assert "etl_b" not in by_id(issuer)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"password": "wrong-password"}, "password authentication failed"),
        ({"password": None}, "no password supplied"),
        ({"schema": "nowhere"}, 'database "nowhere" does not exist'),
        ({"extra": {"sslmode": "require"}}, "SSL"),
        ({"extra": {"sslmodus": "require"}}, "sslmodus"),
    ],
)
def test_an_admin_that_is_refused(place: Manifest, change: dict[str, Any], says: str) -> None:
    made = opened(replace(place, admin=replace(place.admin, **change)))
    with pytest.raises(IssuerDenied, match=says) as caught:
        made.keys()
    assert caught.value.hint
    assert "wrong-password" not in caught.value.message


def test_a_server_that_is_not_there(place: Manifest) -> None:
    with faulty.refused() as (host, port):
        made = quick(replace(place, admin=replace(place.admin, host=host, port=port)))
        with pytest.raises(IssuerUnavailable, match=rf"{host}:{port}: .*refused"):
            made.issue(attempt("etl_a", "etl_a"))


def test_a_server_that_never_answers(place: Manifest) -> None:
    with faulty.silent() as (host, port):
        made = quick(replace(place, admin=replace(place.admin, host=host, port=port)))
        with pytest.raises(IssuerUnavailable, match="no answer within"):
            made.keys()


def test_a_change_that_waits_is_not_made_later(server: postgres.Postgres, place: Manifest) -> None:
    with logged_in(server, "chief", ADMIN_PASSWORD) as other:
        cursor = other.cursor()
        cursor.execute("BEGIN; ALTER ROLE etl_a CONNECTION LIMIT 7")
        with pytest.raises(IssuerUnavailable):
            quick(place).disable("etl_a")
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'keeper'"
        deadline = time.monotonic() + 60
        while server.sql(waiting) != "0":
            assert time.monotonic() < deadline, "it still waits to change the role"
        cursor.execute("COMMIT")
    assert gets_in(server, old())


def test_the_admins_own_address_comes_first(place: Manifest) -> None:
    assert place.connection is not None
    here = replace(place.connection, extra={"sslmode": "verify-full", "sslcert": "of-etl", "options": "-c x=1"})
    own = opened(replace(place, connection=here, admin=replace(place.admin, host="db.Example", port=6543)))
    assert own.account == "postgres:db.example:6543/etl_a+etl_b"
    assert own.server.at.extra == {}
    theirs = opened(replace(place, connection=here))
    assert theirs.server.at.port == here.port
    assert theirs.server.at.extra == {"sslmode": "verify-full"}
    assert theirs.account == opened(place).account


@pytest.mark.parametrize(
    ("change", "says"), [({"conn_type": "mysql"}, "of type mysql"), ({"login": "etl_b"}, "etl_b is one of the users")]
)
def test_an_admin_that_can_be_none(place: Manifest, change: dict[str, Any], says: str) -> None:
    with pytest.raises(IssuerDenied, match=says):
        opened(replace(place, admin=replace(place.admin, **change)))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"users": None}, "either `users"),
        ({"user": "etl"}, "either `users"),
        ({"users": ["a", "a"]}, "names a twice"),
        ({"users": ["a"]}, "at least 2"),
        ({"users": None, "user": "etl"}, "keeps one password for a role"),
        ({"overlap": "none"}, "for a single `user`"),
    ],
)
def test_options_that_contradict_each_other(change: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(says)):
        Options.model_validate({**TURNS, **change})


def test_one_role_whose_password_is_replaced(server: postgres.Postgres, place: Manifest) -> None:
    options = Options.model_validate(ALONE)
    assert fields(options) == ("password",)
    alone = open_issuer(options, place)
    assert isinstance(alone, Single)
    assert isinstance(alone, Installing)
    assert alone.identify(old()) is None

    new = alone.issue(attempt(None))
    assert alone.identify(new.fields) == new.id
    assert re.fullmatch(r"etl_a#[0-9a-f]{8}", new.id)
    assert gets_in(server, old())

    for _ in range(2):
        alone.install(new.id, new.fields)
        assert gets_in(server, new.fields, "etl_a")
        assert not gets_in(server, old())
    alone.install("etl_a#old", old())
    assert gets_in(server, old())
    assert not gets_in(server, new.fields, "etl_a")


def test_two_runs_make_different_keys(place: Manifest) -> None:
    alone = open_issuer(Options.model_validate(ALONE), place)
    keys: list[Key] = [alone.issue(replace(attempt(None), run=run)) for run in ("one", "two")]
    assert keys[0].id != keys[1].id


def test_without_the_client_library(place: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg2", None)  # as if it weren't installed
    with pytest.raises(IssuerDenied, match="psycopg2 is not installed") as caught:
        opened(place).keys()
    assert caught.value.hint == "pip install psycopg2-binary"
