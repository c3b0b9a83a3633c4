"""kill -9 before and after every write of a rotation, for MariaDB's users that take turns."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from bootstrap.domain.connection import Connection
from tests.rotation import test_crash as crash
from tests.rotation.test_crash import PASSWORD, Account, World, opener
from tests.selection import shares
from tests.systems import mariadb, openbao

HOST = "127.0.0.1"
RIGHTS = (
    "GRANT CREATE USER, PROCESS ON *.* TO chief@'127.0.0.1'; GRANT SELECT ON mysql.global_priv TO chief@'127.0.0.1'"
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[mariadb.MariaDB]:
    with mariadb.running(tmp_path_factory.mktemp("mariadb")) as running:
        running.sql(f"CREATE USER chief@'{HOST}' IDENTIFIED BY '{PASSWORD}'; {RIGHTS}")
        yield running


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A store alone: the other servers of a World have their tests elsewhere."""
    folder: Path = tmp_path_factory.mktemp("crash")
    with openbao.running(folder / "bao") as bao:
        bao.mount_kv("kv", 2)
        yield World(bao, None, None, None, folder)  # type: ignore[arg-type]  # not used here


def account(world: World, server: mariadb.MariaDB) -> Account:
    a, b = (f"{name}_{secrets.token_hex(4)}" for name in "ab")
    server.sql(
        f"CREATE USER {a}@'{HOST}' IDENTIFIED BY 'first-of-{a}'; CREATE USER {b}@'{HOST}' ACCOUNT LOCK PASSWORD EXPIRE"
    )
    at = Connection("mysql", host=server.host, port=server.port)
    texts = {"admin": json.dumps({"conn_type": "mysql", "login": "chief", "password": PASSWORD})}

    def works(fields: Mapping[str, str]) -> bool:
        import mysql.connector

        where = {"host": server.host, "port": server.port, "use_pure": True, "connection_timeout": 60}
        try:
            mysql.connector.connect(**where, user=fields.get("login", a), password=fields["password"]).close()
        except mysql.connector.Error as err:
            if err.errno not in (1045, 1698, 4151):
                raise
            return False
        return True

    opened = opener(
        "mysql_password", {"users": [a, b], "host": HOST, "admin": {"secret": "team:admin"}}, texts, world, at
    )
    first = {"login": a, "password": f"first-of-{a}"}
    return Account(opened, first, works, tuple(first))


@pytest.mark.parametrize("share", shares(crash.SHARES))
@pytest.mark.parametrize("back", [False, True], ids=["resume", "rollback"])
def test_no_crash_loses_a_key_or_forgets_one(
    world: World,
    server: mariadb.MariaDB,
    monkeypatch: pytest.MonkeyPatch,
    back: bool,  # noqa: FBT001  a parameter of the test
    share: int,
) -> None:
    monkeypatch.setattr(crash, "ACCOUNTS", {"mariadb": lambda world: account(world, server)})
    crash.test_no_crash_loses_a_key_or_forgets_one(world, "mariadb", back, share)
