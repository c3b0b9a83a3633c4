from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from bootstrap.domain.connection import Connection
from bootstrap.domain.secret import Secret, redact
from bootstrap.errors import IssuerDenied, IssuerUnavailable
from bootstrap.issuers import _mysql, _mysql_accounts
from bootstrap.issuers._database import TooLate
from bootstrap.issuers._mysql import Server
from bootstrap.issuers.base import Issuer, KeyFields, KeyInfo
from bootstrap.issuers.mysql_password import Alternating, Options, fields, open_issuer
from tests.rotation.databases import ADMIN, Manifest, attempt
from tests.systems import certificates, faulty, mariadb

OLD = "the-old-password-of-a"
ADMIN_PASSWORD = "the-password-of-the-admin"
TURNS = {"issuer": "mysql_password", "admin": ADMIN, "users": ["etl_a", "etl_b"], "host": "127.0.0.1"}
USERS = f"""
    DROP USER IF EXISTS etl_a@'127.0.0.1', etl_b@'127.0.0.1', keeper@'127.0.0.1';
    CREATE USER etl_a@'127.0.0.1' IDENTIFIED BY '{OLD}';
    CREATE USER etl_b@'127.0.0.1' ACCOUNT LOCK PASSWORD EXPIRE;
    GRANT SELECT ON analytics.* TO etl_a@'127.0.0.1', etl_b@'127.0.0.1';
    CREATE USER keeper@'127.0.0.1' IDENTIFIED BY '{ADMIN_PASSWORD}';
    GRANT CREATE USER, PROCESS ON *.* TO keeper@'127.0.0.1';
    GRANT SELECT ON mysql.global_priv TO keeper@'127.0.0.1';
"""


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> certificates.Certificates:
    return certificates.make(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, tls: certificates.Certificates) -> Iterator[mariadb.MariaDB]:
    with mariadb.running(tmp_path_factory.mktemp("mariadb"), tls.valid) as running:
        running.sql("CREATE DATABASE analytics; CREATE TABLE analytics.orders (id int)")
        yield running


@pytest.fixture
def place(server: mariadb.MariaDB) -> Manifest:
    """The users as new, an admin with the rights that it needs and no others, and a connection that logs in as etl_a."""
    server.sql(USERS)
    connection = Connection("mysql", host=server.host, port=server.port, login="etl_a")
    return Manifest(Connection("mysql", login="keeper", password=ADMIN_PASSWORD), connection)


@pytest.fixture
def issuer(place: Manifest) -> Alternating:
    return opened(place)


def opened(place: Manifest) -> Alternating:
    made = open_issuer(Options.model_validate(TURNS), place)
    assert isinstance(made, Alternating)
    return made


def quick(place: Manifest) -> Alternating:
    """One that doesn't wait for long."""
    made = opened(place)
    made.server = Server(made.server.at, 1, 0)
    return made


def by_id(issuer: Issuer) -> dict[str, KeyInfo]:
    return {key.id: key for key in issuer.keys()}


def states(issuer: Issuer) -> dict[str, str]:
    return {key.id: key.state for key in issuer.keys()}


@contextlib.contextmanager
def logged_in(server: mariadb.MariaDB, login: str, password: str) -> Iterator[Any]:
    import mysql.connector

    where: dict[str, Any] = {"host": server.host, "port": server.port, "user": login, "password": password}
    connection: Any = mysql.connector.connect(**where, use_pure=True, connection_timeout=60, autocommit=True)
    try:
        yield connection
    finally:
        connection.close()


def gets_in(server: mariadb.MariaDB, values: KeyFields, login: str = "etl_a") -> bool:
    import mysql.connector

    user = values["login"].unmasked() if "login" in values else login
    try:
        with logged_in(server, user, values["password"].reveal()) as connection:
            cursor = connection.cursor()
            cursor.execute("SELECT count(*) FROM analytics.orders")
            return bool(cursor.fetchone() == (0,))
    except mysql.connector.Error as err:
        if err.errno not in (1045, 1698, 4151):
            raise
        return False


def old() -> KeyFields:
    return {"login": Secret("etl_a"), "password": Secret(OLD)}


def hashes(server: mariadb.MariaDB) -> str:
    return server.sql("SELECT Priv FROM mysql.global_priv ORDER BY User")


def test_a_whole_rotation_and_the_one_after(server: mariadb.MariaDB, issuer: Alternating) -> None:
    assert fields(Options.model_validate(TURNS)) == ("login", "password")
    assert issuer.identify(old()) == "etl_a"
    assert states(issuer) == {"etl_a": "enabled"}

    new = issuer.issue(attempt("etl_a", "etl_a"))
    assert new.id == "etl_b"
    assert issuer.identify(new.fields) == "etl_b"
    assert gets_in(server, new.fields)
    assert gets_in(server, old())
    assert states(issuer) == {"etl_a": "enabled", "etl_b": "enabled"}

    for _ in range(2):
        issuer.disable("etl_a")
        assert not gets_in(server, old())
        assert states(issuer)["etl_a"] == "disabled"
    for _ in range(2):
        issuer.enable("etl_a")
        assert gets_in(server, old())
    for _ in range(2):
        issuer.destroy("etl_a")
        assert states(issuer) == {"etl_b": "enabled"}
    issuer.disable("etl_a")
    assert not gets_in(server, old())
    assert gets_in(server, new.fields)
    with pytest.raises(IssuerDenied, match="etl_a has no password any more"):
        issuer.enable("etl_a")

    third = issuer.issue(attempt("etl_b", "etl_b"))
    assert third.id == "etl_a"
    assert gets_in(server, third.fields)
    assert gets_in(server, new.fields)


def test_a_single_user_is_refused() -> None:
    with pytest.raises(ValueError, match="user"):
        Options.model_validate({"issuer": "mysql_password", "admin": ADMIN, "user": "etl_a"})
    with pytest.raises(ValueError, match="names a twice"):
        Options.model_validate({**TURNS, "users": ["a", "a"]})


def test_a_password_is_destroyed_even_if_the_user_may_log_in_again(
    server: mariadb.MariaDB, issuer: Alternating
) -> None:
    before = hashes(server)
    issuer.destroy("etl_a")
    assert server.sql("SELECT count(*) FROM mysql.user WHERE User = 'etl_a' AND password_expired = 'Y'") == "1"
    assert hashes(server) != before
    server.sql("ALTER USER etl_a@'127.0.0.1' ACCOUNT UNLOCK PASSWORD EXPIRE NEVER")
    assert not gets_in(server, old())


def test_only_a_hash_is_sent(server: mariadb.MariaDB, issuer: Alternating) -> None:
    server.sql("SET GLOBAL log_output = 'TABLE'; SET GLOBAL general_log = ON")
    new = issuer.issue(attempt("etl_a", "etl_a"))
    server.sql("SET GLOBAL general_log = OFF")
    log = server.sql("SELECT argument FROM mysql.general_log WHERE argument LIKE 'ALTER USER%'")
    hashed = _mysql_accounts.native_hash(new.fields["password"])
    assert hashed in log
    assert new.fields["password"].reveal() not in log
    assert redact(hashed) == "***"


def test_after_a_crash_the_same_user_gets_another_password(server: mariadb.MariaDB, issuer: Alternating) -> None:
    begun = attempt("etl_a", "etl_a")
    assert issuer.lost(begun) == []
    lost = issuer.issue(begun)
    assert issuer.lost(begun) == ["etl_b"]
    issuer.destroy("etl_b")
    assert issuer.lost(begun) == []
    again = issuer.issue(begun)
    assert gets_in(server, again.fields)
    assert not gets_in(server, lost.fields)
    assert gets_in(server, old())
    assert issuer.lost(attempt("etl_a", "etl_a", "etl_b")) == []  # it had a password, which may be somebody's
    assert issuer.lost(attempt(None)) == []


def test_a_login_that_takes_no_turns(server: mariadb.MariaDB, issuer: Alternating) -> None:
    before = hashes(server)
    assert issuer.identify({"login": Secret("stranger"), "password": Secret("x")}) is None
    for current in (None, "stranger"):
        with pytest.raises(IssuerDenied, match="none of the users etl_a and etl_b"):
            issuer.issue(attempt(current))
    assert hashes(server) == before


def test_a_user_that_is_not_there(server: mariadb.MariaDB, issuer: Alternating) -> None:
    server.sql("DROP USER etl_b@'127.0.0.1'; CREATE USER etl_b@'10.0.0.1'")  # another account of this name
    with pytest.raises(IssuerDenied, match=r"there is no account etl_b@127\.0\.0\.1") as caught:
        issuer.issue(attempt("etl_a", "etl_a"))
    assert "CREATE USER 'etl_b'@'127.0.0.1'" in caught.value.hint
    issuer.disable("etl_b")
    issuer.destroy("etl_b")
    with pytest.raises(IssuerDenied):
        issuer.enable("etl_b")
    server.sql("DROP USER etl_b@'10.0.0.1'")


def test_a_user_who_logs_in_by_something_else(server: mariadb.MariaDB, issuer: Alternating) -> None:
    for ways in ("unix_socket", "unix_socket OR mysql_native_password USING PASSWORD('x')"):
        server.sql(f"ALTER USER etl_b@'127.0.0.1' IDENTIFIED VIA {ways}")
        before = hashes(server)
        with pytest.raises(IssuerDenied, match="etl_b logs in by unix_socket"):
            issuer.issue(attempt("etl_a", "etl_a"))
        assert hashes(server) == before


def test_a_user_that_somebody_uses_keeps_its_password(server: mariadb.MariaDB, issuer: Alternating) -> None:
    server.sql("ALTER USER etl_b@'127.0.0.1' IDENTIFIED BY 'of-somebody' ACCOUNT UNLOCK")
    with logged_in(server, "etl_b", "of-somebody"), logged_in(server, "etl_b", "of-somebody"):
        assert by_id(issuer)["etl_b"].sessions == 2
        with pytest.raises(IssuerDenied, match=r"somebody uses etl_b.*2 sessions"):
            issuer.issue(attempt("etl_a", "etl_a", "etl_b"))
        assert issuer.issue(attempt("etl_a", "etl_a")).id == "etl_b"  # who is in has the password of this attempt


def test_sessions_stay_when_their_user_is_disabled(server: mariadb.MariaDB, issuer: Alternating) -> None:
    with logged_in(server, "etl_a", OLD) as connection:
        issuer.disable("etl_a")
        issuer.destroy("etl_a")
        cursor = connection.cursor()
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)


def test_when_a_password_was_set_and_expires(server: mariadb.MariaDB, issuer: Alternating) -> None:
    before = datetime.now(timezone.utc) - timedelta(seconds=2)  # the server has whole seconds
    issuer.issue(attempt("etl_a", "etl_a"))
    key = by_id(issuer)["etl_b"]
    assert key.created is not None
    assert before <= key.created <= datetime.now(timezone.utc)
    assert key.expires is None
    server.sql("ALTER USER etl_b@'127.0.0.1' PASSWORD EXPIRE INTERVAL 90 DAY")
    assert by_id(issuer)["etl_b"].expires == key.created + timedelta(days=90)


def test_a_user_without_a_password_is_no_key(server: mariadb.MariaDB, issuer: Alternating) -> None:
    server.sql("ALTER USER etl_b@'127.0.0.1' IDENTIFIED BY '' ACCOUNT UNLOCK")
    assert states(issuer) == {"etl_a": "enabled"}


def test_a_user_that_is_not_the_rotations(issuer: Alternating) -> None:
    for change in (issuer.disable, issuer.enable, issuer.destroy):
        with pytest.raises(IssuerDenied, match="root is none of this rotation's users"):
            change("root")


def test_an_attempt_that_began_too_long_ago_sends_nothing(server: mariadb.MariaDB, issuer: Alternating) -> None:
    before = hashes(server)
    with pytest.raises(TooLate):
        issuer.issue(attempt("etl_a", "etl_a", age=61))
    assert hashes(server) == before


@pytest.mark.parametrize(
    ("right", "says"),
    [
        ("CREATE USER ON *.*", "CREATE USER"),
        ("PROCESS ON *.*", "PROCESS"),
        ("SELECT ON mysql.global_priv", "global_priv"),
    ],
)
def test_an_admin_without_a_right(server: mariadb.MariaDB, issuer: Alternating, right: str, says: str) -> None:
    server.sql(f"REVOKE {right} FROM keeper@'127.0.0.1'")
    before = hashes(server)
    with pytest.raises(IssuerDenied, match=says) as caught:
        issuer.issue(attempt("etl_a", "etl_a"))
    assert right.partition(" ON ")[0] in caught.value.hint
    assert hashes(server) == before


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"password": "wrong-password"}, "Access denied"),
        ({"password": None}, "Access denied"),
        ({"schema": "nowhere"}, "nowhere"),
        ({"extra": {"ssl_bogus": 1}}, "ssl_bogus"),
        ({"extra": {"ssl_mode": "VERIFY_CA"}}, "certificate verify failed"),
        ({"extra": {"ssl": "{"}}, "not JSON"),
    ],
)
def test_an_admin_that_is_refused(place: Manifest, change: dict[str, Any], says: str) -> None:
    made = opened(replace(place, admin=replace(place.admin, **change)))
    with pytest.raises(IssuerDenied, match=says) as caught:
        made.keys()
    assert caught.value.hint
    assert "wrong-password" not in caught.value.message


@pytest.mark.parametrize("words", ["mysqlclient", "connector"])
def test_tls_in_the_words_of_either_client(
    server: mariadb.MariaDB, place: Manifest, tls: certificates.Certificates, words: str
) -> None:
    bundle = str(tls.bundle)
    theirs = {"ssl": {"ca": bundle}, "ssl_mode": "VERIFY_IDENTITY"}
    extra = theirs if words == "mysqlclient" else {"ssl_ca": bundle, "ssl_verify_cert": True}
    server.sql("ALTER USER keeper@'127.0.0.1' REQUIRE SSL")
    assert states(opened(replace(place, admin=replace(place.admin, extra=extra)))) == {"etl_a": "enabled"}
    plain = opened(replace(place, admin=replace(place.admin, extra={"ssl_mode": "DISABLED"})))
    with pytest.raises(IssuerDenied, match="Access denied"):
        plain.keys()


def test_a_server_that_is_not_there(place: Manifest) -> None:
    with faulty.refused() as (host, port):
        made = quick(replace(place, admin=replace(place.admin, host=host, port=port)))
        with pytest.raises(IssuerUnavailable, match=rf"{host}:{port}: .*refused"):
            made.issue(attempt("etl_a", "etl_a"))


def test_a_server_that_never_answers(place: Manifest) -> None:
    with faulty.silent() as (host, port):
        made = quick(replace(place, admin=replace(place.admin, host=host, port=port)))
        with pytest.raises(IssuerUnavailable):
            made.keys()


@contextlib.contextmanager
def locked(server: mariadb.MariaDB) -> Iterator[None]:
    """Nobody can change an account meanwhile, and at the end nobody waits to."""
    server.sql("GRANT RELOAD ON *.* TO etl_a@'127.0.0.1'")
    with logged_in(server, "etl_a", OLD) as other:
        other.cursor().execute("FLUSH TABLES WITH READ LOCK")
        yield
        deadline = time.monotonic() + 60
        while server.sql("SELECT count(*) FROM information_schema.PROCESSLIST WHERE USER = 'keeper'") != "0":
            assert time.monotonic() < deadline, "it still waits to change an account"
        other.cursor().execute("UNLOCK TABLES")


def test_a_change_that_waits_is_not_made_later(server: mariadb.MariaDB, place: Manifest) -> None:
    with locked(server), pytest.raises(IssuerUnavailable):
        quick(place).disable("etl_a")
    assert gets_in(server, old())


def test_a_change_that_waits_is_ended_where_the_server_has_no_time_limit(
    server: mariadb.MariaDB, place: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A MariaDB that is taken for a MySQL, which has no max_statement_time.
    monkeypatch.setattr(Server, "_is_mariadb", lambda *_: False)

    def change(session: _mysql.Session) -> None:
        session.run("ALTER USER etl_a@'127.0.0.1' ACCOUNT LOCK")

    with locked(server), pytest.raises(IssuerUnavailable):
        quick(place).server.ask(change)
    assert gets_in(server, old())


def test_whose_keys_these_are(place: Manifest) -> None:
    there = replace(place, admin=replace(place.admin, host="DB.example", port=3310))
    assert opened(there).account == "mysql:db.example:3310/etl_a@127.0.0.1+etl_b@127.0.0.1"


def test_without_the_client_library(issuer: Alternating, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mysql.connector", None)  # as if it weren't installed
    with pytest.raises(IssuerDenied, match="mysql-connector-python is not installed") as caught:
        issuer.keys()
    assert caught.value.hint == "pip install mysql-connector-python"


# No MySQL can be installed here: these hold what is sent to one against the manual of 8.4.


def test_what_mysql_is_sent() -> None:
    password = Secret("secret-text")
    hashed = _mysql_accounts.native_hash(password)
    clause = _mysql_accounts.password_clause
    assert clause("mysql_native_password", password, mariadb=False) == (
        "IDENTIFIED WITH mysql_native_password AS %s",
        hashed,
    )
    assert clause("caching_sha2_password", password, mariadb=False) == (
        "IDENTIFIED WITH caching_sha2_password BY %s",
        "secret-text",
    )


@pytest.mark.parametrize(
    ("mariadb", "encrypted", "plugin", "says"),
    [
        (False, False, "caching_sha2_password", "in clear text"),
        (False, True, "authentication_ldap_simple", "logs in by authentication_ldap_simple"),
        (False, True, "caching_sha2_password", None),
        (False, False, "mysql_native_password", None),
        (True, True, "caching_sha2_password", "logs in by caching_sha2_password"),
    ],
)
def test_where_a_password_may_be_sent(
    place: Manifest,
    mariadb: bool,  # noqa: FBT001  a parameter of the test
    encrypted: bool,  # noqa: FBT001
    plugin: str,
    says: str | None,
) -> None:
    session = _mysql.Session(None, mariadb, encrypted)
    account = _mysql_accounts.Account("etl_a", False, False, ((plugin, "set"),), None, 0, 0)
    at = opened(place).server.at
    if says is None:
        _mysql_accounts.require_settable(session, account, at)
        return
    with pytest.raises(IssuerDenied, match=says):
        _mysql_accounts.require_settable(session, account, at)


@pytest.mark.parametrize(
    ("version", "mariadb"),
    [
        ("10.4.0-MariaDB", True),
        ("5.5.5-10.11.19-MariaDB-0+deb12u1", True),
        ("8.0.14", False),
        ("8.4.3-debug", False),
        ("10.3.39-MariaDB", None),
        ("8.0.13", None),
        ("5.7.44-log", None),
    ],
)
def test_releases(place: Manifest, version: str, mariadb: bool | None) -> None:  # noqa: FBT001  a parameter of the test
    server = opened(place).server
    if mariadb is not None:
        assert server._is_mariadb(version) is mariadb
        return
    with pytest.raises(IssuerDenied, match="can't be rotated"):
        server._is_mariadb(version)
