"""Connections in the metadata database: checks see the rows that the manifest registered there, and nothing else of it."""

from __future__ import annotations

import base64
import json
import shutil
import sqlite3
import stat
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from bootstrap.airflow.environment import Environment, locate
from bootstrap.checks.base import Cause
from bootstrap.domain.connection import Connection
from bootstrap.domain.variable import Variable
from bootstrap.errors import RESTORE_KEY, AirflowError, BootstrapError, Unavailable, Undecryptable
from bootstrap.manifest.loader import Manifest, load
from bootstrap.register.drift import Drift
from bootstrap.smoke import rows
from bootstrap.smoke.run import Settings, select, smoke
from bootstrap.smoke.scratch import scratch
from bootstrap.smoke.verdict import CheckResult
from bootstrap.targets.metadata.target import Options, open_target
from bootstrap.util.files import private_folder
from tests.project import Canary
from tests.targets.applying import put

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(600), pytest.mark.usefixtures("airflow_session")]

MANIFEST = """
version: 1
airflow: {home: airflow}
register: [metadata: {allow_unencrypted: true}]
variables: {region: eu}
connections:
"""
KEY = Fernet.generate_key().decode()
REGISTERED = ("fine", "plain", "undecryptable")


@dataclass
class Seen:
    """A server that wants a password, and what lies in the scratch folder whenever it is asked."""

    folder: Path
    canary: Canary = field(default_factory=Canary)
    conn_ids: set[str] = field(default_factory=set)
    variables: set[str] = field(default_factory=set)
    modes: set[int] = field(default_factory=set)
    leaks: list[Path] = field(default_factory=list)

    def look(self) -> None:
        for file in self.folder.rglob("*"):
            if file.is_file() and self.canary.found_in(file.read_bytes()):
                self.leaks.append(file)
        for database in self.folder.rglob("*.db"):
            self.modes.add(stat.S_IMODE(database.stat().st_mode))
            with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
                self.conn_ids |= {row[0] for row in connection.execute("SELECT conn_id FROM connection")}
                self.variables |= {row[0] for row in connection.execute("SELECT key FROM variable")}


@pytest.fixture
def seen(tmp_path: Path) -> Seen:
    return Seen(tmp_path / ".bootstrap" / "smoke")


@pytest.fixture
def port(seen: Seen) -> Iterator[int]:
    wanted = base64.b64encode(f"u:{seen.canary.core}".encode()).decode()

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.look()
            self.send_response(200 if self.headers.get("Authorization") == f"Basic {wanted}" else 401)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def project(folder: Path, template: Path, names: tuple[str, ...], *, key: str = KEY) -> tuple[Manifest, Environment]:
    lines = "".join(f"  {name}: {{conn_type: http}}\n" for name in names)
    (folder / "bootstrap.yaml").write_text(MANIFEST + lines)
    manifest = load(folder / "bootstrap.yaml")
    environment = locate(manifest)
    environment.home.mkdir()
    environment.config.write_text(f"[core]\nload_examples = False\nfernet_key = {key}\n")
    shutil.copy(template, environment.home / "airflow.db")
    shutil.copy(template, private_folder(environment.state / "cache") / template.name)
    return manifest, environment


def register(manifest: Manifest, names: tuple[str, ...], connection: Connection) -> None:
    target = open_target(Options(allow_unencrypted=True), manifest, None)  # type: ignore[arg-type]  # it reads no secret
    put(target, {**dict.fromkeys(names, connection), "region": Variable("eu")})
    target.close()


def execute(environment: Environment, statement: str, *values: Any) -> None:
    with closing(sqlite3.connect(environment.home / "airflow.db")) as connection, connection:
        connection.execute(statement, values)


def run(manifest: Manifest, environment: Environment, *selectors: str, **how: Any) -> Mapping[str, CheckResult]:
    chosen = select(manifest, selectors)
    settings = Settings(**{"jobs": 2, **how})
    report = smoke(manifest, environment, chosen, settings, drift=Drift(), on_result=lambda *_: None)
    return {check.connection: check for check in report.checks}


def files(environment: Environment) -> Mapping[Path, bytes]:
    return {file: file.read_bytes() for file in environment.home.rglob("*") if file.is_file()}


def test_checks_see_what_is_registered_in_the_database_and_nothing_else_of_it(
    tmp_path: Path, template: Path, seen: Seen, port: int
) -> None:
    manifest, environment = project(tmp_path, template, (*REGISTERED, "theirs", "gone"))
    there = Connection("http", host="127.0.0.1", port=port, login="u", password=seen.canary.core)
    register(manifest, REGISTERED, there)
    insert = "INSERT INTO connection (conn_id, conn_type, is_encrypted, is_extra_encrypted) VALUES (?, 'http', 0, 0)"
    execute(environment, insert, "theirs")
    execute(environment, insert, "of_nobody_here")
    update = "UPDATE connection SET password = ?, is_encrypted = ? WHERE conn_id = ?"
    execute(environment, update, seen.canary.core, 0, "plain")
    execute(environment, update, Fernet(Fernet.generate_key()).encrypt(b"x").decode(), 1, "undecryptable")
    execute(environment, "PRAGMA journal_mode = DELETE")  # a write-ahead log is what Airflow would make of it
    before = files(environment)
    found = run(manifest, environment)
    told = {name: (check.steps[0].detail or check.cause) for name, check in found.items()}
    assert told == {
        "fine": "metadata database",
        "plain": "metadata database",
        "undecryptable": "secret_undecryptable",
        "theirs": "secret_missing",
        "gone": "secret_missing",
    }
    assert [found[name].status for name in ("fine", "plain")] == ["passed", "passed"]
    assert "can't be decrypted with this [core] fernet_key" in found["undecryptable"].message
    assert "did not register it" in found["theirs"].message
    assert "airflow-bootstrap register --overwrite" in found["theirs"].hint
    assert (seen.conn_ids, seen.variables) == (set(REGISTERED), {"region"})
    assert (seen.modes, seen.leaks) == ({0o600}, [])
    assert files(environment) == before
    assert list(seen.folder.iterdir()) == []
    # also where a profile registers nothing, and only proves what is there
    (tmp_path / "bootstrap.yaml").write_text(
        (tmp_path / "bootstrap.yaml").read_text() + "profiles: {ci: {register: []}}\n"
    )
    unsaid = run(load(tmp_path / "bootstrap.yaml", profile="ci"), environment, "fine", "gone")
    assert [unsaid[name].cause for name in ("fine", "gone")] == [None, "secret_missing"]


@pytest.mark.slow
def test_a_plain_airflow_tasks_test_sees_it_too(tmp_path: Path, template: Path, seen: Seen, port: int) -> None:
    manifest, environment = project(tmp_path, template, ("fine",))
    there = Connection("http", host="127.0.0.1", port=port, login="u", password=seen.canary.core)
    register(manifest, ("fine",), there)
    isolated = run(manifest, environment, "fine", isolated=True)["fine"]
    assert (isolated.status, isolated.steps[0].detail) == ("passed", "metadata database")


def test_without_a_fernet_key_the_copies_are_encrypted_all_the_same(
    tmp_path: Path, template: Path, seen: Seen, port: int
) -> None:
    manifest, environment = project(tmp_path, template, ("fine",), key="")
    extra = {"token": seen.canary.core}
    there = Connection("http", host="127.0.0.1", port=port, login="u", password=seen.canary.core, extra=extra)
    register(manifest, ("fine",), there)
    found = run(manifest, environment)
    assert found["fine"].status == "passed", found["fine"]
    assert (seen.conn_ids, seen.leaks) == ({"fine"}, [])
    (environment.home / "airflow.db").unlink()
    gone = run(manifest, environment)["fine"]
    assert (gone.cause, "there is no" in gone.message) == ("store_unreachable", True)  # which is no missing connection
    assert gone.hint.endswith("airflow db migrate")


@pytest.mark.parametrize(
    ("problem", "cause"),
    [
        (Unavailable("down", "start it"), "store_unreachable"),
        (AirflowError("not migrated", "migrate it"), "store_unreachable"),
        (Undecryptable("the list can't be decrypted", RESTORE_KEY), "secret_undecryptable"),
    ],
)
def test_a_database_that_cannot_be_read_has_a_cause_of_its_own(problem: BootstrapError, cause: str) -> None:
    told = json.loads(json.dumps(rows.Rows(problem=problem).told(["fine"])))
    assert rows.cause("fine", told) == Cause(cause, problem.message, problem.hint)  # type: ignore[arg-type]  # from a table


def test_what_is_kept_for_the_next_run_has_no_connection_in_it(tmp_path: Path, template: Path) -> None:
    _, environment = project(tmp_path, template, ("fine",))
    with scratch(environment) as place:
        own = place.folder / "0"
        own.mkdir()
        for name in ("airflow.db", "airflow.db-wal", "inputs-1f"):
            (own / name).write_text("a row")
        (own / "receipt").write_text(json.dumps({"made": "r-0", "check_id": "fine.http"}) + "\n")
    assert [file.name for file in place.folder.rglob("*") if file.is_file()] == ["lock", "receipt"]
    (place.folder / "0" / "airflow.db").write_text("a row")  # as after a kill
    with scratch(environment) as after:
        assert (after.abandoned, place.folder.exists()) == ({"fine.http": "r-0"}, False)
