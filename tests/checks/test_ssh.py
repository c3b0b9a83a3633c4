from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.checks.bench import Bench, Cell, unreachable
from tests.systems import ssh_keys, ssh_passwords, sshd

pytestmark = pytest.mark.airflow


@dataclass
class Place:
    """A server for passwords, OpenSSH's for keys, and a connection to each."""

    server: ssh_passwords.SshServer
    good: dict[str, Any]
    openssh: dict[str, Any]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, bench: Bench) -> Iterator[Place]:
    folder, password = tmp_path_factory.mktemp("ssh"), bench.canary.value
    with ssh_passwords.running(folder / "passwords", "etl", password) as server, sshd.running(folder / "sshd") as keys:
        where = {"conn_type": "ssh", "host": server.host}
        good = {"login": "etl", "password": password, "extra": {"host_key": server.host_key}}
        extra = {"host_key": keys.host_key, "private_key": keys.private_key}
        yield Place(
            server,
            {**where, **good, "port": server.port},
            {**where, "port": keys.port, "login": keys.user, "extra": extra},
        )


def running(command: str, expect: str | None = None) -> dict[str, Any]:
    return {"ssh": {"command": command, **({"expect": expect} if expect else {})}}


def test_ssh(bench: Bench, place: Place, isolated: bool) -> None:  # noqa: FBT001  a fixture
    good, check = place.good, "ssh"
    impatient = {**good, "extra": {**good["extra"], "cmd_timeout": 1}}
    with unreachable(good, check) as others:
        bench.hold(
            {
                "echoes": Cell(good, check),
                "openssh": Cell(place.openssh, check),
                "says": Cell(good, running("echo $((6 * 7)) {{ done }}", "42 {{ done }}")),
                "script": Cell(good, running("true ./job.sh")),
                "wrong_password": Cell({**good, "password": "wrong"}, check, "authenticate", "auth", hint="store put"),
                "no_password": Cell({**good, "password": None}, check, "authenticate", "auth"),
                "wrong_key": Cell(
                    {**place.openssh, "extra": {**place.openssh["extra"], "private_key": ssh_keys.new().private}},
                    check,
                    "authenticate",
                    "auth",
                ),
                "other_host_key": Cell(
                    {**good, "extra": {"host_key": ssh_keys.new().public}}, check, "authenticate", "tls", hint="changed"
                ),
                "fails": Cell(
                    good, running("echo beware >&2; exit 3"), "access", "check_error", says="exit status 3: beware"
                ),
                "fails_mutely": Cell(good, running("exit 3"), "access", "check_error", says="it said nothing"),
                "no_command": Cell(
                    good, running("no-such-command"), "access", "check_error", says="127", hint="correct `command`"
                ),
                "says_otherwise": Cell(good, running("echo 1", "2"), "access", "check_error", says="'2'"),
                "echoes_otherwise": Cell(
                    good, {"ssh": {"expect": "not the name"}}, "access", "check_error", says="not the name"
                ),
                "hangs": Cell(impatient, running("sleep 60"), "access", "timeout", says="cmd_timeout"),
                **others,
            },
            isolated=isolated,
        )


def test_a_device_that_repeats_the_command_is_no_shell(bench: Bench, place: Place, tmp_path: Any) -> None:
    """OpenSSH with a forced command, which prints what it was asked for."""
    with sshd.running(tmp_path) as keys:
        authorized = tmp_path / "authorized_keys"
        authorized.write_text(f'command="echo Unknown: $SSH_ORIGINAL_COMMAND" {authorized.read_text()}')
        extra = {"host_key": keys.host_key, "private_key": keys.private_key}
        connection = {**place.openssh, "port": keys.port, "extra": extra}
        bench.hold({"repeats": Cell(connection, "ssh", "access", "check_error", says="airflow-bootstrap-smoke")})
