"""The small servers of tests/systems refuse what real ones refuse, and leave nothing behind."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import io
import smtplib
import socket
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
import requests

from tests.systems import (
    certificates,
    faulty,
    mariadb,
    process,
    redis_server,
    require,
    smtp,
    ssh_keys,
    ssh_passwords,
    sshd,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

INSTALL = "make test"
PASSWORD = "p\"w\\ #'é%"  # what is special in some file's or language's syntax


def processes_of(folder: Path) -> list[psutil.Process]:
    """Return the processes that have a path of this test's in their command lines."""
    return [each for each in psutil.process_iter(["cmdline"]) if str(folder) in " ".join(each.info["cmdline"] or [])]


def everything_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> certificates.Certificates:
    return certificates.make(tmp_path_factory.mktemp("certificates"))


# Certificates


def fetch(address: tuple[str, int], ca: Path) -> str:
    with requests.Session() as session:
        session.trust_env = False
        return session.get(f"https://{address[0]}:{address[1]}/", verify=str(ca), timeout=10).text


def test_the_valid_certificate_is_accepted_by_name_and_by_address(made: certificates.Certificates) -> None:
    with faulty.https(made.valid) as (host, port):
        assert fetch((host, port), made.ca) == "ok"
        assert fetch(("localhost", port), made.ca) == "ok"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("self_signed", "self.signed certificate"),
        ("unknown_ca", "unable to get local issuer certificate"),
        ("expired", "certificate has expired"),
        ("wrong_name", "doesn't match|mismatch"),
    ],
)
def test_a_bad_certificate_is_refused_for_what_it_is(made: certificates.Certificates, name: str, words: str) -> None:
    with faulty.https(getattr(made, name)) as address, pytest.raises(requests.exceptions.SSLError, match=words):
        fetch(address, made.ca)


def test_the_bundle_has_what_the_machine_trusts_beside_our_authority(made: certificates.Certificates) -> None:
    bundle, own = (ssl.create_default_context(cafile=str(path)) for path in (made.bundle, made.ca))
    assert len(own.get_ca_certs()) == 1
    assert len(bundle.get_ca_certs()) > 10
    with faulty.https(made.valid) as address:
        assert fetch(address, made.bundle) == "ok"


def test_nobody_else_can_read_a_key(made: certificates.Certificates) -> None:
    keys = list(made.ca.parent.glob("*.key"))
    assert keys
    assert {path.stat().st_mode & 0o777 for path in keys} == {0o600}


# Servers that fail


def test_a_silent_server_accepts_many_connections_and_answers_none() -> None:
    with faulty.silent() as address, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(socket.create_connection(address, timeout=5)) for _ in range(300)]
        clients[-1].sendall(b"GET / HTTP/1.0\r\n\r\n")
        clients[-1].settimeout(0.2)
        with pytest.raises(TimeoutError):
            clients[-1].recv(1)


def test_a_refused_port_can_be_taken_by_nobody_else() -> None:
    with faulty.refused() as address:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address, timeout=5)
        assert not process.is_free(address[1])
    assert process.is_free(address[1])


@pytest.mark.parametrize("server", [faulty.self_signed_tls, faulty.expired_tls])
def test_only_who_checks_a_bad_certificate_is_stopped_by_it(
    server: Callable[[], AbstractContextManager[tuple[str, int]]],
) -> None:
    careless = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    careless.check_hostname, careless.verify_mode = False, ssl.CERT_NONE
    with server() as address:
        with pytest.raises(ssl.SSLCertVerificationError), socket.create_connection(address, timeout=5) as plain:
            ssl.create_default_context().wrap_socket(plain, server_hostname=address[0])
        with socket.create_connection(address, timeout=5) as plain, careless.wrap_socket(plain) as client:
            client.sendall(b"GET / HTTP/1.0\r\n\r\n")
            answer = client.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.0 200 ")
    assert answer.endswith(b"\r\n\r\nok")


def test_the_plain_server_answers_a_request_and_no_tls() -> None:
    with faulty.plain_http() as (host, port), requests.Session() as session:
        session.trust_env = False
        assert session.post(f"http://{host}:{port}/x", data="y", timeout=5).text == "ok"
        with pytest.raises(ssl.SSLError), socket.create_connection((host, port), timeout=5) as plain:
            ssl.create_default_context().wrap_socket(plain, server_hostname=host)


# Redis


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[redis_server.Redis]:
    require("redis", INSTALL)
    with redis_server.running(tmp_path_factory.mktemp("redis"), PASSWORD) as server:
        yield server


def test_redis_wants_its_password(redis: redis_server.Redis) -> None:
    from redis.exceptions import AuthenticationError

    redis.set("greeting", "hé")
    with redis.client() as client:
        assert client.get("greeting") == "hé"
    for wrong in ("wrong", None):
        with redis.client(password=wrong) as client, pytest.raises(AuthenticationError):
            client.get("greeting")


def test_redis_refuses_what_a_users_rules_do_not_allow(redis: redis_server.Redis) -> None:
    from redis.exceptions import NoPermissionError

    redis.set("smoke:x", "1")
    redis.acl_user("reader", PASSWORD, ["~smoke:*", "+get"])
    with redis.client(username="reader") as client:
        assert client.get("smoke:x") == "1"
        with pytest.raises(NoPermissionError, match="set"):
            client.set("smoke:x", "2")
        with pytest.raises(NoPermissionError):
            client.get("other")


def test_redis_speaks_tls(tmp_path: Path, made: certificates.Certificates) -> None:
    from redis.exceptions import ConnectionError as RedisConnectionError

    require("redis", INSTALL)
    with redis_server.running(tmp_path, PASSWORD, made.valid) as server:
        with server.client(ssl_cert_reqs="required", ssl_ca_certs=str(made.ca)) as client:
            assert client.ping()
        with server.client(ssl=False) as client, pytest.raises(RedisConnectionError):
            client.ping()
        (running,) = processes_of(tmp_path)
        assert {each.laddr[:] for each in running.net_connections() if each.status == psutil.CONN_LISTEN} == {
            (server.host, server.port)
        }


def test_redis_leaves_no_process_and_shows_no_password(tmp_path: Path) -> None:
    with redis_server.running(tmp_path, "s3cret-redis") as server:
        (running,) = processes_of(tmp_path)
        assert "s3cret-redis" not in " ".join(running.cmdline())
        assert b"s3cret-redis" not in everything_in(tmp_path)  # written, but not for grep
        assert (tmp_path / "redis.conf").stat().st_mode & 0o777 == 0o600
    assert not processes_of(tmp_path)
    assert process.is_free(server.port)


# MariaDB


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory, made: certificates.Certificates) -> Iterator[mariadb.MariaDB]:
    with mariadb.running(tmp_path_factory.mktemp("mariadb"), made.valid) as server:
        server.ensure_login("etl", PASSWORD, "sales-1")
        yield server


def query(server: mariadb.MariaDB, statement: str, user: str = "etl", password: str = PASSWORD, **tls: Any) -> Any:
    """Return the first row, asked for over TCP."""
    require("mysql.connector", INSTALL)
    import mysql.connector

    known = {"host": server.host, "port": server.port, "collation": "utf8mb4_general_ci", "use_pure": True}
    tls = tls or {"ssl_disabled": True}
    with mysql.connector.connect(user=user, password=password, **known, **tls) as client, client.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()


def test_mariadb_wants_a_password(database: mariadb.MariaDB) -> None:
    from mysql.connector.errors import Error

    assert query(database, "SELECT CURRENT_USER()") == ("etl@127.0.0.1",)
    for user, password in (("etl", "wrong"), ("etl", ""), ("root", ""), ("stranger", "")):
        with pytest.raises(Error, match=r"Access denied|not allowed"):
            query(database, "SELECT 1", user, password)


def test_mariadb_refuses_what_was_revoked(database: mariadb.MariaDB) -> None:
    from mysql.connector.errors import Error

    database.ensure_login("reader", "first", "private")
    database.sql("CREATE TABLE t AS SELECT 'é' AS a, 2 AS b", "private")
    assert database.sql("SELECT * FROM t", "private") == "é\t2"
    assert query(database, "SELECT b FROM private.t", "reader", "first") == (2,)
    database.revoke("reader", "SELECT", "private")
    with pytest.raises(Error, match="SELECT command denied"):
        query(database, "SELECT b FROM private.t", "reader", "first")
    database.ensure_login("reader", "second", "private")
    assert query(database, "SELECT b FROM private.t", "reader", "second") == (2,)


def test_mariadb_speaks_tls(database: mariadb.MariaDB, made: certificates.Certificates) -> None:
    tls: dict[str, Any] = {"ssl_ca": str(made.ca), "ssl_verify_cert": True}
    _, cipher = query(database, "SHOW STATUS LIKE 'Ssl_cipher'", **tls)
    assert cipher


def test_mariadb_says_what_is_wrong_with_a_statement(database: mariadb.MariaDB) -> None:
    with pytest.raises(RuntimeError, match=r"mariadb: ERROR 1146 .*no_such_table"):
        database.sql("SELECT * FROM no_such_table")


def test_mariadb_leaves_no_process_and_no_data(tmp_path: Path) -> None:
    with mariadb.running(tmp_path) as server:
        assert processes_of(tmp_path)
    assert not processes_of(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mariadb.log"]
    assert not server.socket.parent.exists()


# SSH


@pytest.fixture(scope="module")
def by_key(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sshd.Sshd]:
    with sshd.running(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.fixture
def by_password(tmp_path: Path) -> Iterator[ssh_passwords.SshServer]:
    with ssh_passwords.running(tmp_path, "airflow", PASSWORD) as server:
        yield server


@contextlib.contextmanager
def logged_in(server: sshd.Sshd | ssh_passwords.SshServer, **credentials: Any) -> Iterator[Any]:
    """Yield a client that checked the server's key; with `key`, the text of a private one."""
    import paramiko  # type: ignore[import-untyped]

    if "key" in credentials:
        credentials["pkey"] = paramiko.Ed25519Key.from_private_key(io.StringIO(credentials.pop("key")))
    client = paramiko.SSHClient()
    kind, text = server.host_key.split()
    key = paramiko.PKey.from_type_string(kind, base64.b64decode(text))
    client.get_host_keys().add(f"[{server.host}]:{server.port}", kind, key)
    with client:
        own = {"allow_agent": False, "look_for_keys": False, "timeout": 10}
        client.connect(server.host, server.port, server.user, **own, **credentials)
        yield client


def run(client: Any, command: str) -> tuple[int, str, str]:
    _, out, err = client.exec_command(command, timeout=10)
    return out.channel.recv_exit_status(), out.read().decode(), err.read().decode()


@pytest.mark.parametrize("name", ["by_key", "by_password"])
def test_a_command_says_its_words_and_its_exit_code(name: str, request: pytest.FixtureRequest) -> None:
    server = request.getfixturevalue(name)
    with logged_in(server, key=server.private_key) as client:
        assert run(client, "echo out; echo err >&2; exit 3") == (3, "out\n", "err\n")


@pytest.mark.parametrize("name", ["by_key", "by_password"])
def test_files_are_read_written_and_missing(name: str, request: pytest.FixtureRequest) -> None:
    server = request.getfixturevalue(name)
    with logged_in(server, key=server.private_key) as client, client.open_sftp() as sftp:
        with sftp.open("made", "w") as file:
            file.write("text")
        assert (server.root / "made").read_text() == "text"
        with sftp.open("made", "a") as file:
            file.write(", more")
        with sftp.open("made") as file:
            assert file.read() == b"text, more"
        assert "made" in sftp.listdir(".")
        sftp.mkdir("folder")
        sftp.rename("made", "folder/moved")
        sftp.remove("folder/moved")
        sftp.rmdir("folder")
        assert not list(server.root.iterdir())
        with pytest.raises(FileNotFoundError):
            sftp.stat("missing")


@pytest.mark.parametrize("name", ["by_key", "by_password"])
def test_a_foreign_key_is_refused(name: str, request: pytest.FixtureRequest) -> None:
    from paramiko import AuthenticationException

    server = request.getfixturevalue(name)
    with pytest.raises(AuthenticationException), logged_in(server, key=ssh_keys.new().private):
        pass


def test_a_key_is_not_shown(by_key: sshd.Sshd) -> None:
    assert "PRIVATE KEY" not in repr(by_key)


def test_sftp_without_write_permission(tmp_path: Path) -> None:
    with sshd.running(tmp_path, read_only=True) as server:
        (server.root / "given").write_text("x")
        with logged_in(server, key=server.private_key) as client, client.open_sftp() as sftp:
            with sftp.open("given") as file:
                assert file.read() == b"x"
            with pytest.raises(PermissionError):
                sftp.open("made", "w")


def test_sshd_leaves_no_process_even_of_a_session_in_use(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(sshd.running(tmp_path))
        client = logged_in(server, key=server.private_key)
        client.__enter__().exec_command(f"sleep 61; : {tmp_path}")
        while len(processes_of(tmp_path)) < 2:
            pass
    assert not processes_of(tmp_path)
    assert process.is_free(server.port)
    client.__exit__(None, None, None)


def test_the_right_password_of_the_right_user_is_wanted(by_password: ssh_passwords.SshServer) -> None:
    from paramiko import AuthenticationException

    with logged_in(by_password, password=PASSWORD) as client:
        assert run(client, "pwd") == (0, f"{by_password.root}\n", "")
    with pytest.raises(AuthenticationException), logged_in(by_password, password="wrong"):
        pass
    stranger = dataclasses.replace(by_password, user="stranger")
    with pytest.raises(AuthenticationException), logged_in(stranger, password=PASSWORD):
        pass


def test_a_denied_folder_is_not_a_missing_one(by_password: ssh_passwords.SshServer) -> None:
    (by_password.root / "private").mkdir()
    (by_password.root / "private" / "file").write_text("x")
    by_password.denied.add("/private")
    with logged_in(by_password, password=PASSWORD) as client, client.open_sftp() as sftp:
        assert sftp.listdir("/") == ["private"]
        denied = ((sftp.listdir, "private"), (sftp.open, "x/../private/file"), (sftp.mkdir, "/private/new"))
        for work, path in denied:
            with pytest.raises(PermissionError):
                work(path)
        with pytest.raises(FileNotFoundError):
            sftp.listdir("private2")


def test_sftp_does_not_leave_its_folder(by_password: ssh_passwords.SshServer) -> None:
    (by_password.root.parent / "outside").write_text("x")
    with logged_in(by_password, password=PASSWORD) as client, client.open_sftp() as sftp:
        for path in ("../outside", "/../outside", str(by_password.root.parent / "outside")):
            with pytest.raises(FileNotFoundError):
                sftp.open(path)


def test_a_command_ends_with_the_server_of_passwords(tmp_path: Path) -> None:
    with ssh_passwords.running(tmp_path, "airflow", PASSWORD) as server:
        client = logged_in(server, password=PASSWORD)
        client.__enter__().exec_command(f"sleep 61; : {tmp_path}")
        while not processes_of(tmp_path):
            pass
    assert not processes_of(tmp_path)
    assert not process.accepts(server.host, server.port)
    client.__exit__(None, None, None)


# SMTP


def send(client: smtplib.SMTP, *recipients: str) -> dict[str, tuple[int, bytes]]:
    return client.sendmail("from@example.com", recipients, b"Subject: hello\r\n\r\ntext\r\n")


@pytest.mark.parametrize("method", ["auth_plain", "auth_login"])
def test_mail_is_taken_after_a_login_only(method: str) -> None:
    with smtp.running("airflow", "p w%") as server, smtplib.SMTP(server.host, server.port, timeout=10) as client:
        with pytest.raises(smtplib.SMTPSenderRefused, match="530"):
            send(client, "to@example.com")
        client.user, client.password = "airflow", "p w%"
        client.auth(method.removeprefix("auth_").upper(), getattr(client, method))
        assert not server.received
        assert send(client, "to@example.com") == {}
        (mail,) = server.received
    assert (mail.sender, mail.recipients) == ("from@example.com", ("to@example.com",))
    assert b"Subject: hello\r\n\r\ntext" in mail.content
    assert process.is_free(server.port)


@pytest.mark.parametrize(("login", "password"), [("airflow", "wrong"), ("stranger", "right"), ("airflow", "")])
def test_a_wrong_mail_password_is_refused(login: str, password: str) -> None:
    with smtp.running("airflow", "right") as server, smtplib.SMTP(server.host, server.port, timeout=10) as client:
        with pytest.raises(smtplib.SMTPAuthenticationError, match="535"):
            client.login(login, password)
        with pytest.raises(smtplib.SMTPSenderRefused):
            send(client, "to@example.com")
        assert not server.received


def test_a_refused_recipient_gets_nothing() -> None:
    with smtp.running("airflow", "right") as server, smtplib.SMTP(server.host, server.port, timeout=10) as client:
        server.refused.add("no@example.com")
        client.login("airflow", "right")
        assert send(client, "no@example.com", "yes@example.com")["no@example.com"][0] == 550
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            send(client, "no@example.com")
        assert [mail.recipients for mail in server.received] == [("yes@example.com",)]


def test_a_server_with_starttls_takes_no_password_before_it(made: certificates.Certificates) -> None:
    trusting = ssl.create_default_context(cafile=str(made.ca))
    with (
        smtp.running("airflow", "right", starttls=made.valid.context()) as server,
        smtplib.SMTP("localhost", server.port, timeout=10) as client,
    ):
        with pytest.raises(smtplib.SMTPNotSupportedError):
            client.login("airflow", "right")
        client.starttls(context=trusting)
        client.login("airflow", "right")
        assert send(client, "to@example.com") == {}


def test_mail_over_tls_from_the_first_byte(made: certificates.Certificates) -> None:
    trusting = ssl.create_default_context(cafile=str(made.ca))
    with (
        smtp.running("airflow", "right", smtps=made.valid.context()) as server,
        smtplib.SMTP_SSL(server.host, server.port, context=trusting, timeout=10) as client,
    ):
        client.login("airflow", "right")
        assert send(client, "to@example.com") == {}
