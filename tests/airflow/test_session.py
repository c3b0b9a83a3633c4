"""One Airflow, many runs: a fork is what an Airflow of its own would have been, knows nothing of another, and ends with its session."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest
from cryptography.fernet import Fernet

from bootstrap import plugins
from bootstrap.airflow.environment import Environment, locate
from bootstrap.airflow.fork import Fork, Process, Start
from bootstrap.airflow.home import prepare_home
from bootstrap.airflow.session import AirflowSession, start
from bootstrap.airflow.warm_state import WarmState
from bootstrap.checks.kind import imports
from bootstrap.domain.secret import Secret
from bootstrap.manifest.loader import load
from tests.airflow.apart import apart
from tests.project import ROOT, Canary

pytestmark = [pytest.mark.airflow, pytest.mark.usefixtures("airflow_session")]

ROW = "INSERT INTO connection (conn_id, conn_type, host, is_encrypted, is_extra_encrypted) VALUES ('probe', 'http', 'row', 0, 0)"
KEYS = r"(?m)^((?:fernet_key|jwt_secret|secret_key) = .+)"
PROBE = "tests.airflow.session_probe"
FILES = "airflow.secrets.local_filesystem.LocalFilesystemBackend"
STARTER = f"""
import sys
from bootstrap.airflow.environment import locate
from bootstrap.airflow.fork import Start
from bootstrap.airflow.home import prepare_home
from bootstrap.airflow.session import AirflowSession, start
from bootstrap.manifest.loader import load
from pathlib import Path

with AirflowSession() as session:
    process = start(locate(load(Path(sys.argv[1]))), Start(["{PROBE}", "sleep"], tied=True))
    print(process.stdout.readline().strip(), type(process).__name__, process.pid, session._servers[-1]._process.pid, flush=True)
    process.wait()
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory, template: Path) -> Environment:
    """A home with a database that has one connection."""
    folder = tmp_path_factory.mktemp("session")
    (folder / "bootstrap.yaml").write_text("version: 1\nairflow: {home: airflow}\n")
    environment = locate(load(folder / "bootstrap.yaml"))
    environment.home.mkdir()
    shutil.copy(template, environment.home / "airflow.db")
    execute(
        environment,
        ROW,
    )
    environment.config.write_text(f"[core]\nfernet_key = {Fernet.generate_key().decode()}\n")
    return environment


@pytest.fixture(autouse=True)
def _on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def execute(environment: Environment, statement: str) -> None:
    with closing(sqlite3.connect(environment.home / "airflow.db")) as connection, connection:
        connection.execute(statement)


def told(process: Process, line: str = "hello") -> dict[str, Any]:
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    with process.stdin as stdin, process.stdout as stdout, process.stderr as stderr:
        stdin.write(f"{line}\n")
        stdin.close()
        text, complaints = stdout.read(), stderr.read()
    assert process.wait(60) == 3, complaints
    found: dict[str, Any] = json.loads(text.splitlines()[-1])
    return found


def forked(environment: Environment, **variables: str) -> dict[str, Any]:
    process = start(environment, Start([PROBE, "a", "b"], variables))
    assert isinstance(process, Fork)
    return told(process)


def cold(session: AirflowSession, environment: Environment, **variables: str) -> dict[str, Any]:
    """The judge: an Airflow started for this alone."""
    with apart(session):
        process = start(environment, Start([PROBE, "a", "b"], variables))
        assert isinstance(process, subprocess.Popen)
        return told(process)


def with_backend(environment: Environment, host: str, backend: str = FILES) -> Environment:
    """Its airflow.cfg, in another file, with a secrets backend that has the connection."""
    folder = environment.home / host
    folder.mkdir(exist_ok=True)
    (folder / "connections.json").write_text(json.dumps({"probe": {"conn_type": "http", "host": host}}))
    kwargs = json.dumps({"connections_file_path": str(folder / "connections.json")})
    section = f"[secrets]\nbackend = {backend}\nbackend_kwargs = {kwargs}\n"
    (folder / "airflow.cfg").write_text(environment.config.read_text() + section)
    return replace(environment, config=folder / "airflow.cfg")


def winner(found: Mapping[str, Any], side: str = "server") -> Any:
    return next((host for _, host in found[side] if host), None)


def test_what_checks_import_is_there_and_no_reason_not_to_fork(
    airflow_session: AirflowSession, environment: Environment
) -> None:
    modules = imports(plugins.CHECKS.names())
    optional = {"airflow.providers.mysql.hooks.mysql"}  # its client library isn't installed here
    with apart(airflow_session), AirflowSession(["no_such_module", *modules]):
        process = start(environment, Start([PROBE, "imported", *modules]))
        assert isinstance(process, Fork)
        assert set(told(process)["modules"]) >= set(modules) - optional


def test_the_tenth_fork_is_what_an_airflow_of_its_own_is(
    environment: Environment, airflow_session: AirflowSession
) -> None:
    """The secrets backend, the environment and the database change in between; each change shows, and none stays."""
    stores = [with_backend(environment, name) for name in ("store-a", "store-b")]
    env = {"AIRFLOW_CONN_PROBE": json.dumps({"conn_type": "http", "host": "env"})}
    first = forked(environment)
    assert (winner(first), first["rows"], first["stdin"], first["arguments"]) == ("row", 1, "hello\n", ["a", "b"])
    for _ in range(2):
        assert [winner(forked(it)) for it in stores] == ["store-a", "store-b"]
        assert winner(forked(environment, **env)) == "env"
        assert winner(forked(stores[0].with_secrets({name: Secret(text) for name, text in env.items()}))) == "store-a"
    execute(environment, "DELETE FROM connection")
    try:
        secret = environment.with_secrets({"PROBE_SECRET": Secret("shown")})
        for place, variables in ((stores[1], env), (secret, {})):
            assert forked(place, **variables) == cold(airflow_session, place, **variables)
    finally:
        execute(
            environment,
            ROW,
        )


def test_a_variable_that_no_module_reads_makes_no_other_airflow(
    airflow_session: AirflowSession, environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    with apart(airflow_session), AirflowSession(restarts=0):
        for value in ("then", "now"):
            monkeypatch.setenv("READ_BY_NOBODY", value)
            assert forked(environment)["arguments"] == ["a", "b"]


@pytest.mark.parametrize(("module", "told_apart"), [("tqdm.utils", False), ("some.library", True)])
def test_a_variable_that_is_only_passed_by_makes_no_other_airflow(
    module: str, *, told_apart: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("READ_BY_NOBODY", "then")
    state = WarmState()
    with state.recording():
        FunctionType((lambda: [*os.environ.items()]).__code__, {"__name__": module, "os": os})()
    assert ("READ_BY_NOBODY" in state.variables) == told_apart


def test_what_a_backend_reads_while_it_is_imported_makes_no_other_airflow(
    environment: Environment, airflow_session: AirflowSession
) -> None:
    with apart(airflow_session), AirflowSession(restarts=0):
        for host in ("then", "now"):
            store = with_backend(environment, host, "tests.airflow.reading_backend.Backend")
            assert winner(forked(store)) == host


def test_what_was_read_while_modules_were_imported_makes_another_airflow(
    environment: Environment, airflow_session: AirflowSession
) -> None:
    forked(environment)
    before = airflow_session._servers[-1]
    assert forked(environment, AIRFLOW__CORE__DEFAULT_TIMEZONE="Asia/Tokyo", NO_COLOR="1")["timezone"] == "Asia/Tokyo"
    assert airflow_session._servers[-1] is not before


def test_settings_of_the_users_own_are_seen_where_they_are(environment: Environment) -> None:
    forked(environment)
    file = environment.home / "config" / "airflow_local_settings.py"
    file.parent.mkdir()
    try:
        for mark in ("one", "another"):
            file.write_text(f"PROBE_MARK = {mark!r}\n")
            assert told(start(environment, Start([PROBE])))["marks"] == mark
    finally:
        file.unlink()
    assert forked(environment)["marks"] is None


def test_one_fork_has_nothing_of_another_ones_secrets(
    environment: Environment, airflow_session: AirflowSession
) -> None:
    """Neither has the process that forks: looked for in their memory."""
    canary = Canary()
    holding = start(environment.with_secrets({"PROBE_SECRET": Secret(canary.core)}), Start([PROBE, "sleep"], tied=True))
    other = start(environment, Start([PROBE, "sleep"], tied=True))
    try:
        for process in (holding, other):
            assert process.stdout is not None
            assert process.stdout.readline() == "here\n"
        assert canary.core.encode() in memory(holding.pid)
        assert canary.core.encode() not in memory(other.pid)
        assert canary.core.encode() not in memory(airflow_session._servers[-1]._process.pid)
    finally:
        for process in (holding, other):
            process.kill()
            process.communicate(timeout=10)
            assert process.wait() == -signal.SIGKILL


def memory(pid: int) -> bytes:
    """What a process can write to."""
    found = bytearray()
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as file:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            place, rights = line.split()[:2]
            begin, end = (int(part, 16) for part in place.split("-"))
            if rights.startswith("rw"):
                with suppress(OSError, OverflowError):
                    file.seek(begin)
                    found += file.read(end - begin)
    return bytes(found)


def test_all_ends_with_whoever_began_it_however_that_ends(environment: Environment) -> None:
    manifest = environment.home.parent / "bootstrap.yaml"
    process = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(manifest)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None
    with process.stdout as stdout:
        here, kind, *pids = stdout.readline().split()
        assert (here, kind) == ("here", "Fork")
        process.kill()
        process.wait()
    assert gone(map(int, pids))


def gone(pids: Iterator[int]) -> bool:
    left = set(pids)
    until = time.monotonic() + 20
    while left and time.monotonic() < until:
        left = {pid for pid in left if alive(pid)}
        time.sleep(0.05)
    return not left


def alive(pid: int) -> bool:
    with suppress(OSError):
        os.kill(pid, 0)
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    return False


def test_the_home_that_a_fork_makes_is_the_one_that_airflow_makes(
    tmp_path: Path, airflow_session: AirflowSession
) -> None:
    places = []
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "bootstrap.yaml").write_text("version: 1\nairflow: {home: airflow}\n")
        places.append(locate(load(tmp_path / name / "bootstrap.yaml")))
    assert all(map(prepare_home, places[:2]))
    assert airflow_session._servers[-1]._forks  # it was one
    with apart(airflow_session):
        assert prepare_home(places[2])
    assert text(places[1]) == text(places[2])
    assert schema(places[1]) == schema(places[2])
    found = [re.findall(KEYS, place.config.read_text()) for place in places]
    assert [len(keys) for keys in found] == [3, 3, 3]
    assert not set(found[0]) & set(found[1])


def text(environment: Environment) -> str:
    """airflow.cfg, without its place and its new keys."""
    return re.sub(KEYS, "", environment.config.read_text().replace(str(environment.home), ""))


def schema(environment: Environment) -> list[Any]:
    with closing(sqlite3.connect(environment.home / "airflow.db")) as connection:
        return connection.execute("SELECT type, name, sql FROM sqlite_master ORDER BY type, name").fetchall()
