"""What the manifest says that each connection is, with its secrets in place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bootstrap.desired.resolve import SecretReader, resolve_all
from bootstrap.domain import secret
from bootstrap.domain.connection import Connection
from bootstrap.domain.reference import parse_reference
from bootstrap.domain.secret import redact
from bootstrap.errors import Empty, Exit, Malformed, ManifestError, NotFound, StoreError
from bootstrap.manifest.loader import load

CANARY = "canary-7f3a"
STORES = (
    "version: 1\nstores: {ci: {kind: env, prefix: TEST_}, shared: {kind: file, path: secrets.yaml}}\nconnections:\n"
)


@pytest.fixture(autouse=True)
def _nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secret, "_known", secret._Known())


def resolved(folder: Path, **connections: str) -> dict[str, Connection | StoreError]:
    """Connections of a manifest whose stores are the environment ($TEST_…) and secrets.yaml."""
    lines = "".join(f"  {conn_id}: {fields}\n" for conn_id, fields in connections.items())
    (folder / "bootstrap.yaml").write_text(STORES + lines)
    manifest = load(folder / "bootstrap.yaml")
    return resolve_all(manifest, SecretReader(manifest), manifest.connections)


def refusal(folder: Path, fields: str) -> StoreError:
    found = resolved(folder, a=fields)["a"]
    assert isinstance(found, StoreError)
    return found


# Parts


def test_each_reference_is_replaced_by_its_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_DB", json.dumps({"host": "db", "port": "5432", "username": "etl", "password": "00123"}))
    monkeypatch.setenv("TEST_KEY", "key-1")
    fields = """{conn_type: postgresql, schema: analytics, description: {secret: "ci:KEY"},
      host: {secret: "ci:DB#host"}, port: {secret: "ci:DB#port"}, login: {secret: "ci:DB#username"},
      password: {secret: "ci:DB#password"}, extra: {sslmode: require, a: [{b: {secret: "ci:KEY"}}]}}"""
    assert resolved(tmp_path, a=fields) == {
        "a": Connection(
            "postgres",
            description="key-1",
            host="db",
            login="etl",
            password="00123",
            schema="analytics",
            port=5432,
            extra={"sslmode": "require", "a": [{"b": "key-1"}]},
        )
    }


def test_what_the_manifest_leaves_out_is_not_set(tmp_path: Path) -> None:
    assert resolved(tmp_path, a="{conn_type: http}") == {"a": Connection("http")}


def test_all_of_extra_can_be_one_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_EXTRA", '{"project": "p", "nested": {"a": 1}}')
    found = resolved(tmp_path, a='{conn_type: http, extra: {secret: "ci:EXTRA"}}')["a"]
    assert isinstance(found, Connection)
    assert found.extra == {"project": "p", "nested": {"a": 1}}


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("port", CANARY, "connection a: ci:A: the port is not a number from 1 to 65535"),
        ("port", "0", "connection a: ci:A: the port is not a number from 1 to 65535"),
        ("extra", f"{{{CANARY}", "connection a: ci:A: extra is not valid JSON"),
        ("extra", f'["{CANARY}"]', "connection a: ci:A: extra is not a JSON object"),
    ],
)
def test_a_value_of_the_wrong_kind_is_malformed_and_not_quoted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, field: str, value: str, message: str
) -> None:
    monkeypatch.setenv("TEST_A", value)
    found = refusal(tmp_path, f'{{conn_type: http, {field}: {{secret: "ci:A"}}}}')
    assert (type(found), found.message) == (Malformed, message)


# A whole connection

WHOLE = '{from: {secret: "shared:whole"}}'


@pytest.mark.parametrize(
    "text",
    [
        "whole: postgresql://etl:p%40ss@db:5432/analytics?sslmode=require",
        "whole: {conn_uri: 'postgresql://etl:p%40ss@db:5432/analytics?sslmode=require'}",
        "whole: {value: 'postgresql://etl:p%40ss@db:5432/analytics?sslmode=require'}",
        """whole: '{"conn_type": "postgres", "host": "db", "login": "etl", "password": "p@ss", "port": 5432,
          "schema": "analytics", "extra": {"sslmode": "require"}}'""",
        """whole: {conn_type: postgres, host: db, login: etl, password: p@ss, port: "5432", schema: analytics,
          extra: '{"sslmode": "require"}', description: null}""",
    ],
    ids=["URI", "conn_uri", "value", "JSON", "fields"],
)
def test_a_whole_connection_is_a_uri_json_or_fields(tmp_path: Path, text: str) -> None:
    (tmp_path / "secrets.yaml").write_text(text)
    assert resolved(tmp_path, a=WHOLE) == {
        "a": Connection(
            "postgres",
            host="db",
            login="etl",
            password="p@ss",
            schema="analytics",
            port=5432,
            extra={"sslmode": "require"},
        )
    }


def test_a_whole_connection_can_be_one_field_of_a_secret(tmp_path: Path) -> None:
    (tmp_path / "secrets.yaml").write_text("whole: {main: 'http://h', other: x}")
    assert resolved(tmp_path, a='{from: {secret: "shared:whole#main"}}') == {"a": Connection("http", host="h")}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"whole: {CANARY}", "shared:whole: neither a connection's JSON nor a URI"),
        (
            f"whole: {{conn_type: http, conn_id: {CANARY}}}",
            "shared:whole: an Airflow connection has no field 'conn_id'",
        ),
        (f"whole: {{conn_type: http, port: {CANARY}}}", "shared:whole: the port is not a number from 1 to 65535"),
        (f"whole: {{host: {CANARY}}}", "shared:whole: the connection has no conn_type"),
    ],
)
def test_a_malformed_whole_is_told_with_its_place_and_not_quoted(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "secrets.yaml").write_text(text)
    found = refusal(tmp_path, WHOLE)
    assert (type(found), found.message) == (Malformed, f"connection a: {message}")
    assert CANARY not in found.hint


def test_a_conn_type_beside_from_is_an_assertion(tmp_path: Path) -> None:
    (tmp_path / "secrets.yaml").write_text(f"whole: http://u:{CANARY}@h")
    found = refusal(tmp_path, '{from: {secret: "shared:whole"}, conn_type: postgres}')
    assert isinstance(found, Malformed)
    assert "a connection of type 'http', not 'postgres' as the manifest says" in found.message
    assert CANARY not in found.message


@pytest.mark.parametrize("conn_type", ["postgres", "postgresql"])
def test_the_assertion_takes_both_names_of_a_type(tmp_path: Path, conn_type: str) -> None:
    (tmp_path / "secrets.yaml").write_text("whole: postgresql://h")
    found = resolved(tmp_path, a=f'{{from: {{secret: "shared:whole"}}, conn_type: {conn_type}}}')
    assert found == {"a": Connection("postgres", host="h")}


# Four different errors


def test_an_unknown_store_is_a_mistake_in_the_manifest(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="unknown store 'cii'") as caught:
        resolved(tmp_path, a='{conn_type: http, host: {secret: "cii:A"}}')
    assert caught.value.exit_code == Exit.USAGE


@pytest.mark.parametrize(
    ("reference", "kind", "message"),
    [
        ("ci:MISSING", NotFound, "connection a: ci:MISSING: $TEST_MISSING is not set"),
        (
            "ci:DB#user",
            NotFound,
            "connection a: ci:DB#user: the secret has no field 'user'; its fields are: empty, login",
        ),
        ("ci:PLAIN#user", Malformed, "connection a: ci:PLAIN#user: the secret has no fields, it is one value"),
        ("ci:DB#empty", Empty, "connection a: ci:DB#empty: the value is empty"),
        ("ci:EMPTY", Empty, "connection a: ci:EMPTY: the value is empty"),
    ],
)
@pytest.mark.parametrize("field", ["host: {}", "password: {}", "extra: {{a: {}}}", "extra: {}"])
def test_a_missing_secret_a_missing_field_and_an_empty_value_are_different_errors(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    field: str,
    reference: str,
    kind: type[StoreError],
    message: str,
) -> None:
    monkeypatch.setenv("TEST_DB", json.dumps({"login": CANARY, "empty": ""}))
    monkeypatch.setenv("TEST_EMPTY", "")
    monkeypatch.setenv("TEST_PLAIN", CANARY)
    found = refusal(tmp_path, f"{{conn_type: http, {field.format(f'{{secret: {json.dumps(reference)}}}')}}}")
    assert (type(found), found.message) == (kind, message)
    assert found.exit_code == Exit.FAILED


def test_one_failure_leaves_the_other_connections_alone(tmp_path: Path) -> None:
    found = resolved(tmp_path, a='{conn_type: http, host: {secret: "ci:NO"}}', b="{conn_type: http}")
    assert isinstance(found["a"], NotFound)
    assert found["b"] == Connection("http")


def test_connections_that_share_a_missing_secret_are_each_told_of_it(tmp_path: Path) -> None:
    fields = '{conn_type: http, host: {secret: "ci:NO"}}'
    found = resolved(tmp_path, a=fields, b=fields)
    messages = {conn_id: item.message for conn_id, item in found.items() if isinstance(item, StoreError)}
    assert all(isinstance(item, StoreError) and isinstance(item.__cause__, NotFound) for item in found.values())
    assert messages == {
        "a": "connection a: ci:NO: $TEST_NO is not set",
        "b": "connection b: ci:NO: $TEST_NO is not set",
    }


# Reading and masking


def test_a_secret_is_read_once_however_often_it_is_referenced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bootstrap.yaml").write_text(STORES + "  a: {conn_type: http}\n")
    secrets = SecretReader(load(tmp_path / "bootstrap.yaml"))
    monkeypatch.setenv("TEST_A", "first")
    assert secrets.value(parse_reference("ci:A")).unmasked() == "first"
    monkeypatch.setenv("TEST_A", "second")
    assert secrets.value(parse_reference("ci:A")).unmasked() == "first"


def test_another_version_of_a_secret_is_another_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_A", "first")
    found = resolved(
        tmp_path,
        a='{conn_type: http, host: {secret: "ci:A"}}',
        b='{conn_type: http, host: {secret: "ci:A@3"}}',
    )
    assert found["a"] == Connection("http", host="first")
    assert isinstance(found["b"], NotFound)


def test_passwords_and_what_extra_refers_to_are_masked_and_hosts_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_DB", json.dumps({"host": "db.internal", "password": "pass-123", "other": "other-123"}))
    fields = '{conn_type: http, host: {secret: "ci:DB#host"}, password: {secret: "ci:DB#password"}'
    resolved(tmp_path, a=fields + ', extra: {region: eu-west-1, plain_name: {secret: "ci:DB#other"}}}')
    assert redact("db.internal pass-123 other-123 eu-west-1") == "db.internal *** *** eu-west-1"


def test_the_password_of_a_whole_connection_is_masked(tmp_path: Path) -> None:
    (tmp_path / "secrets.yaml").write_text("whole: http://etl:p%40ss-123@db.internal/?api_key=key-123&region=eu")
    resolved(tmp_path, a=WHOLE)
    assert redact("etl p@ss-123 p%40ss-123 key-123 db.internal eu") == "etl *** *** *** db.internal eu"
