"""An Airflow connection as a value, held against Airflow's own parsers."""

from __future__ import annotations

import base64
import json
import warnings
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bootstrap.domain import secret
from bootstrap.domain.connection import (
    FIELDS,
    Connection,
    extra_object,
    from_fields,
    from_text,
    likeliest,
    normalize,
    port_number,
    query_types,
)
from bootstrap.domain.secret import redact
from bootstrap.domain.sensitive import secret_texts
from bootstrap.errors import Empty, Malformed

WHERE = "team:connections/warehouse"
CANARY = "canary-7f3a"

_TEXTS = st.none() | st.text()
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
_KEYS = st.text().filter(lambda key: key != "__extra__")  # Airflow's own word in a URI
_EXTRAS = st.none() | st.dictionaries(st.text(), _JSON, max_size=4)
_PORTS = st.none() | st.integers(1, 65535)
CONNECTIONS = st.builds(
    Connection,
    conn_type=st.from_regex(r"[a-z][a-z0-9_]*", fullmatch=True).filter(lambda name: normalize(name) == name),
    description=_TEXTS,
    host=_TEXTS,
    login=_TEXTS,
    password=_TEXTS,
    schema=_TEXTS,
    port=_PORTS,
    extra=_EXTRAS,
)


def refusal(values: dict[str, Any]) -> str:
    with pytest.raises(Malformed) as caught:
        from_fields(values, WHERE)
    return caught.value.message


# Fields


@given(CONNECTIONS)
@settings(deadline=None, max_examples=100)
def test_fields_read_back_as_they_were_written(connection: Connection) -> None:
    assert from_fields(connection.as_fields(), WHERE) == connection
    assert from_text(json.dumps(connection.as_fields()), WHERE) == connection


def test_fields_that_are_not_set_are_left_out() -> None:
    assert Connection("http", login="", port=80).as_fields() == {"conn_type": "http", "login": "", "port": 80}


def test_null_is_a_field_that_is_not_set() -> None:
    assert from_fields({"conn_type": "http", **dict.fromkeys(FIELDS[1:])}, WHERE) == Connection("http")


@pytest.mark.parametrize("name", ["conn_id", "conn_uri", "user", "Host", "extras"])
def test_an_unknown_field_is_refused_by_name_and_without_a_value(name: str) -> None:
    message = refusal({"conn_type": "http", name: CANARY, "password": CANARY})
    assert message == f"{WHERE}: an Airflow connection has no field '{name}'"


@pytest.mark.parametrize("conn_type", [None, "", 5])
def test_a_connection_without_a_type_is_refused(conn_type: object) -> None:
    assert refusal({"conn_type": conn_type, "host": CANARY}) == f"{WHERE}: the connection has no conn_type"


@pytest.mark.parametrize("name", ["description", "host", "login", "password", "schema"])
@pytest.mark.parametrize("value", [123, True, ["x"]])
def test_a_field_that_is_not_text_is_refused(name: str, value: object) -> None:
    assert refusal({"conn_type": "http", name: value}) == f"{WHERE}: {name} is not text"


@pytest.mark.parametrize("value", ["notint", 0, "0", -1, 65536, 70000, True, 54.5, "5432 ", "٣", [5432]])
def test_a_port_that_is_none_is_refused(value: object) -> None:
    assert refusal({"conn_type": "http", "port": value}) == f"{WHERE}: the port is not a number from 1 to 65535"


@pytest.mark.parametrize(("value", "port"), [(5432, 5432), ("5432", 5432), ("", None), (None, None), (65535, 65535)])
def test_a_port_is_a_number_or_its_digits(value: object, port: int | None) -> None:
    assert port_number(value, WHERE) == port


@pytest.mark.parametrize(
    ("value", "extra"), [({"a": 1}, {"a": 1}), ('{"a": {"b": [1]}}', {"a": {"b": [1]}}), ("", None), (None, None)]
)
def test_extra_is_an_object_or_its_json(value: object, extra: object) -> None:
    assert extra_object(value, WHERE) == extra


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (f"{{{CANARY}", "extra is not valid JSON"),
        (f'["{CANARY}"]', "extra is not a JSON object"),
        ([CANARY], "extra is not a JSON object"),
        (5, "extra is not a JSON object"),
    ],
)
def test_any_other_extra_is_refused(value: object, message: str) -> None:
    assert refusal({"conn_type": "http", "extra": value}) == f"{WHERE}: {message}"


# What is shown


def test_a_connection_shows_neither_password_nor_extra() -> None:
    assert CANARY not in repr(Connection("http", password=CANARY, extra={"a": CANARY}))


def test_each_key_of_extra_has_its_fingerprint() -> None:
    one = Connection("http", host="h", extra={"a": 1, "b": {"c": 2}}).fingerprints()
    other = Connection("http", host="h", extra={"a": 1, "b": {"c": 3}}).fingerprints()
    assert set(one) == {"conn_type", "host", "extra.a", "extra.b"}
    assert {name for name in one if one[name] != other[name]} == {"extra.b"}


def test_a_connections_secrets_are_masked_once_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secret, "_known", secret._Known())
    extra = {"region": "eu-west-1", "nested": {"api_key": ["key-123"]}}
    Connection("http", login="etl-user", password="hunter2", extra=extra).mask()
    assert redact("etl-user hunter2 key-123 eu-west-1") == "etl-user *** *** eu-west-1"


def test_texts_below_a_key_named_like_a_secret_are_sensitive() -> None:
    data = {"a": "x", "token": {"b": "1", "c": ["2", {"d": "3"}]}, "list": [{"password": "4", "e": "y"}], "secret": 5}
    assert list(secret_texts(data)) == ["1", "2", "3", "4"]


# Text


@pytest.mark.parametrize("text", ["", "  \n"])
def test_an_empty_value_is_empty_and_not_merely_malformed(text: str) -> None:
    with pytest.raises(Empty, match="the value is empty"):
        from_text(text, WHERE)


@pytest.mark.parametrize(
    "text",
    [
        CANARY,
        f"{{{CANARY}",
        f'{{"conn_id": "{CANARY}", "conn_type": "http"}}',
        f'["{CANARY}"]',
        f"://{CANARY}@host",
        f"postgres://u:{CANARY}@host:notint/db",
        f"postgres://u:{CANARY}@host:0/db",
        f"postgres://u:{CANARY}@host:70000/db",
        f"postgres://[{CANARY}/db",
        f"http://host/?__extra__={CANARY}",
        f"http://host/?__extra__=%22{CANARY}%22",
        f"aws://k:{CANARY}@/?endpoint_url=http://h:1",
        f"http://https://h/?to=ftp://{CANARY}",
        f"http://u:{CANARY}@https://h",
    ],
)
def test_malformed_text_is_refused_with_its_place_and_not_quoted(text: str) -> None:
    with pytest.raises(Malformed) as caught:
        from_text(text, WHERE)
    assert caught.value.message.startswith(f"{WHERE}: ")
    assert CANARY not in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize(
    ("text", "connection"),
    [
        (
            "postgresql://u:p%40%2F%3A%23@DB.internal:5432/s%2Fx?sslmode=require&empty=",
            Connection(
                "postgres",
                host="db.internal",
                login="u",
                password="p@/:#",
                schema="s/x",
                port=5432,
                extra={"sslmode": "require", "empty": ""},
            ),
        ),
        ("google-cloud-platform://", Connection("google_cloud_platform")),
        ("google_cloud_platform://?project=p", Connection("google_cloud_platform", extra={"project": "p"})),
        ("POSTGRES://h", Connection("postgres", host="h")),
        ("http://https://u@h:8443/x", Connection("http", host="https://h", login="u", port=8443, schema="x")),
        ("http://grpc+ssl://h", Connection("http", host="grpc+ssl://h")),
        ("http://http://h", Connection("http", host="http://h")),
        (
            "aws://k:s@/?endpoint_url=http%3A%2F%2Fh:1",
            Connection("aws", login="k", password="s", extra={"endpoint_url": "http://h:1"}),
        ),
        ("postgres://u:p[::1]w@h:5", Connection("postgres", host="h", login="u", password="p[::1]w", port=5)),
        ("postgres://[2001:DB8::1]:5/x", Connection("postgres", host="2001:db8::1", port=5, schema="x")),
        (
            'aws://@/?__extra__={"a": {"b": [1, null]}}',
            Connection("aws", extra={"a": {"b": [1, None]}}),
        ),
    ],
)
def test_a_uri_is_read_with_nothing_lost(text: str, connection: Connection) -> None:
    assert from_text(text, WHERE) == connection
    assert from_fields({"conn_uri": text}, WHERE) == connection
    assert from_fields({"uri": text}, WHERE) == connection
    assert from_text(json.dumps({"conn_uri": text}), WHERE) == connection


# Airflow's own parsers


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Airflow's Connection. Imported with a home of its own, and with the warnings that are Airflow's own affair."""
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setenv("AIRFLOW_HOME", str(tmp_path_factory.mktemp("airflow")))
        module = pytest.importorskip("airflow.sdk.definitions.connection", reason="Airflow 2 has no SDK")
    return module.Connection


def as_airflow_reads(theirs: Any) -> dict[str, Any]:
    """The fields that Airflow's Connection has; to its hooks an empty one is as good as none."""
    fields = {name: getattr(theirs, name) for name in FIELDS} | {"extra": json.loads(theirs.extra or "null")}
    return without_empty(fields)


def without_empty(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value not in ("", None, {})}


@pytest.mark.airflow
@given(connection=CONNECTIONS)
@settings(deadline=None, max_examples=100)
def test_airflow_reads_our_json_as_the_same_connection(airflow: Any, connection: Connection) -> None:
    theirs = airflow.from_json(json.dumps(connection.as_fields()), conn_id="warehouse")
    assert as_airflow_reads(theirs) == without_empty(connection.as_fields())


@pytest.mark.airflow
@given(
    conn_type=st.sampled_from(["http", "postgres", "aws", "google_cloud_platform", "my_own_type"]),
    protocol=st.sampled_from(["", "", "https://", "ftp://", "http://"]),
    host=st.text(min_size=1) | st.sampled_from(["db.internal", "::1", "2001:db8::1", "/var/run/socket:1"]),
    parts=st.fixed_dictionaries(
        {}, optional={"login": st.text(), "password": st.text(), "schema": st.text(), "port": st.integers(1, 65535)}
    ),
    extra=st.none() | st.dictionaries(_KEYS, st.text() | _JSON, max_size=3),
)
@settings(deadline=None, max_examples=100)
def test_we_read_the_uris_that_airflow_writes_as_airflow_does(
    airflow: Any, conn_type: str, protocol: str, host: str, parts: dict[str, Any], extra: Any
) -> None:
    text = json.dumps(extra) if extra is not None else None
    uri = airflow(conn_id="warehouse", conn_type=conn_type, host=protocol + host, extra=text, **parts).get_uri()
    theirs = as_airflow_reads(airflow.from_uri(uri, conn_id="warehouse"))
    assert without_empty(from_text(uri, WHERE).as_fields()) == theirs


@pytest.mark.airflow
@pytest.mark.parametrize(
    "uri",
    [
        "postgresql://etl:p%40ss%2Fw%3Ar%23d%3F@db.internal:5432/analytics?sslmode=require",
        "postgres://etl:p+ss%20w%25@db/a",
        "postgres://etl:@db",
        "postgres://:pass@db",
        "postgres://@:5432",
        "postgres://etl@/analytics",
        "postgres:///analytics",
        "postgres://",
        "postgres://[::1]:5432/a",
        "postgres://u:p@[2001:db8::1]/a",
        "postgres://%2Fvar%2FRun%2Fpg:5432/a",
        "http://https://api.example.com:8443/v1",
        "http://https://u:p@api.example.com/?timeout=5",
        "http://https://",
        "http://grpc+ssl://h",
        "http://http%3A%2F%2Fh%3A1:2/x",
        "http://HTTPS://h",
        "POSTGRES://h",
        "google-cloud-platform://?project=p&num_retries=5",
        "aws://AKIA:a%2Fb%2Bc@/?region_name=eu-west-1&empty=&twice=1&twice=2",
        "aws://@/?__extra__=%7B%22a%22%3A+%7B%22b%22%3A+%5B1%5D%7D%7D&ignored=1",
        "aws://@/?__extra__=",
        "http://h/a/b?x=1#fragment",
        "http://h//a",
        "postgres://DB.Internal/Schema",
        "postgres://u:p@[2001:DB8::1]/a",
        "http://HTTPS://API.Example.com",
        "aws:///?endpoint_url=http://h:1",
    ],
)
def test_we_read_hand_written_uris_as_airflow_does(airflow: Any, uri: str) -> None:
    theirs = as_airflow_reads(airflow.from_uri(uri, conn_id="warehouse"))
    assert without_empty(from_text(uri, WHERE).as_fields()) == theirs


@pytest.mark.airflow
def test_a_password_with_brackets_is_what_airflow_reads_unless_its_python_refuses(airflow: Any) -> None:
    uri = "postgres://u:p[::1]w@db:5432/a"
    ours = without_empty(from_text(uri, WHERE).as_fields())
    try:
        urlsplit(uri)
    except ValueError:  # 3.12.9 and 3.13.2 on
        with pytest.raises(ValueError, match="IPv"):
            airflow.from_uri(uri, conn_id="warehouse")
    else:
        assert ours == as_airflow_reads(airflow.from_uri(uri, conn_id="warehouse"))


@pytest.mark.airflow
@pytest.mark.parametrize(
    "uri",
    ["aws://k:s@/?endpoint_url=http://h:1", "http://https://h/?to=ftp://x", "http://u:p@https://h", "a://b:1/?c=d://e"],
)
def test_what_airflow_refuses_is_refused(airflow: Any, uri: str) -> None:
    with pytest.raises(Exception, match="Invalid connection string"):
        airflow.from_uri(uri, conn_id="warehouse")
    with pytest.raises(Malformed, match="a URI that Airflow refuses"):
        from_text(uri, WHERE)


@pytest.mark.airflow
@pytest.mark.parametrize("conn_type", ["HTTP", "Postgres", "Amazon S3", "postgresql", "google-cloud-platform", "a+b"])
def test_a_type_is_what_airflow_makes_of_it(airflow: Any, conn_type: str) -> None:
    theirs = airflow.from_json(json.dumps({"conn_type": conn_type}), conn_id="warehouse")
    assert from_fields({"conn_type": conn_type}, WHERE).conn_type == theirs.conn_type
    if " " not in conn_type:
        uri = f"{conn_type}://h"
        assert from_text(uri, WHERE).conn_type == airflow.from_uri(uri, conn_id="warehouse").conn_type


@pytest.mark.parametrize(
    ("conn_type", "expected"),
    [
        ("HTTP", "http"),
        ("Postgres", "postgres"),
        ("postgresql+psycopg2", "postgres"),
        ("Google Cloud", "google_cloud_platform"),
        ("Amazon S3", "aws"),
    ],
)
def test_the_type_that_is_meant(conn_type: str, expected: str) -> None:
    assert likeliest(conn_type) == expected


def test_types_in_a_query_are_told() -> None:
    uri = "aws://@/?verify=false&n=3&list=%5B1%5D&o=%7B%7D&s=%22x%22&e=&t=eu-west-1&none=null"
    assert query_types(uri) == {
        "verify": "a boolean",
        "n": "a number",
        "list": "a list",
        "o": "an object",
        "s": "another text",
        "none": "null",
    }
    assert query_types("aws://@/?__extra__=%7B%7D&n=3") == {}


@pytest.mark.airflow
def test_airflows_two_classes_differ_in_just_those(airflow: Any) -> None:
    server = pytest.importorskip("airflow.models.connection").Connection
    uri = "aws://@/?verify=false&n=3&list=%5B1%5D&o=%7B%7D&s=%22x%22&e=&t=eu-west-1&none=null"
    one, other = server(uri=uri).extra_dejson, json.loads(airflow.from_uri(uri, conn_id="x").extra)
    assert {key for key in one if json.dumps(one[key]) != json.dumps(other[key])} == set(query_types(uri))


def test_what_http_sends_of_a_login_is_masked() -> None:
    Connection("http", login="etl", password="pass-of-etl").mask()
    sent = base64.b64encode(b"etl:pass-of-etl").decode()
    assert redact(f"Authorization: Basic {sent}") == "Authorization: Basic ***"
