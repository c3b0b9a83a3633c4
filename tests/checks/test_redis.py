from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.checks.bench import Bench, Cell, secrets, unreachable
from tests.systems import certificates, redis_server

pytestmark = pytest.mark.airflow


@dataclass
class Place:
    """A server without TLS, one with a good certificate, one with an expired one, and a connection to the first."""

    plain: redis_server.Redis
    tls: redis_server.Redis
    expired: redis_server.Redis
    made: certificates.Certificates
    good: dict[str, Any]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, bench: Bench) -> Iterator[Place]:
    folder, password = tmp_path_factory.mktemp("redis"), bench.canary.value
    made = certificates.make(folder / "certificates")
    with (
        redis_server.running(folder / "plain", password) as plain,
        redis_server.running(folder / "tls", password, made.valid) as tls,
        redis_server.running(folder / "expired", password, made.expired) as expired,
    ):
        plain.set("smoke:here", "1")
        plain.acl_user("pinger", password, ["~smoke:*", "+ping"])
        plain.acl_user("reader", password, ["~smoke:*", "+exists"])
        tls.acl_user("etl", password, ["~*", "+@all"])
        with tls.client() as administrator:
            administrator.execute_command("ACL", "SETUSER", "default", "nopass")
        good = {"conn_type": "redis", "host": plain.host, "port": plain.port, "password": password}
        yield Place(plain, tls, expired, made, good)


def test_redis(bench: Bench, place: Place, isolated: bool) -> None:  # noqa: FBT001  a fixture
    good, check = place.good, {"redis": {"key": "smoke:here"}}
    tls, expired = ({**good, "port": each.port} for each in (place.tls, place.expired))
    trusting = {"ssl": True, "ssl_ca_certs": str(place.made.ca)}
    anyone = {"ssl": True, "ssl_cert_reqs": "none", "ssl_check_hostname": False}
    with unreachable(good, check) as others:
        results = bench.hold(
            {
                "pings": Cell(good, "redis"),
                "sees": Cell(good, check),
                "sees_without_ping": Cell({**good, "login": "reader"}, check),
                "encrypts": Cell({**tls, "login": "etl", "extra": trusting}, "redis"),
                "trusts_anyone": Cell({**expired, "extra": anyone}, "redis"),
                "wrong_password": Cell(
                    {**good, "password": "wrong"}, check, "authenticate", "auth", says="password", hint="store put"
                ),
                "no_password": Cell({**good, "password": None}, check, "authenticate", "auth"),
                "no_user": Cell({**good, "login": "nobody"}, check, "authenticate", "auth"),
                "no_key": Cell(good, {"redis": {"key": "nope"}}, "access", "not_found", says="nope"),
                "no_database": Cell({**good, "extra": {"db": 99}}, check, "authenticate", "not_found", hint="`db`"),
                "may_not_ping": Cell(
                    {**good, "login": "reader"}, "redis", "access", "permission", says="ping", hint="+ping"
                ),
                "may_not_look": Cell(
                    {**good, "login": "pinger"}, check, "access", "permission", says="exists", hint="+exists"
                ),
                "no_such_keys": Cell({**good, "login": "reader"}, {"redis": {"key": "x"}}, "access", "permission"),
                "untrusted": Cell({**tls, "extra": {"ssl": True}}, "redis", "authenticate", "tls", says="certificate"),
                "expired": Cell({**expired, "extra": trusting}, "redis", "authenticate", "tls", says="expired"),
                "no_tls": Cell(tls, "redis", "authenticate", "unreachable", hint='"ssl": true'),
                **others,
            },
            keep=("wrong_password", "pings", "encrypts"),
            isolated=isolated,
        )
    assert results["pings"].steps[2].detail == "the server asked for the credential and took it"
    assert not results["pings"].warnings
    assert results["encrypts"].warnings == ("accepted without asking for the credential",)
    slow = {step.name: step.seconds for step in results["wrong_password"].steps if step.seconds > 2}
    assert not slow, "the client's repetitions take 3 s and more"
    with place.plain.client() as administrator:
        assert administrator.keys() == ["smoke:here"]


def test_a_server_without_tls_never_ends_the_handshake(bench: Bench, place: Place) -> None:
    bench.hold(
        {
            "hangs": Cell({**place.good, "extra": {"ssl": True}}, "redis", "reach", "timeout", says="handshake"),
            **secrets(place.good, "redis"),
        },
        timeout=15,  # the check's own 10 s for `reach` say more
    )
