"""Connections and variables through a running Airflow's REST API: what Airflow reads is what was written."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st

from bootstrap.domain.connection import Connection
from bootstrap.domain.variable import Variable
from bootstrap.errors import AirflowError, Conflict, Denied, IllegalName, StoreError, Unavailable
from bootstrap.manifest.models import INDEX
from bootstrap.register.plan import _change
from bootstrap.targets.base import Change, Content, Key
from bootstrap.targets.index import Entry, Index
from bootstrap.targets.rest_api.client import Client, Options
from bootstrap.targets.rest_api.target import ApiTarget
from tests.domain.test_connection import CONNECTIONS
from tests.systems import api_server
from tests.systems.api_server import ApiServer, Front
from tests.systems.in_process import Answer, Request
from tests.systems.server import write_private

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(600)]

Reads: TypeAlias = Callable[..., dict[str, Any]]
OWNER = "us"
FULL = Connection(
    "postgres",
    description="d",
    host="h",
    login="l",
    password="a pass/word",
    schema="s",
    port=1,
    extra={"token": "a token", "plain": "seen", "deep": {"api_key": "a key", "n": [1, None, True]}},
)


@pytest.fixture(scope="module")
def server(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    with api_server.running(tmp_path_factory.mktemp("server"), template) as made:
        yield made


@pytest.fixture
def front(server: ApiServer) -> Iterator[Front]:
    with api_server.front(server.url) as made:
        yield made


def target(url: str, folder: Path, password: str, *, owner: str = OWNER, login: str = "admin") -> ApiTarget:
    file = folder / f"{login}.password"
    write_private(file, password + "\n")
    options = Options.model_validate({"url": url, "login": login, "password": {"file": str(file)}})
    return ApiTarget(Client(options, folder), owner)


@pytest.fixture
def api(front: Front, server: ApiServer, tmp_path: Path) -> Iterator[ApiTarget]:
    made = target(front.url, tmp_path, server.password)
    yield made
    made.close()


def conns(**wanted: Connection) -> dict[Key, Content]:
    return {Key("connection", name): item for name, item in wanted.items()}


def variables(**wanted: str) -> dict[Key, Content]:
    return {Key("variable", name): Variable(value) for name, value in wanted.items()}


def changes(into: ApiTarget, wanted: Mapping[Key, Content], *, gone: tuple[Key, ...] = ()) -> list[Change]:
    there = into.registered(wanted)
    found = [_change(key, item, there.get(key), into._owner, take=False) for key, item in wanted.items()]
    return found + [Change(key, "delete", (), None, there[key].version) for key in gone]


def put(into: ApiTarget, wanted: Mapping[Key, Content], *, gone: tuple[Key, ...] = ()) -> dict[str, str]:
    """What was done to each. Raises the first one's error."""
    applied = list(into.apply(changes(into, wanted, gone=gone)))
    for item in applied:
        if item.error is not None:
            raise item.error
    return {str(item.key): item.done for item in applied}


def fields(into: ApiTarget, wanted: Mapping[Key, Content]) -> dict[str, tuple[str, ...]]:
    """What would be changed of each."""
    return {str(it.key): it.fields for it in changes(into, wanted) if it.action != "unchanged"}


READER = """
import json, os, sys
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # Airflow logs to stdout
from airflow import settings
from airflow.models import Connection, Variable

print("ready", file=answers, flush=True)
for line in sys.stdin:
    names, values = json.loads(line)
    with settings.Session() as session:
        rows = {row.conn_id: row for row in session.query(Connection).filter(Connection.conn_id.in_(names))}
        held = {row.key: [row.val, row.description] for row in session.query(Variable).filter(Variable.key.in_(values))}
    fields = ("conn_type", "description", "host", "login", "password", "schema", "port", "extra")
    found = {name: {field: getattr(row, field) for field in fields} for name, row in rows.items()}
    print(json.dumps({**found, **held}), file=answers, flush=True)
"""


@pytest.fixture(scope="module")
def airflow_reads(server: ApiServer) -> Iterator[Reads]:
    """What Airflow itself has in its database, in one process for all tests."""
    env = {"PATH": os.environ["PATH"], "AIRFLOW_HOME": str(server.home), "HOME": str(server.home)}
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", READER],
        env=env,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        stdin, stdout = process.stdin, process.stdout
        assert stdout.readline() == "ready\n"

        def read(*names: str, values: tuple[str, ...] = ()) -> dict[str, Any]:
            stdin.write(json.dumps([names, values]) + "\n")
            stdin.flush()
            found: dict[str, Any] = json.loads(stdout.readline())
            return found

        yield read
        stdin.close()


def kept(item: Connection) -> dict[str, Any]:
    """The columns that a connection should be. Airflow keeps no empty password, and no empty `extra`."""
    wanted = dict.fromkeys(("description", "host", "login", "password", "schema", "port", "extra"))
    return {**wanted, **item.as_fields(), "password": item.password or None, "extra": item.extra}


def as_kept(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, "extra": None if row["extra"] is None else json.loads(row["extra"])}


def test_airflow_reads_what_was_created_and_updated(api: ApiTarget, airflow_reads: Reads) -> None:
    bare = Connection("http")
    assert put(api, conns(made=FULL, bare=bare) | variables(made_v="a text")) == {
        "made": "created",
        "bare": "created",
        "variable made_v": "created",
    }
    found = airflow_reads("made", "bare", values=("made_v",))
    assert as_kept(found["made"]) == kept(FULL)
    assert as_kept(found["bare"]) == kept(bare)
    assert found["made_v"][0] == "a text"
    other = Connection("http", host="other", password="another", extra={"new": {"token": "t"}})
    assert put(api, conns(made=other, bare=FULL) | variables(made_v='{"a":1.10}'))["made"] == "updated"
    found = airflow_reads("made", "bare", values=("made_v",))
    assert as_kept(found["made"]) == kept(other)
    assert as_kept(found["bare"]) == kept(FULL)
    assert found["made_v"][0] == '{"a":1.10}'


def test_a_second_run_writes_nothing(api: ApiTarget, front: Front) -> None:
    wanted = conns(twice=FULL, twice_bare=Connection("http", host="")) | variables(twice_v="1.10", twice_token="s")
    put(api, wanted)
    front.asked.clear()
    assert set(put(api, wanted).values()) == {"unchanged"}
    assert front.writes == []


def test_only_what_differs_is_named(api: ApiTarget) -> None:
    wanted = conns(named=FULL)
    put(api, wanted)
    assert fields(api, conns(named=_with(FULL, host="new"))) == {"named": ("host",)}
    changed = fields(api, conns(named=_with(FULL, password="new")))
    assert changed == {"named": ("password", "extra.token", "extra.deep")}  # one mark for all that is hidden
    assert fields(api, conns(named=_with(FULL, extra={**(FULL.extra or {}), "plain": "new"})))["named"]


def _with(item: Connection, **changed: Any) -> Connection:
    return Connection(**{**item.as_fields(), **changed})


@pytest.mark.parametrize(
    "changed",
    [
        {"password": "b"},
        {"extra": {"token": "b", "n": 1}},
        {"extra": {"token": "a", "n": True}},
        {"extra": {"token": "a"}},
        {"extra": {}},
        {"port": 2},
    ],
)
def test_any_change_of_the_manifest_is_written(
    api: ApiTarget, airflow_reads: Reads, changed: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    name = f"any{abs(hash(request.node.name))}"
    first = Connection("http", password="a", port=1, extra={"token": "a", "n": 1})
    put(api, conns(**{name: first}))
    assert put(api, conns(**{name: _with(first, **changed)})) == {name: "updated"}
    assert as_kept(airflow_reads(name)[name]) == kept(_with(first, **changed))


def test_a_password_that_is_dropped_is_gone(api: ApiTarget, airflow_reads: Reads) -> None:
    put(api, conns(drops=FULL, keeps=FULL))
    bare = _with(FULL, password=None)
    assert put(api, conns(drops=bare, keeps=_with(FULL, host="x"))) == {"drops": "updated", "keeps": "updated"}
    assert as_kept(airflow_reads("drops")["drops"]) == kept(bare)
    assert put(api, conns(drops=bare)) == {"drops": "unchanged"}


def test_a_secret_of_three_stars_is_written_as_it_is(api: ApiTarget, airflow_reads: Reads) -> None:
    put(api, conns(stars=FULL))
    stars = Connection("postgres", password="***", extra={"token": "***"})
    put(api, conns(stars=stars))
    assert as_kept(airflow_reads("stars")["stars"]) == kept(stars)


def test_an_empty_password_is_none_to_airflow(api: ApiTarget) -> None:
    wanted = conns(empty=Connection("http", password=""))
    put(api, wanted)
    assert put(api, wanted) == {"empty": "unchanged"}


def test_other_peoples_stay_as_they_are(
    api: ApiTarget, server: ApiServer, tmp_path: Path, airflow_reads: Reads
) -> None:
    theirs = target(server.url, tmp_path, server.password, owner="them")
    put(theirs, conns(theirs=FULL) | variables(theirs_v="v"))
    put(api, conns(ours=FULL))
    there = api.registered(conns(theirs=FULL))
    assert there[Key("connection", "theirs")].owner == "them"
    assert Key("variable", "theirs_v") not in there
    put(api, {}, gone=(Key("connection", "ours"),))
    found = airflow_reads("theirs", "ours", values=("theirs_v",))
    assert set(found) == {"theirs", "theirs_v"}
    assert put(theirs, conns(theirs=FULL)) == {"theirs": "unchanged"}
    theirs.close()


def test_what_is_hidden_and_was_not_written_by_us_is_written(api: ApiTarget, server: ApiServer) -> None:
    post(server, "PATCH", "/connections", creation("found", password="a pass/word"))
    assert fields(api, conns(found=Connection("http", password="a pass/word"))) == {"found": ("password",)}
    assert fields(api, conns(found=Connection("http"))) == {"found": ("password",)}


def creation(name: str, **more: Any) -> dict[str, Any]:
    entity = {"connection_id": name, "conn_type": "http", **more}
    return {"actions": [{"action": "create", "action_on_existence": "overwrite", "entities": [entity]}]}


def post(server: ApiServer, method: str, path: str, body: Any = None) -> Any:
    """As another user of the API would."""
    import requests

    with requests.Session() as session:
        session.trust_env = False
        login = {"username": "admin", "password": server.password}
        token = session.post(f"{server.url}/auth/token", json=login, timeout=60).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        found = session.request(method, f"{server.url}/api/v2{path}", json=body, headers=headers, timeout=60)
        assert found.ok, found.text
        return found.json() if found.content else None


def test_what_somebody_else_changed_is_told(api: ApiTarget, server: ApiServer) -> None:
    wanted = conns(edited=FULL, extra_edited=FULL, same=FULL)
    put(api, wanted)
    post(server, "PATCH", "/connections", creation("edited", host="elsewhere"))
    post(server, "PATCH", "/connections", creation("extra_edited", extra=json.dumps({**(FULL.extra or {}), "plain": 1}), **{
        name: value for name, value in FULL.as_fields().items() if name != "extra"
    }))  # fmt: skip
    there = api.registered(wanted)
    assert [there[key].changed for key in wanted] == [True, True, False]


def test_a_secret_that_somebody_else_adds_is_no_secret_of_ours(api: ApiTarget, server: ApiServer) -> None:
    wanted = conns(added=Connection("http", host="h"), added_2=Connection("http", host="h", extra={"a": 1}))
    put(api, wanted)
    post(server, "PATCH", "/connections", creation("added", host="h", password="theirs"))
    post(server, "PATCH", "/connections", creation("added_2", host="h", extra='{"a": 1, "token": "theirs"}'))
    assert fields(api, wanted) == {"added": ("password",), "added_2": ("extra.token",)}
    there = api.registered(wanted)
    assert [there[key].changed for key in wanted] == [True, True]


def test_what_changed_since_it_was_read_is_left_alone(api: ApiTarget, server: ApiServer, airflow_reads: Reads) -> None:
    put(api, conns(race=FULL, race_2=FULL, race_3=FULL))
    wanted = conns(race=_with(FULL, port=2), race_2=_with(FULL, port=2), race_4=FULL)
    planned = changes(api, wanted, gone=(Key("connection", "race_3"),))
    for name in ("race", "race_3", "race_4"):
        post(server, "PATCH", "/connections", creation(name, host="theirs"))
    applied = {str(it.key): it for it in api.apply(planned)}
    failed = {name for name, it in applied.items() if isinstance(it.error, Conflict)}
    assert failed == {"race", "race_3", "race_4"}
    assert {name: row["host"] for name, row in airflow_reads("race", "race_2", "race_3", "race_4").items()} == {
        "race": "theirs",
        "race_2": "h",
        "race_3": "theirs",
        "race_4": "theirs",
    }
    assert api.registered(conns(race_4=FULL))[Key("connection", "race_4")].owner is None


def test_a_variables_description_stays(api: ApiTarget, server: ApiServer, airflow_reads: Reads) -> None:
    body = {"key": "described", "value": "v", "description": "theirs"}
    post(server, "POST", "/variables", body)
    put(api, variables(described="new"))
    assert airflow_reads(values=("described",))["described"] == ["new", "theirs"]


def test_json_that_only_looks_the_same_is_another_value(api: ApiTarget, airflow_reads: Reads) -> None:
    put(api, variables(number="1.10", text="same"))
    assert put(api, variables(number="1.1", text="same")) == {
        "variable number": "updated",
        "variable text": "unchanged",
    }
    assert airflow_reads(values=("number",))["number"][0] == "1.1"


def test_a_name_that_the_api_takes_from_nobody_is_told_before_anything(api: ApiTarget, front: Front) -> None:
    with pytest.raises(IllegalName, match="'a b'"):
        api.registered(conns(**{"a b": FULL}))
    assert front.writes == []


def test_one_that_airflow_does_not_take_stops_none_of_the_others(api: ApiTarget, airflow_reads: Reads) -> None:
    bad = Connection("http", port=2**70)  # no manifest can say so: a port is checked when it is read
    planned = changes(api, conns(good_1=FULL, bad=bad, good_2=FULL))
    applied = {str(item.key): item.error for item in api.apply(planned)}
    assert [name for name, error in applied.items() if error is None] == ["good_1", "good_2"]
    assert isinstance(applied["bad"], StoreError)
    assert set(airflow_reads("good_1", "bad", "good_2")) == {"good_1", "good_2"}
    assert Key("connection", "bad") not in index(api).entries


def index(api: ApiTarget) -> Index:
    return api._index.read()


def test_a_wrong_password_is_denied(front: Front, tmp_path: Path) -> None:
    with pytest.raises(Denied, match="refused the credential") as raised:
        target(front.url, tmp_path, "wrong password").registered(conns(a=FULL))
    assert "login and password" in raised.value.hint
    assert "wrong password" not in raised.value.message


def test_a_wrong_token_is_denied(front: Front, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_TOKEN", "not.a.token")
    options = Options.model_validate({"url": front.url, "token": {"env": "API_TOKEN"}})
    with pytest.raises(Denied, match="refused the credential"):
        ApiTarget(Client(options, tmp_path), OWNER).registered(conns(a=FULL))


def test_a_user_who_may_not_is_denied(front: Front, server: ApiServer, tmp_path: Path) -> None:
    with pytest.raises(Denied, match="not allowed") as raised:
        target(front.url, tmp_path, server.password, login="viewer").registered(conns(a=FULL))
    assert "role" in raised.value.hint


def test_a_token_that_runs_out_is_asked_for_anew(api: ApiTarget) -> None:
    put(api, conns(before=FULL))
    api._client._authorization = "Bearer an.old.one"
    assert put(api, conns(before=FULL)) == {"before": "unchanged"}


def test_a_server_that_stops_in_the_middle(server: ApiServer, tmp_path: Path) -> None:
    """What was written is marked, or listed as about to be; the next run ends the work."""
    wanted = conns(**{f"stop_{number:03}": _with(FULL, password=f"password {number}") for number in range(120)})
    with api_server.front(server.url) as front:
        api = target(front.url, tmp_path, server.password, owner="stopped")
        planned = changes(api, wanted)
        applied = api.apply(planned)
        first = next(applied)
        assert first.error is None
        server.stop()
        rest = list(applied)
        assert len(rest) == 119
        assert {type(item.error) for item in rest[49:]} == {Unavailable}
        with pytest.raises(Unavailable, match="can't reach the server"):
            target(server.url, tmp_path, server.password).registered(wanted)
        server.start()
        again = target(front.url, tmp_path, server.password, owner="stopped")
        there = again.registered(wanted)
        assert {(found.owner, found.pending) for found in there.values()} == {("stopped", True)}
        assert set(put(again, wanted).values()) == {"created", "updated"}
        assert set(put(again, wanted).values()) == {"unchanged"}
        again.close()
        api.close()


def test_a_request_whose_answer_is_lost_is_not_made_twice(api: ApiTarget, front: Front) -> None:
    def fail(request: Request) -> Answer | None:
        return Answer(503) if request.method == "PATCH" and request.path.endswith("/connections") else None

    planned = changes(api, conns(lost=FULL))
    front.instead = fail
    (applied,) = api.apply(planned)
    assert isinstance(applied.error, Unavailable)
    assert front.writes.count("PATCH /api/v2/connections") == 1
    assert index(api).entries[Key("connection", "lost")].mark is None


def test_reading_outlasts_a_blip(api: ApiTarget, front: Front) -> None:
    failures = iter([Answer(503), Answer(429, headers=[("Retry-After", "0")]), Answer(502)])
    front.instead = lambda request: next(failures, None) if request.path == "/api/v2/connections" else None
    assert Key("connection", "absent") not in api.registered(conns(absent=FULL))
    assert next(failures, None) is None


def test_many_are_read_in_pages_and_few_one_by_one(
    api: ApiTarget, front: Front, server: ApiServer, tmp_path: Path
) -> None:
    names = [f"zz{number:03}" for number in range(230)]
    wanted = conns(**dict.fromkeys(names, FULL)) | variables(**dict.fromkeys(names, "v"))
    assert set(put(api, wanted).values()) == {"created"}
    pages = {
        kind: -(-post(server, "GET", f"/{kind}?limit=1")["total_entries"] // 100)
        for kind in ("connections", "variables")
    }
    front.asked.clear()
    assert set(put(api, wanted).values()) == {"unchanged"}
    asked = [it.path.removeprefix("/api/v2/") for it in front.asked]
    assert {kind: asked.count(kind) for kind in pages} == pages | {"variables": pages["variables"] + 1}
    other = target(front.url, tmp_path, server.password, owner="other")
    front.asked.clear()
    assert len(other.registered(conns(zz228=FULL, zz229=FULL))) == 2
    assert sorted(it.path for it in front.asked if "/connections" in it.path) == [
        "/api/v2/connections",
        "/api/v2/connections/zz228",
        "/api/v2/connections/zz229",
    ]
    other.close()


def test_two_runs_at_a_time_do_not_mix(api: ApiTarget, server: ApiServer, tmp_path: Path) -> None:
    planned = changes(api, conns(mixed=FULL))
    other = target(server.url, tmp_path, server.password, owner="other")
    put(other, conns(mixed_2=FULL))
    other.close()
    with pytest.raises(Conflict, match="another run registers there"):
        list(api.apply(planned))


def meanwhile(front: Front, run: Callable[[], object]) -> None:
    """Let another run do that right before the first connection is written."""
    runs = [run]

    def first(request: Request) -> None:
        if runs and request.method == "PATCH" and request.path.endswith("/connections"):
            runs.pop()()

    front.instead = first


def test_a_run_that_is_refused_leaves_the_winners_entry(
    api: ApiTarget, front: Front, server: ApiServer, tmp_path: Path
) -> None:
    wanted = conns(won=FULL)
    winner = target(server.url, tmp_path, server.password, owner="winner")
    planned = changes(api, wanted)
    meanwhile(front, lambda: put(winner, wanted))
    (applied,) = api.apply(planned)
    assert isinstance(applied.error, Conflict)
    there = winner.registered(wanted)[Key("connection", "won")]
    assert (there.owner, there.changed, there.pending) == ("winner", False, False)
    winner.close()


def test_what_was_written_is_listed_though_another_run_was_about_to(
    api: ApiTarget, front: Front, server: ApiServer, tmp_path: Path
) -> None:
    wanted, key = conns(first=FULL), Key("connection", "first")
    late = target(server.url, tmp_path, server.password, owner="late")
    meanwhile(front, lambda: late._index.begin(changes(late, wanted), "late"))
    assert put(api, wanted) == {"first": "created"}
    late._index.finish({}, [key], "late")
    there = api.registered(wanted)[key]
    assert (there.owner, there.changed, there.pending) == (OWNER, False, False)
    late.close()


def test_a_list_that_another_run_made_anew_stays(api: ApiTarget, front: Front) -> None:
    """Under another salt, so what this run has written is marked under that."""
    wanted, theirs = conns(anew=FULL), Key("connection", "anew_theirs")
    planned, text = changes(api, wanted), Index("another salt", {theirs: Entry("them", "a mark")}).text()
    meanwhile(front, lambda: api._rest.put(INDEX, json.dumps({text: 1}), ""))
    assert [it.error for it in api.apply(planned)] == [None]
    assert index(api).entries[theirs] == Entry("them", "a mark")
    assert put(api, wanted) == {"anew": "unchanged"}


def test_what_is_not_wanted_any_more_and_was_given_to_a_team_is_theirs(api: ApiTarget, server: ApiServer) -> None:
    put(api, conns(given=FULL, kept=FULL))
    with closing(sqlite3.connect(server.home / "airflow.db", timeout=60)) as database, database:
        database.execute("INSERT INTO team (name) VALUES ('ml')")
        database.execute("UPDATE connection SET team_name = 'ml' WHERE conn_id = 'given'")
    there = api.registered({})
    assert [there[Key("connection", name)].changed for name in ("given", "kept")] == [True, False]
    with pytest.raises(AirflowError, match="given belongs to the team ml"):
        api.registered(conns(given=FULL))


def test_the_list_survives_what_airflow_masks(api: ApiTarget, server: ApiServer) -> None:
    """Airflow hides each text in a variable that is like one of its passwords: here the owner's own name."""
    owner = "owner_like_a_password"
    wanted = conns(masks=Connection("http", password=owner))
    masked = target(server.url, api._client._folder, server.password, owner=owner)
    put(masked, wanted)
    assert masked.registered(wanted)[Key("connection", "masks")].owner == owner
    assert put(masked, wanted) == {"masks": "unchanged"}
    masked.close()


def test_the_list_holds_no_secret(api: ApiTarget, airflow_reads: Reads) -> None:
    put(api, conns(listed=Connection("http", password="canary-1", extra={"token": "canary-2"})))
    text = str(airflow_reads(values=(INDEX,))[INDEX][0])
    assert "listed" in text
    assert "canary" not in text


@profile(max_examples=3, deadline=None)
@given(st.lists(CONNECTIONS, min_size=40, max_size=40))
def test_any_connection_survives(server: ApiServer, airflow_reads: Reads, items: list[Connection]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        api = target(server.url, Path(folder), server.password)
        wanted = conns(**{f"any_{number}": item for number, item in enumerate(items)})
        put(api, wanted)
        found = airflow_reads(*(key.name for key in wanted))
        assert {name: as_kept(row) for name, row in found.items()} == {
            key.name: kept(item) for key, item in wanted.items() if isinstance(item, Connection)
        }
        assert set(put(api, wanted).values()) == {"unchanged"}
        api.close()
