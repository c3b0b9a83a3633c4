from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.checks.bench import Bench, Cell, unreachable
from tests.systems import faulty, ssh_keys, ssh_passwords, sshd

pytestmark = pytest.mark.airflow


@dataclass
class Place:
    """A server for passwords and keys, OpenSSH's for keys, and a connection to the first."""

    passwords: ssh_passwords.SshServer
    keys: sshd.Sshd
    good: dict[str, Any]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, bench: Bench) -> Iterator[Place]:
    folder, password = tmp_path_factory.mktemp("sftp"), bench.canary.value
    with (
        ssh_passwords.running(folder / "passwords", "etl", password) as passwords,
        sshd.running(folder / "sshd") as keys,
    ):
        for server in (passwords, keys):
            (server.root / "incoming").mkdir()
            (server.root / "incoming" / "orders.csv").write_text("1,2\n")
        (passwords.root / "private").mkdir()
        passwords.denied.add("/private")
        where = {"conn_type": "sftp", "host": passwords.host, "port": passwords.port}
        yield Place(
            passwords,
            keys,
            {**where, "login": "etl", "password": password, "extra": {"host_key": passwords.host_key}},
        )


def with_extra(connection: dict[str, Any], **extra: Any) -> dict[str, Any]:
    return {**connection, "extra": {**connection["extra"], **extra}}


def test_sftp(bench: Bench, place: Place, isolated: bool) -> None:  # noqa: FBT001  a fixture
    good, check = place.good, {"sftp": {"path": "incoming"}}
    nobody = with_extra({**good, "password": None}, look_for_keys=False)
    openssh = {**good, "port": place.keys.port, "login": place.keys.user, "password": None}
    known = {**openssh, "extra": {"host_key": place.keys.host_key, "look_for_keys": False}}
    with unreachable(good, check) as others, faulty.plain_http() as web:
        results = bench.hold(
            {
                "lists_its_home": Cell(good, "sftp"),
                "lists": Cell(good, check),
                "opens": Cell(good, {"sftp": {"path": "incoming/orders.csv"}}),
                "checks_no_host_key": Cell({**good, "extra": {"no_host_key_check": True}}, check),
                "openssh": Cell(with_extra(known, private_key=place.keys.private_key), check),
                "wrong_password": Cell({**good, "password": "wrong"}, check, "authenticate", "auth", hint="store put"),
                "no_password": Cell(nobody, check, "authenticate", "auth", says="neither a password nor a key"),
                "password_for_openssh": Cell(
                    {**known, "password": bench.canary.value}, check, "authenticate", "auth", says="publickey"
                ),
                "wrong_key": Cell(with_extra(known, private_key=ssh_keys.new().private), check, "authenticate", "auth"),
                "malformed_key": Cell(
                    with_extra(known, private_key=place.keys.private_key[:200]),
                    check,
                    "authenticate",
                    "secret_malformed",
                    hint="private_key",
                ),
                "one_line_key": Cell(
                    with_extra(known, private_key=bench.canary.value), check, "authenticate", "secret_malformed"
                ),
                "no_key_file": Cell(
                    with_extra(known, key_file="/no/such/key"),
                    check,
                    "authenticate",
                    "secret_malformed",
                    says="/no/such/key",
                    hint="key_file",
                ),
                "other_host_key": Cell(
                    with_extra(good, host_key=ssh_keys.new().public), check, "authenticate", "tls", hint="changed"
                ),
                "unknown_host": Cell(
                    {**good, "extra": {}}, check, "authenticate", "tls", says="known_hosts", hint="ssh-keyscan"
                ),
                "malformed_host_key": Cell(
                    with_extra(good, host_key="ssh-ed25519 AAAA"), check, "authenticate", "secret_malformed"
                ),
                "undecodable_host_key": Cell(
                    with_extra(good, host_key="ssh-ed25519 abc"), check, "authenticate", "secret_malformed"
                ),
                "strange_host_key": Cell(
                    with_extra(good, host_key="ssh-x AAAA"), check, "authenticate", "secret_malformed", hint="host_key"
                ),
                "no_host": Cell({**good, "host": None}, check, "authenticate", "secret_malformed", says="no host"),
                "no_path": Cell(good, {"sftp": {"path": "nope"}}, "access", "not_found", says="nope"),
                "denied": Cell(
                    good, {"sftp": {"path": "private"}}, "access", "permission", says="private", hint="reading `path`"
                ),
                "denied_below": Cell(good, {"sftp": {"path": "private/x"}}, "access", "permission"),
                "web": Cell(
                    {**good, "port": web[1]}, check, "authenticate", "check_error", says="banner", hint="SSH server"
                ),
                **others,
            },
            keep=("wrong_password",),
            isolated=isolated,
        )
    assert results["wrong_password"].seconds < 3, "the hook waits for 3 s and more before it tries again"
    for server in (place.passwords, place.keys):
        assert sorted(str(each.relative_to(server.root)) for each in server.root.rglob("*"))[-2:] in (
            ["incoming", "incoming/orders.csv"],
            ["incoming/orders.csv", "private"],
        )
