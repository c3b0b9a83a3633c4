from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from bootstrap.checks import smtp as check_of_smtp
from tests.checks.bench import Bench, Cell, unreachable
from tests.systems import certificates, smtp

pytestmark = pytest.mark.airflow
PLAIN = {"disable_ssl": True, "disable_tls": True}
STARTTLS = {"disable_ssl": True}
SMTPS = {"disable_tls": True}


@dataclass
class Place:
    """Servers that never encrypt, that do after STARTTLS, that do from the start, and one whose certificate expired."""

    plain: smtp.Smtp
    starttls: smtp.Smtp
    smtps: smtp.Smtp
    expired: smtp.Smtp
    made: certificates.Certificates


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, bench: Bench) -> Iterator[Place]:
    made = certificates.make(tmp_path_factory.mktemp("smtp"))
    password = f"p %{bench.canary.core}"  # ASCII
    with (
        smtp.running("etl", password) as plain,
        smtp.running("etl", password, starttls=made.valid.context()) as starttls,
        smtp.running("etl", password, smtps=made.valid.context()) as smtps,
        smtp.running("etl", password, smtps=made.expired.context()) as expired,
    ):
        plain.refused.add("nobody@example.com")
        yield Place(plain, starttls, smtps, expired, made)


def to(server: smtp.Smtp, extra: dict[str, Any], **more: Any) -> dict[str, Any]:
    where = {"conn_type": "smtp", "host": server.host, "port": server.port}
    return {**where, "login": server.login, "password": server.password, "extra": extra, **more}


def test_smtp(bench: Bench, place: Place, isolated: bool) -> None:  # noqa: FBT001  a fixture
    check = {"smtp": {"from_email": "etl@example.com", "to": "team@example.com"}}
    good = to(place.plain, PLAIN)
    with unreachable(good, check) as others:
        bench.hold(
            {
                "logs_in": Cell(good, "smtp"),
                "relays": Cell(good, check),
                "knows_its_sender": Cell(
                    to(place.plain, {**PLAIN, "from_email": "etl@example.com"}), {"smtp": {"to": "team@example.com"}}
                ),
                "starttls": Cell(to(place.starttls, STARTTLS), check),
                "smtps": Cell(to(place.smtps, SMTPS), check),
                "trusts_anyone": Cell(to(place.expired, {**SMTPS, "ssl_context": "none"}), check),
                "no_login": Cell(to(place.plain, PLAIN, login=None, password=None), "smtp"),
                "wrong_password": Cell(
                    {**good, "password": "wrong"}, check, "authenticate", "auth", says="535", hint="store put"
                ),
                "no_user": Cell({**good, "login": "nobody-here"}, check, "authenticate", "auth"),
                "no_password": Cell(
                    {**good, "password": None}, "smtp", "authenticate", "secret_malformed", says="no password"
                ),
                "unsendable": Cell(
                    {**good, "password": bench.canary.value}, check, "authenticate", "secret_malformed", says="ASCII"
                ),
                "relays_not_without_login": Cell({**good, "login": None, "password": None}, check, "access", "auth"),
                "refused": Cell(
                    good,
                    {"smtp": {"from_email": "etl@example.com", "to": "nobody@example.com"}},
                    "access",
                    "not_found",
                    says="nobody@example.com: 550",
                    hint="`to`",
                ),
                "no_sender": Cell(good, {"smtp": {"to": "a@example.com"}}, "access", "secret_malformed", says="sender"),
                "expects_starttls": Cell(
                    to(place.plain, STARTTLS), check, "authenticate", "tls", says="STARTTLS", hint="disable_tls"
                ),
                "twice": Cell(to(place.smtps, {}), check, "authenticate", "tls", hint="disable_tls"),
                "expects_smtps": Cell(to(place.plain, SMTPS), check, "authenticate", "tls", hint="disable_ssl"),
                "speaks_plain": Cell(to(place.starttls, PLAIN), check, "authenticate", "auth", hint="disable_ssl"),
                "expired": Cell(to(place.expired, SMTPS), check, "authenticate", "tls", says="expired"),
                **others,
            },
            isolated=isolated,
            env={"SSL_CERT_FILE": str(place.made.bundle)},
        )
    for server in (place.plain, place.starttls, place.smtps, place.expired):
        assert server.received == []


def test_an_untrusted_certificate_is_not_accepted(bench: Bench, place: Place) -> None:
    cells = {
        "starttls": Cell(to(place.starttls, STARTTLS), "smtp", "authenticate", "tls", says="certificate", hint="CA"),
        "smtps": Cell(to(place.smtps, SMTPS), "smtp", "authenticate", "tls", says="certificate", hint="CA"),
    }
    bench.hold(cells)


@pytest.mark.parametrize(
    ("what", "code", "said", "name"),
    [
        ("recipient a@b", 550, b"5.1.1 no such user", "not_found"),
        ("recipient a@b", 550, b"5.7.1 relaying denied", "permission"),
        ("recipient a@b", 554, b"5.7.1 <a@b>: Relay access denied", "permission"),
        ("recipient a@b", 550, b"mailbox unavailable", "not_found"),
        ("recipient a@b", 450, b"4.2.0 greylisted", "check_error"),
        ("sender a@b", 553, b"5.7.1 not owned by user", "permission"),
        ("sender a@b", 530, b"5.7.0 Authentication required", "auth"),
    ],
)
def test_a_refusal_is_read_by_its_code(what: str, code: int, said: bytes, name: str) -> None:
    # The test server knows one refusal; these are Postfix's, Exchange's and Sendmail's.
    found = check_of_smtp.cause(check_of_smtp.RefusedError(what, code, said))
    assert found is not None
    assert found.name == name
