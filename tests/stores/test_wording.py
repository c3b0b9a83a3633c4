"""A whole connection in a store is what Airflow's own backend of such a store makes of it."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from typing import Any

import pytest

from bootstrap.desired import interpret
from bootstrap.domain.connection import Connection
from bootstrap.domain.reference import Reference
from bootstrap.domain.secret import Secret
from bootstrap.errors import Malformed
from bootstrap.manifest.key_place import KeyPlace
from bootstrap.rotation import candidate
from bootstrap.store_admin.copy_plan import Conversion
from bootstrap.stores.base import Stored
from bootstrap.stores.structured import as_stored
from bootstrap.stores.wording import local_filesystem, secrets_manager
from bootstrap.targets.backend.secret_paths import read
from bootstrap.targets.base import Key

REFERENCE = Reference("aws", "airflow/connections/rds")
RDS = {
    "username": "app",
    "password": "pw12345",
    "engine": "postgres",
    "host": "db.internal",
    "port": 5432,
    "dbname": "app",
    "dbInstanceIdentifier": "rds-1",
}
DOCUMENTS: list[dict[str, Any]] = [
    RDS,
    {"user": "u", "pass": "p", "server": "h", "database": "d", "connection_type": "mysql", "port": "3306"},
    {"user_name": "u", "key": "p", "remote_host": "h", "schema": "s", "conn_id": "http"},
    {"engine": "aurora-postgresql", "password": "first", "pass": "second", "login": "a", "user": "b"},
    {"pass": "first", "password": "second", "conn_type": "postgresql", "unknown": {"a": 1}},
    {"engine": "aws", "extra": {"region_name": "eu-west-1"}, "description": "left out", "uri": "http://h"},
    {"engine": "aws", "extra": '{"region_name": "eu-west-1"}'},
    {"conn_type": "http", "host": "h", "extra": None},
]
WORDS = {"user": ["owner"], "schema": ["dbname"], "conn_type": ["kind"]}


def stored(document: Any, words: Any = None) -> Stored:
    return replace(as_stored(document), wording=secrets_manager({"extra_conn_words": words} if words else {}))


def test_what_rds_writes_is_a_connection() -> None:
    expected = Connection("postgres", host="db.internal", login="app", password="pw12345", port=5432)
    secret = stored(json.dumps(RDS))
    assert interpret.whole(secret, REFERENCE, None) == expected
    assert read(Key("connection", "rds"), secret, "aws:rds", keeps_fields=False) == expected
    nowhere: Any = None  # neither store is asked
    copied = Conversion(nowhere, nowhere, as_connections=True).payload(secret, "aws:rds")
    assert copied == expected.as_fields()


def test_the_manifests_own_words() -> None:
    document = {"owner": "u", "kind": "postgres", "dbname": "d"}
    assert interpret.whole(stored(document, WORDS), REFERENCE, None) == Connection("postgres", login="u", schema="d")


def test_other_stores_take_airflows_words_alone() -> None:
    with pytest.raises(Malformed, match="an Airflow connection has no field 'dbInstanceIdentifier'"):
        interpret.whole(as_stored(RDS), REFERENCE, None)


def test_a_rotation_that_would_lose_what_others_read_is_refused() -> None:
    place = KeyPlace(REFERENCE, {"password": "password"}, whole=True)
    assert candidate.fields_of(place, stored(RDS)) == {"password": Secret("pw12345")}
    with pytest.raises(Malformed, match=r"none of a connection's fields \(dbInstanceIdentifier, dbname") as caught:
        candidate.filled(place, stored(RDS), {"password": Secret("new")})
    assert "aws:airflow/connections/rds#password" in caught.value.hint


@pytest.fixture(scope="module", autouse=True)
def _quiet() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.airflow
@pytest.mark.parametrize("words", [None, WORDS])
@pytest.mark.parametrize("document", DOCUMENTS)
def test_aws_is_read_as_its_backend_does(document: dict[str, Any], words: Any) -> None:
    module = pytest.importorskip("airflow.providers.amazon.aws.secrets.secrets_manager")
    theirs = pytest.importorskip("airflow.sdk.definitions.connection", reason="Airflow 2 has no SDK").Connection
    backend = module.SecretsManagerBackend(extra_conn_words=json.loads(json.dumps(words)))
    found = theirs.from_json(json.dumps(backend._standardize_secret_keys(document)), conn_id="x")
    ours = interpret.whole(stored(document, words), REFERENCE, None)
    assert fields_of(ours) == fields_of(found)


def fields_of(item: Any) -> dict[str, Any]:
    names = ("conn_type", "host", "login", "password", "schema", "port")
    extra = json.loads(item.extra) if isinstance(item.extra, str) else item.extra
    return {name: getattr(item, name) for name in names} | {"extra": extra}


FILE: list[Any] = [
    ["http://u:p@H"],
    [{"conn_type": "http", "host": "h", "conn_id": "x"}],
    {"conn_type": "http", "extra_dejson": {"a": 1}},
    {"conn_type": "http", "extra": '{"a": 1}', "conn_id": "x", "port": 80},
    {"uri": "postgres://u:p@h:5/d"},
    "http://h",
]


@pytest.mark.airflow
@pytest.mark.parametrize("value", FILE)
def test_a_file_is_read_as_its_backend_does(value: Any) -> None:
    module = pytest.importorskip("airflow.secrets.local_filesystem")
    given = json.loads(json.dumps(value))
    found = module._create_connection("x", given[0] if isinstance(given, list) else given)
    ours = interpret.whole(replace(as_stored(value), wording=local_filesystem("x")), Reference("file", "x"), None)
    assert fields_of(ours) == {name: item or None for name, item in fields_of(found).items()}


@pytest.mark.parametrize("value", [["http://a", "http://b"], {"conn_type": "http", "conn_id": "other"}, [], [5]])
def test_a_file_that_its_backend_refuses_is_refused(value: Any) -> None:
    with pytest.raises(Malformed):
        interpret.whole(replace(as_stored(value), wording=local_filesystem("x")), Reference("file", "x"), None)
