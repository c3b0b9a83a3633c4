"""A whole connection and a raw value are told apart; where both would do, nobody guesses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bootstrap.domain.connection import Connection
from bootstrap.errors import Exit, Malformed, StoreError
from tests.desired.test_resolve import CANARY, resolved

URI = f"postgres://etl:{CANARY}@db:5432/analytics"
FIELDS = {
    "conn_type": "postgres",
    "host": "db",
    "login": "etl",
    "password": CANARY,
    "port": 5432,
    "schema": "analytics",
}
WAREHOUSE = Connection("postgres", host="db", login="etl", password=CANARY, port=5432, schema="analytics")
KEY = json.dumps({"type": "service_account", "project_id": "proj", "private_key": CANARY})
PEM = f"-----BEGIN PRIVATE KEY-----\n{CANARY}\n-----END PRIVATE KEY-----\n"
WHOLE = '{from: {secret: "ci:SECRET"}}'


def found(folder: Path, fields: str) -> Connection | StoreError:
    return resolved(folder, a=fields)["a"]


def refused(folder: Path, fields: str) -> Malformed:
    error = found(folder, fields)
    assert isinstance(error, Malformed), error
    assert error.exit_code == Exit.FAILED
    assert error.hint
    assert CANARY not in f"{error.message} {error.hint}"
    return error


@pytest.mark.parametrize(
    "secret",
    [
        URI,
        f"\n{URI}\n",
        json.dumps(FIELDS),
        json.dumps({"conn_uri": URI}),
        json.dumps({"uri": URI}),
        json.dumps({"value": URI}),
        json.dumps({"value": json.dumps(FIELDS)}),
    ],
)
def test_a_whole_connection_is_read_in_each_of_its_forms(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    monkeypatch.setenv("TEST_SECRET", secret)
    assert found(tmp_path, WHOLE) == WAREHOUSE


@pytest.mark.parametrize("secret", [KEY, json.dumps({"value": KEY})])
def test_a_service_account_key_is_a_google_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    monkeypatch.setenv("TEST_SECRET", secret)
    made = found(tmp_path, '{conn_type: google_cloud_platform, from: {secret: "ci:SECRET"}}')
    assert made == Connection("google_cloud_platform", extra={"project": "proj", "keyfile_dict": KEY})
    assert "conn_type: google_cloud_platform" in refused(tmp_path, WHOLE).hint


@pytest.mark.parametrize(
    ("secret", "said"), [(PEM, "a PEM, not a connection"), (CANARY, "neither a connection's JSON nor a URI")]
)
def test_a_raw_value_is_no_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, secret: str, said: str) -> None:
    monkeypatch.setenv("TEST_SECRET", secret)
    error = refused(tmp_path, WHOLE)
    assert said in error.message
    assert "ci:SECRET" in error.hint


@pytest.mark.parametrize("uri", ["conn_uri", "uri"])
def test_a_uri_beside_fields_is_two_connections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uri: str) -> None:
    monkeypatch.setenv("TEST_SECRET", json.dumps({uri: URI, "host": "other", "password": CANARY}))
    assert f"in two ways: as `{uri}`, or as fields: host, password" in refused(tmp_path, WHOLE).message


RAW = '{conn_type: postgres, host: db, password: {secret: "ci:SECRET"}}'


@pytest.mark.parametrize(
    "secret", [CANARY, PEM, f"x://{CANARY}", f"{CANARY}://", "a\nb://u:p@h", json.dumps({"value": URI})[:-1]]
)
def test_a_raw_value_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    monkeypatch.setenv("TEST_SECRET", secret)
    made = found(tmp_path, RAW)
    assert isinstance(made, Connection)
    assert made.password == secret


@pytest.mark.parametrize(
    ("secret", "seen"),
    [
        (URI, "postgres; conn_type, host, login, password, port, schema are set"),
        (json.dumps({"value": URI}), "postgres; conn_type, host, login, password, port, schema are set"),
        (json.dumps(FIELDS), "fields: conn_type, host, login, password, port, schema"),
        (json.dumps({"conn_uri": URI}), "fields: conn_uri"),
    ],
)
def test_a_connection_where_a_password_belongs_is_shown_both_ways(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, secret: str, seen: str
) -> None:
    monkeypatch.setenv("TEST_SECRET", secret)
    error = refused(tmp_path, RAW)
    assert f"in two ways: as a whole connection ({seen}), or as the text of password" in error.message
    assert 'from: {secret: "ci:SECRET"}' in error.hint
    assert "ci:SECRET#value" in error.hint


@pytest.mark.parametrize("secret", [URI, json.dumps({"value": URI})])
def test_the_value_itself_can_be_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    monkeypatch.setenv("TEST_SECRET", secret)
    made = found(tmp_path, RAW.replace("SECRET", "SECRET#value"))
    assert isinstance(made, Connection)
    assert made.password == URI


def test_a_secret_with_fields_is_no_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_SECRET", json.dumps({"username": "etl", "password": CANARY}))
    error = refused(tmp_path, RAW)
    assert "has fields (password, username), and password is one value" in error.message
    assert error.hint == "name the field: ci:SECRET#password"


@pytest.mark.parametrize("secret", [KEY, PEM, URI, json.dumps({"a": {"b": CANARY}})])
def test_extra_takes_documents_and_urls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    monkeypatch.setenv("TEST_SECRET", secret)
    made = found(tmp_path, '{conn_type: http, extra: {it: {secret: "ci:SECRET"}}}')
    assert isinstance(made, Connection)
    assert made.extra == {"it": secret}


def test_extra_takes_no_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_SECRET", json.dumps(FIELDS))
    error = refused(tmp_path, '{conn_type: http, extra: {it: {secret: "ci:SECRET"}}}')
    assert "or as the text of extra.it" in error.message
