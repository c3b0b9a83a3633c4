"""Desired against registered: what would be written, what is shown of it, and when nothing is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bootstrap.desired.resolve import SecretReader
from bootstrap.domain import secret
from bootstrap.domain.secret import Secret, redact
from bootstrap.errors import Conflict, Denied, Exit, ManifestError, NotFound, StoreError, Unavailable
from bootstrap.manifest.loader import Manifest, TargetSpec, load
from bootstrap.register.plan import Plan, Rules, Unsafe, plan, worst
from bootstrap.register.plan_text import lines
from bootstrap.stores.base import Fields, Stored, Version
from bootstrap.stores.structured import as_stored
from bootstrap.targets.backend.target import Options

CANARY = "canary-7f3a"
INDEX = "airflow/connections/airflow_bootstrap_index"
MANIFEST = """version: 1
stores:
  ci: {kind: env, prefix: TEST_}
  team: {kind: vault, url: "https://vault.example.com"}
  down: {kind: vault, url: "https://down.example.com"}
backend: {store: team, connections: airflow/connections}
connections:
"""
WAREHOUSE = """  warehouse:
    conn_type: postgres
    host: db.internal
    port: 5432
    login: {secret: "ci:DB#login"}
    password: {secret: "ci:DB#password"}
    extra: {sslmode: require, nested: {a: 1}, keyfile: {secret: "ci:DB#password"}}
"""
API = "  api: {conn_type: http, host: api.internal}\n"
NO_SUCH_SECRET = '  lost: {conn_type: http, host: {secret: "ci:LOST"}}\n'
NO_SUCH_SERVER = '  cut_off: {conn_type: http, host: {secret: "down:a"}}\n'


class MemoryStore:
    """A store with check-and-set, as a KV v2 mount has it."""

    writable = True
    separator = "/"

    def __init__(self) -> None:
        self.versions: dict[str, list[Any]] = {}
        self.denied: set[str] = set()

    def read(self, path: str, version: Version | None = None) -> Stored:
        versions = self.versions.get(path, [])
        number = int(version) if version else len(versions)
        if not 0 < number <= len(versions):
            raise NotFound(f"team:{path}: not found")
        return replace(as_stored(versions[number - 1]), version=str(number))

    def write(self, path: str, value: Secret | Fields, *, expect: Version | None) -> Version:
        versions = self.versions.setdefault(path, [])
        if path in self.denied:
            raise Denied(f"team:{path}: permission denied")
        if expect != (str(len(versions)) if versions else None):
            raise Conflict(f"team:{path}: somebody else changed it")
        versions.append(value.reveal() if isinstance(value, Secret) else dict(value))
        return str(len(versions))

    def delete(self, path: str, *, expect: Version) -> None:
        versions = self.versions.get(path, [])
        if not versions or expect != str(len(versions)):
            raise Conflict(f"team:{path}: somebody else changed it")
        del self.versions[path]

    def names(self, prefix: str) -> Iterator[str]:
        yield from sorted(path for path in self.versions if path.startswith(prefix))

    def ping(self) -> str:
        return "memory"


class DownStore(MemoryStore):
    """A store that can't be reached."""

    def read(self, path: str, version: Version | None = None) -> Stored:
        raise Unavailable(f"down:{path}@{version}: connection refused", "start it")


@pytest.fixture
def team() -> MemoryStore:
    return MemoryStore()


@pytest.fixture(autouse=True)
def _sources(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secret, "_known", secret._Known())
    monkeypatch.setenv("TEST_DB", json.dumps({"login": f"login-{CANARY}", "password": CANARY}))


def planned(
    folder: Path, team: MemoryStore, connections: str, below: str = "", *, plaintext: bool = False, **asked: bool
) -> tuple[Plan, Manifest]:
    """A plan made from nothing: what the stores held before is forgotten, as in a new process."""
    text = MANIFEST.replace("airflow/connections}", f"airflow/connections, variables: {below}}}") if below else MANIFEST
    (folder / "bootstrap.yaml").write_text(text + connections)
    manifest = load(folder / "bootstrap.yaml", allow_plaintext=plaintext)
    secrets = SecretReader(manifest)
    secrets._stores.update(team=team, down=DownStore())
    return plan(manifest, secrets, manifest.register[0], Rules(**asked)), manifest


def shown(folder: Path, team: MemoryStore, connections: str) -> list[str]:
    return list(lines(*planned(folder, team, connections)))


def apply(folder: Path, team: MemoryStore, connections: str) -> dict[str, tuple[str, StoreError | None]]:
    found, _ = planned(folder, team, connections)
    return {item.key.name: (item.action, item.error) for item in found.apply()}


# What would change


def test_what_is_not_registered_is_created(tmp_path: Path, team: MemoryStore) -> None:
    assert shown(tmp_path, team, WAREHOUSE + API) == [
        (
            "+ warehouse  create: conn_type = postgres, host = db.internal, login = ***, password = ***, port = 5432, "
            "extra.sslmode = require, extra.nested = ***, extra.keyfile = ***"
        ),
        "+ api  create: conn_type = http, host = api.internal",
        "backend: 2 to create",
    ]


def test_what_was_applied_is_unchanged(tmp_path: Path, team: MemoryStore) -> None:
    assert apply(tmp_path, team, WAREHOUSE + API) == {"warehouse": ("create", None), "api": ("create", None)}
    found, manifest = planned(tmp_path, team, WAREHOUSE + API)
    assert found.pending == ()
    assert list(lines(found, manifest)) == ["= warehouse  unchanged", "= api  unchanged", "backend: nothing to change"]


def test_applying_again_writes_nothing(tmp_path: Path, team: MemoryStore) -> None:
    apply(tmp_path, team, WAREHOUSE)
    assert apply(tmp_path, team, WAREHOUSE) == {"warehouse": ("unchanged", None)}
    assert {path: len(versions) for path, versions in team.versions.items()} == {
        "airflow/connections/warehouse": 1,
        INDEX: 2,  # before, and after
    }


def test_what_is_written_are_the_fields_that_airflow_knows(tmp_path: Path, team: MemoryStore) -> None:
    apply(tmp_path, team, WAREHOUSE)
    del team.versions[INDEX]
    assert team.versions == {
        "airflow/connections/warehouse": [
            {
                "conn_type": "postgres",
                "host": "db.internal",
                "login": f"login-{CANARY}",
                "password": CANARY,
                "port": 5432,
                "extra": {"sslmode": "require", "nested": {"a": 1}, "keyfile": CANARY},
            }
        ]
    }


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        ("{conn_type: http}", "{conn_type: http, host: h}", "~ a  update: host = h"),
        ("{conn_type: http, host: h}", "{conn_type: http, host: i}", "~ a  update: host = i"),
        ("{conn_type: http, host: h, port: 5}", "{conn_type: http}", "~ a  update: host removed, port removed"),
        ("{conn_type: http, port: 5}", "{conn_type: http, port: 6}", "~ a  update: port = 6"),
        ("{conn_type: http, extra: {b: 1}}", "{conn_type: http, extra: {b: '1'}}", "~ a  update: extra.b = 1"),
        ("{conn_type: http, extra: {b: 1, c: 2}}", "{conn_type: http, extra: {c: 2}}", "~ a  update: extra.b removed"),
        ("{conn_type: http, extra: {b: 1}}", "{conn_type: http}", "~ a  update: extra.b removed"),
        ("{conn_type: http}", '{conn_type: http, password: {secret: "ci:DB#password"}}', "~ a  update: password = ***"),
        ("{conn_type: http, extra: {}}", "{conn_type: http}", "= a  unchanged"),
        ("{conn_type: postgresql}", "{conn_type: postgres}", "= a  unchanged"),
    ],
)
def test_what_differs_is_updated_field_by_field(
    tmp_path: Path, team: MemoryStore, before: str, after: str, line: str
) -> None:
    apply(tmp_path, team, f"  a: {before}\n")
    assert shown(tmp_path, team, f"  a: {after}\n")[0] == line
    apply(tmp_path, team, f"  a: {after}\n")
    assert shown(tmp_path, team, f"  a: {after}\n")[0] == "= a  unchanged"


def test_a_changed_secret_is_an_update(tmp_path: Path, team: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    apply(tmp_path, team, WAREHOUSE)
    monkeypatch.setenv("TEST_DB", json.dumps({"login": f"login-{CANARY}", "password": "another"}))
    assert shown(tmp_path, team, WAREHOUSE)[0] == "~ warehouse  update: password = ***, extra.keyfile = ***"


@pytest.mark.parametrize(
    "registered",
    [
        {"conn_type": "http", "host": "api.internal", "conn_id": CANARY},
        {"conn_type": "http", "host": "api.internal", "port": CANARY},
        {"host": CANARY},
        {"conn_type": "http", "host": "api.internal", "extra": CANARY},
        CANARY,
    ],
)
def test_a_malformed_registered_connection_becomes_an_update(
    tmp_path: Path, team: MemoryStore, registered: object
) -> None:
    team.versions["airflow/connections/api"] = [registered]
    assert shown(tmp_path, team, API)[0] == "~ api  update: conn_type = http, host = api.internal"
    assert apply(tmp_path, team, API) == {"api": ("update", None)}
    assert shown(tmp_path, team, API)[0] == "= api  unchanged"


@pytest.mark.parametrize(
    "registered",
    [
        {"conn_uri": "postgres://u:p%40@db:5432/?a=b"},
        {"conn_type": "postgres", "host": "db", "login": "u", "password": "p@", "port": "5432", "extra": '{"a": "b"}'},
    ],
)
def test_the_same_connection_in_another_form_is_unchanged(
    tmp_path: Path, team: MemoryStore, monkeypatch: pytest.MonkeyPatch, registered: object
) -> None:
    team.versions["airflow/connections/a"] = [registered]
    monkeypatch.setenv("TEST_P", "p@")
    fields = '{conn_type: postgres, host: db, login: u, password: {secret: "ci:P"}, port: 5432, extra: {a: b}}'
    assert shown(tmp_path, team, f"  a: {fields}\n")[0] == "= a  unchanged"


# What is shown


def test_no_line_of_a_plan_shows_a_secret(tmp_path: Path, team: MemoryStore) -> None:
    whole = '  whole: {from: {secret: "ci:WHOLE"}}\n'
    (tmp_path / "bootstrap.yaml").write_text("")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEST_WHOLE", f"http://u{CANARY}:p{CANARY}@h{CANARY}/s{CANARY}?a=e{CANARY}")
        text = "\n".join(shown(tmp_path, team, WAREHOUSE + whole))
    assert CANARY not in text
    assert (
        "whole  create: conn_type = ***, host = ***, login = ***, password = ***, schema = ***, extra.a = ***" in text
    )


def test_a_password_that_is_allowed_in_the_manifest_is_not_shown_either(tmp_path: Path, team: MemoryStore) -> None:
    (tmp_path / "bootstrap.yaml").write_text(
        f"{MANIFEST}  a: {{conn_type: http, password: {CANARY}, extra: {{api_key: {CANARY}, b: [{CANARY}]}}}}\n"
    )
    manifest = load(tmp_path / "bootstrap.yaml", allow_plaintext=True)
    secrets = SecretReader(manifest)
    secrets._stores["team"] = team
    assert CANARY not in "\n".join(lines(plan(manifest, secrets, manifest.register[0]), manifest))


@pytest.mark.parametrize(
    "uri",
    [
        "https://h/x?page=1&{}",
        "https://u:{}@h/x?page=1",
        "https://h/x?page=1&token={}&y",
        "s3://b?page=1&x-amz-signature={}",
    ],
)
def test_the_secrets_of_a_uri_are_hidden_and_the_rest_is_shown(uri: str, tmp_path: Path, team: MemoryStore) -> None:
    found = uri.format("access_token=t0k3n-canary" if uri.endswith("&{}") else "t0k3n-canary")
    fields = f"{{conn_type: http, host: '{found}', extra: {{endpoint: '{found}'}}}}"
    said = "\n".join(lines(*planned(tmp_path, team, f"  api: {fields}\n", plaintext=True)))
    assert "t0k3n-canary" not in said
    assert said.count("page=1") == 2
    assert said.count("***") == 2


def test_planning_masks_the_secrets_it_read(tmp_path: Path, team: MemoryStore) -> None:
    planned(tmp_path, team, WAREHOUSE)
    assert redact(f"password {CANARY}") == "password ***"


# Safety


@pytest.mark.parametrize(
    ("broken", "code", "named"),
    [
        (NO_SUCH_SECRET, Exit.FAILED, ["lost"]),
        (NO_SUCH_SERVER, Exit.STORE, ["cut_off"]),
        (NO_SUCH_SECRET + NO_SUCH_SERVER, Exit.STORE, ["lost", "cut_off"]),
        (NO_SUCH_SERVER + NO_SUCH_SECRET, Exit.STORE, ["cut_off", "lost"]),
    ],
)
def test_nothing_is_written_if_anything_is_missing(
    tmp_path: Path, team: MemoryStore, broken: str, code: Exit, named: list[str]
) -> None:
    found, _ = planned(tmp_path, team, API + broken + WAREHOUSE)
    with pytest.raises(Unsafe) as caught:
        list(found.apply())
    assert team.versions == {}
    assert caught.value.exit_code == code
    assert [line.split(":")[0] for line in caught.value.message.splitlines()] == [
        f"connection {name}" for name in named
    ]
    assert caught.value.hint


def test_what_could_not_be_resolved_leaves_the_rest_of_the_plan(tmp_path: Path, team: MemoryStore) -> None:
    found, manifest = planned(tmp_path, team, NO_SUCH_SECRET + API)
    assert [key.name for key in found.errors] == ["lost"]
    assert list(lines(found, manifest)) == [
        "+ api  create: conn_type = http, host = api.internal",
        "backend: 1 to create, 1 that can't be registered",
    ]


def test_the_exit_code_of_a_class_of_errors_stays_as_it_was(tmp_path: Path, team: MemoryStore) -> None:
    found, _ = planned(tmp_path, team, NO_SUCH_SERVER)
    with pytest.raises(Unsafe):
        found.raise_if_unsafe()
    assert Unsafe("another").exit_code == Exit.FAILED


def test_the_worst_of_several_errors_speaks_for_them() -> None:
    assert worst([NotFound("a"), Unavailable("b"), Conflict("c")]) == Exit.STORE
    assert worst([NotFound("a")]) == Exit.FAILED
    assert worst([]) == Exit.OK


def test_a_target_that_can_not_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        planned(tmp_path, DownStore(), API)


@pytest.mark.parametrize("backend", ["{store: team, connections: null}", "null"])
def test_a_backend_that_looks_nowhere_can_not_be_a_target(tmp_path: Path, team: MemoryStore, backend: str) -> None:
    text = MANIFEST.replace("{store: team, connections: airflow/connections}", backend)
    (tmp_path / "bootstrap.yaml").write_text(text + API)
    manifest = load(tmp_path / "bootstrap.yaml")
    secrets = SecretReader(manifest)
    secrets._stores["team"] = team
    with pytest.raises(ManifestError, match=r"`backend\.connections` is off"):
        plan(manifest, secrets, TargetSpec("backend", Options()))


# Other writers


def test_a_conflict_is_told_of_its_connection_and_the_others_are_written(tmp_path: Path, team: MemoryStore) -> None:
    found, _ = planned(tmp_path, team, WAREHOUSE + API)
    team.versions["airflow/connections/warehouse"] = [{"conn_type": "theirs"}]
    applied = {item.key.name: item.error for item in found.apply()}
    assert isinstance(applied["warehouse"], Conflict)
    assert applied["api"] is None
    assert team.versions["airflow/connections/warehouse"] == [{"conn_type": "theirs"}]
    assert len(team.versions["airflow/connections/api"]) == 1


def test_an_update_does_not_overwrite_what_changed_meanwhile(tmp_path: Path, team: MemoryStore) -> None:
    team.versions["airflow/connections/api"] = [{"conn_type": "http"}]
    found, _ = planned(tmp_path, team, API)
    team.versions["airflow/connections/api"].append({"conn_type": "theirs"})
    (applied,) = found.apply()
    assert isinstance(applied.error, Conflict)
    assert team.versions["airflow/connections/api"][-1] == {"conn_type": "theirs"}


def test_a_refusal_stops_none_of_the_others(tmp_path: Path, team: MemoryStore) -> None:
    team.denied.add("airflow/connections/warehouse")
    applied = apply(tmp_path, team, WAREHOUSE + API)
    assert isinstance(applied["warehouse"][1], Denied)
    assert applied["api"] == ("create", None)


def test_applying_says_where_each_connection_is(tmp_path: Path, team: MemoryStore) -> None:
    found, _ = planned(tmp_path, team, API)
    assert [item.where for item in found.apply()] == ["team:airflow/connections/api"]
