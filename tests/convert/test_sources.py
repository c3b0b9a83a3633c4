"""What each format may hold, and what is told of what can't be taken: each with its reason, and without a value."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from bootstrap.convert import sources
from bootstrap.convert.found import Found
from bootstrap.domain.connection import Connection
from bootstrap.errors import UsageError
from bootstrap.util import yaml_data

CORE = "canary-in-a-source-2718"  # the same in every process: it is in the names of tests


def read(text: str, name: str, form: str | None = None, *, folder: Path) -> Found:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    content, found = sources.read_file(file, form)
    return sources.FORMATS[found](content, name)


def reasons(found: Found) -> str:
    text = "\n".join(f"{err.message} {err.hint}" for err in found.left_out)
    assert CORE not in text
    return text


# Connections


@pytest.mark.parametrize(
    ("conn_id", "value", "said"),
    [
        ("a b", {"conn_type": "http"}, "a connection's name has letters"),
        ("a/b", {"conn_type": "http"}, "a connection's name has letters"),
        ("a", {"conn_type": "H/T"}, "a conn_type has lower-case letters"),
        ("a", {"conn_type": None}, "the connection has no conn_type"),
        ("a", {"conn_type": "http", "port": 0}, "the port is not a number from 1 to 65535"),
        ("a", {"conn_type": "http", "port": 70000}, "the port is not a number from 1 to 65535"),
        ("a", {"conn_type": "http", "extra": f'["{CORE}"]'}, "extra is not a JSON object"),
        ("a", {"conn_type": "http", "extra": CORE}, "extra is not valid JSON"),
        ("a", {"conn_type": "http", "password": 123}, "password is not text"),
        ("a", {"conn_type": "http", "passwort": CORE}, "no field of a connection: 'passwort' did you mean 'password'?"),
        ("a", {"conn_type": "http", "password": f"\ud800{CORE}"}, "half of a surrogate pair"),
        ("a", CORE, "neither a connection's JSON nor a URI"),
        ("a", "", "the value is empty"),
        ("a", 5, "neither a connection's fields nor a URI"),
    ],
)
def test_a_connection_that_no_manifest_can_hold(conn_id: str, value: object, said: str, tmp_path: Path) -> None:
    text = json.dumps({conn_id: value, "good": {"conn_type": "http"}})
    found = read(text, "c.json", "connections", folder=tmp_path)
    assert found.connections == {"good": Connection("http")}
    assert f"left out: c.json: {conn_id}: " in reasons(found)
    assert said in reasons(found)


def test_all_shapes_of_an_entry(tmp_path: Path) -> None:
    entries = {
        "uri": "http://u:p@h",
        "list": ["http://h"],
        "dejson": {"conn_type": "http", "extra_dejson": {"a": 1}, "conn_id": "dejson"},
        "conn_uri": {"conn_uri": "http://h"},
    }
    found = read(json.dumps(entries), "c.json", "connections", folder=tmp_path)
    assert found.connections == {
        "uri": Connection("http", host="h", login="u", password="p"),
        "list": Connection("http", host="h"),
        "dejson": Connection("http", extra={"a": 1}),
        "conn_uri": Connection("http", host="h"),
    }


# Which format it is

CONNECTION = {"a": {"conn_type": "http"}}


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("x.json", json.dumps(CONNECTION), "connections"),
        ("x.json", json.dumps({**CONNECTION, "uri": "http://h"}), "connections"),
        ("x.yaml", "a: {conn_type: http}", "connections"),
        ("x.json", '{"a": "b", "c": {"d": 1}}', "variables"),
        ("x.yml", "airflow: {connections: [], pools: null}", "settings"),
        ("x.env", "a=http://h", "env"),
        (".env", "AIRFLOW_CONN_A=http://h", "env"),
    ],
)
def test_a_file_tells_its_format(name: str, text: str, expected: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    assert sources.read_file(tmp_path / name, None)[1] == expected


@pytest.mark.parametrize("text", ['{"a": {"conn_type": "http"}, "b": "c"}', '{"a": "http://h"}'])
def test_what_may_be_either_is_asked_for(text: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"connections, or variables\?"):
        read(text, "x.json", folder=tmp_path)


@pytest.mark.parametrize("loader", [yaml.SafeLoader, yaml_data._Loader])  # what there is without libyaml quotes more
@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("x.json", f'{{"a": {CORE}}}', "1:7: not valid JSON"),
        ("x.json", '{"a": {"conn_type": "http"}, "a": {}}', "the key 'a' appears twice"),
        ("x.yaml", f"a: {{conn_type: http, password: *{CORE}}}", "not valid YAML"),
        ("x.yaml", f"a: {{conn_type: http, password: !{CORE} x}}", "not valid YAML"),
        ("x.yaml", f"a: [{CORE}", "not valid YAML"),
        ("x.yaml", "a: 1\na: 2", "the key 'a' appears twice"),
        ("x.yaml", f"- {CORE}", "expected a mapping"),
    ],
)
def test_a_text_that_can_not_be_read_is_not_quoted(
    name: str, text: str, said: str, loader: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(yaml_data, "_Loader", loader)
    with pytest.raises(UsageError) as caught:
        read(text, name, folder=tmp_path)
    assert said in caught.value.message
    assert CORE not in f"{caught.value.message}{caught.value.hint}"


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_bytes(b"\xff")
    with pytest.raises(UsageError, match="not text in UTF-8"):
        sources.read_file(tmp_path / "x.json", None)


# Lines


def test_variables_of_the_environment(tmp_path: Path) -> None:
    text = f"""\ufeff# of a project
OTHER=x
export AIRFLOW_CONN_Warehouse='postgres://etl:p%40@db'
AIRFLOW_CONN_JSON={{"conn_type": "http", "password": "a #b $c"}}
AIRFLOW_CONN_DOUBLE="http://u:{CORE}$x@h"
AIRFLOW_CONN__TEAM___X=http://h
AIRFLOW_CONN_BAD={CORE}
AIRFLOW_CONN_WAREHOUSE=http://again
AIRFLOW_VAR_REGION=eu-west-1
AIRFLOW_VAR_LINES="a
b"
AIRFLOW__CORE__FERNET_KEY=x
{CORE} not a line
"""
    found = read(text, ".env", folder=tmp_path)
    assert found.connections == {
        "warehouse": Connection("postgres", host="db", login="etl", password="p@"),
        "json": Connection("http", password="a #b $c"),
        "double": Connection("http", host="h", login="u", password=f"{CORE}$x"),
    }
    assert found.variables == {"region": "eu-west-1", "lines": "a\nb"}
    said = reasons(found)
    for each in (
        ".env:6: AIRFLOW_CONN__TEAM___X belongs to a team",
        ".env:7: AIRFLOW_CONN_BAD: neither",
        ".env:8: AIRFLOW_CONN_WAREHOUSE: there are two connections warehouse",
        ".env:13: expected NAME=value",
    ):
        assert each in said
    assert len(found.left_out) == 4
    assert found.notes == [
        ".env:4: AIRFLOW_CONN_JSON has a $, which is taken as it is",
        ".env:5: AIRFLOW_CONN_DOUBLE has a $, which is taken as it is",
        ".env: 2 other variables are none of Airflow's connections and variables",
    ]


def test_lines_as_airflow_exports_them(tmp_path: Path) -> None:
    found = read("# c\n\na=http://u:p%23@h/x?q=a%3Db\nb\nc=http://h\nc=http://i\n", "x.env", folder=tmp_path)
    assert found.connections == {
        "a": Connection("http", host="h", login="u", password="p#", schema="x", extra={"q": "a=b"}),
        "c": Connection("http", host="h"),
    }
    assert "x.env:4: expected CONN_ID=URI" in reasons(found)
    assert "x.env:6: c: there are two connections c" in reasons(found)


# Astro's

SETTINGS = f"""
airflow:
  connections:
    - conn_id: warehouse
      conn_type: postgresql
      conn_host: db
      conn_schema:
      conn_login: etl
      conn_password: 00123
      conn_port: 5432
      conn_uri:
      conn_extra: {{sslmode: require, n: [1, null]}}
    - conn_id: by_uri
      conn_uri: http://u:p@h
      conn_extra: ""
    - {{conn_id: text, conn_type: http, conn_extra: '{{"a": 1}}', conn_port: "80"}}
    - {{conn_id: both, conn_uri: "http://h", conn_host: {CORE}}}
    - {{conn_id: strange, conn_type: http, conn_passwort: {CORE}}}
    - {{conn_type: http}}
    - {{conn_id: "", conn_type: "", conn_extra: {{}}}}
  pools:
    - {{pool_name: p, pool_slot: 5, pool_description: x}}
  variables:
    - {{variable_name: digits, variable_value: 00123}}
    - {{variable_name: text, variable_value: "yes"}}
    - {{variable_name: none, variable_value: }}
    - {{variable_name: , variable_value: }}
"""


def test_astros_settings(tmp_path: Path) -> None:
    found = read(SETTINGS, "airflow_settings.yaml", folder=tmp_path)
    assert found.connections == {
        "warehouse": Connection(
            "postgres",
            host="db",
            login="etl",
            password="00123",
            port=5432,
            extra={"sslmode": "require", "n": [1, None]},
        ),
        "by_uri": Connection("http", host="h", login="u", password="p"),
        "text": Connection("http", port=80, extra={"a": 1}),
    }
    assert found.variables == {"digits": "00123", "text": "yes"}
    said = reasons(found)
    for each in (
        "connections[3] both: can be read in two ways",
        "connections[4] strange: unknown: conn_passwort",
        "connections[5]: a connection's name",
        "variables[2] none: the variable has no value",
    ):
        assert f"airflow_settings.yaml: {each}" in said
    assert len(found.left_out) == 4
    assert found.notes == ["airflow_settings.yaml: 1 pools are left out: a manifest has none; airflow pools import"]


def test_settings_that_are_none(tmp_path: Path) -> None:
    for text in ("airflow: [x]", "airflow: {connections: {a: b}}"):
        with pytest.raises(UsageError):
            read(text, "s.yaml", "settings", folder=tmp_path)


# Variables


def test_variables_with_descriptions(tmp_path: Path) -> None:
    text = json.dumps({"a": {"value": 5, "description": CORE}, "b": {"value": "x"}, "c": "\ud800", "d d": 1})
    found = read(text, "v.json", folder=tmp_path)
    assert found.variables == {"a": 5, "b": "x"}
    assert found.notes == ["v.json: the description of variable a is left out"]
    assert "c: it holds half of a surrogate pair" in reasons(found)
    assert "d d: a variable's name" in reasons(found)


# What people have beside Airflow's own exports

POSTGRES = Connection("postgres", host="db", login="u", password="p", port=5432)
ENTRY = {"conn_id": "a", "conn_type": "postgres", "host": "db", "login": "u", "password": "p", "port": "5432"}
AS_THE_UI_SAYS = {
    "Connection Id": "a",
    "Connection Type": "postgres",
    "Host": "db",
    "Login": "u",
    "Password": "p",
    "Port": 5432,
}
AS_ASTRO_SAYS = {
    "conn_id": "a",
    "conn_type": "postgres",
    "conn_host": "db",
    "conn_login": "u",
    "conn_password": "p",
    "conn_port": 5432,
}
AS_ITS_LIST = {
    **ENTRY,
    "id": "1",
    "is_encrypted": "False",
    "is_extra_encrypted": "False",
    "extra_dejson": {},
    "get_uri": "x",
}
AS_THE_API = {
    "connection_id": "a",
    "conn_type": "postgres",
    "host": "db",
    "login": "u",
    "password": "p",
    "port": 5432,
    "extra": None,
}


@pytest.mark.parametrize("entry", [ENTRY, AS_THE_UI_SAYS, AS_ASTRO_SAYS, AS_ITS_LIST, AS_THE_API])
@pytest.mark.parametrize("shape", ["list", "below connections", "with a total", "alone", "yaml"])
def test_connections_in_other_shapes_are_connections(entry: dict[str, object], shape: str, tmp_path: Path) -> None:
    data = {
        "list": [entry],
        "below connections": {"connections": [entry]},
        "with a total": {"connections": [entry], "total_entries": 1},
        "alone": entry,
        "yaml": {"connections": [entry]},
    }[shape]
    text, name = (yaml.safe_dump(data), "c.yaml") if shape == "yaml" else (json.dumps(data), "c.json")
    found = read(text, name, folder=tmp_path)
    assert found.left_out == []
    assert found.connections == {"a": POSTGRES}
    assert found.variables == {}


def test_keys_as_the_ui_writes_them_below_a_name(tmp_path: Path) -> None:
    fields = {key: value for key, value in AS_THE_UI_SAYS.items() if key != "Connection Id"}
    assert read(json.dumps({"a": fields}), "c.json", folder=tmp_path).connections == {"a": POSTGRES}


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        (
            "c.json",
            json.dumps({"conn_type": "spark", "host": CORE, "extra": {"a": 1}}),
            "one connection without a name",
        ),
        ("c.json", json.dumps([{"conn_type": "spark"}, {"conn_type": "http"}]), "number 1 has no conn_id"),
        ("c.json", json.dumps([ENTRY, ENTRY]), "a appears twice"),
        ("c.json", json.dumps([{"conn_id": "a", "conn_type": "http"}]), "is a listing"),
        ("v.json", json.dumps([{"key": "a"}, {"key": "b"}]), "is a listing"),
        (
            "c.json",
            json.dumps({"connections": [ENTRY], "variables": [{"key": "a", "value": 1}]}),
            "connections and variables",
        ),
        ("x.yaml", f"services: {{web: {{image: x, environment: {{P: {CORE}}}}}}}", "looks like a compose file"),
        ("x.yaml", "x-a: &a {env: x}\nservices: {web: {<<: *a}}\nvolumes: {}", "looks like a compose file"),
        (
            "x.yaml",
            f"executor: CeleryExecutor\nenv: [{{name: AIRFLOW_CONN_A, value: {CORE}}}]",
            "looks like a Helm chart",
        ),
        ("x.yaml", "apiVersion: v1\nkind: Secret\nstringData: {A: x}", "looks like a manifest of Kubernetes (Secret)"),
        ("x.yaml", "version: 1\nstores: {}\nconnections: {}", "is a manifest of airflow-bootstrap already"),
        ("airflow.cfg", f"# x\n[core]\nfernet_key = {CORE}", "looks like an airflow.cfg"),
        ("c.txt", "id | conn_id | conn_type\n1 | a | http", "looks like a table"),
        ("c.csv", "conn_id,conn_type,host\na,http,h", "looks like a table"),
        ("s.yaml", "airflow: {conections: [{conn_id: a}]}", "did you mean 'connections'?"),
    ],
)
def test_what_is_something_else_is_refused_by_its_name(name: str, text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        read(text, name, folder=tmp_path)
    assert said in f"{caught.value.message} {caught.value.hint}"
    assert CORE not in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize(
    "data", [[{"key": "a", "value": "1", "description": "x"}], {"variables": [{"key": "a", "value": "1"}]}]
)
def test_variables_in_lists_are_variables(data: object, tmp_path: Path) -> None:
    found = read(json.dumps(data), "v.json", folder=tmp_path)
    assert (found.variables, found.connections) == ({"a": "1"}, {})


@pytest.mark.parametrize(
    "data",
    [
        {"services": ["a", "b"], "env": "prod"},
        {"connections": [{"host": "h"}], "region": "eu"},
        {"config": {"conn": {"type": "x"}}, "kind": "y"},
        {"executor": "local"},
        {"airflow": "x"},
        {"host": "h", "port": "5"},
    ],
)
def test_variables_stay_variables(data: dict[str, object], tmp_path: Path) -> None:
    assert read(json.dumps(data), "v.json", folder=tmp_path).variables == data


def test_what_was_said_to_be_variables_is(tmp_path: Path) -> None:
    data = {"conn_type": "x", "host": "h"}
    assert read(json.dumps(data), "v.json", "variables", folder=tmp_path).variables == data


def test_what_airflow_hides_is_a_gap_and_told_of(tmp_path: Path) -> None:
    found = read(json.dumps({"connections": [{**AS_THE_API, "password": "***"}]}), "c.json", folder=tmp_path)
    assert found.notes == ["c.json: Airflow hides the secrets of a: `airflow connections export` shows them"]


def test_types_as_people_write_them(tmp_path: Path) -> None:
    text = "AIRFLOW_CONN_A=postgresql+psycopg2://db\nAIRFLOW_CONN_B=mssql+pyodbc://db\n"
    found = read(text, ".env", folder=tmp_path)
    assert [item.conn_type for item in found.connections.values()] == ["postgres", "mssql"]
    assert (
        found.notes[0] == ".env:1: AIRFLOW_CONN_A: its conn_type is taken as postgres, by which Airflow finds the hook"
    )
    data = {name: {"conn_type": name} for name in ("HTTP", "Postgres", "Amazon S3", "google-cloud-platform")}
    named = {name.replace(" ", "_"): fields for name, fields in data.items()}
    types = [item.conn_type for item in read(json.dumps(named), "c.json", folder=tmp_path).connections.values()]
    assert types == ["http", "postgres", "aws", "google_cloud_platform"]


def test_types_in_a_query_are_told(tmp_path: Path) -> None:
    found = read("AIRFLOW_CONN_A=ssh://h?timeout=10&compress=false&x=y", ".env", folder=tmp_path)
    assert found.connections["a"].extra == {"timeout": "10", "compress": "false", "x": "y"}
    (note,) = found.notes
    assert (
        "text in a task, as in the manifest: timeout (to the server a number), compress (to the server a boolean);"
        in note
    )


TEMPLATE = """
airflow:
  connections:
    - {conn_id: , conn_type: , conn_host: , conn_port: , conn_extra: {example_extra_field: example-value}}
    - {conn_id: zero, conn_type: http, conn_port: 0, conn_uri: "", conn_extra: {}, description: of the team}
    - {conn_id: by_uri, conn_uri: "http://h", conn_extra: {}, conn_port: 0, conn_host: ""}
    - {conn_id: wrong, conn_type: http, host: h}
    - {conn_id: odd, conn_type: http, conn_hots: h}
  pools: [{pool_name: , pool_slot: , pool_description: }]
  variables: [{variable_name: , variable_value: }, {variable_name: v, value: x}]
"""


def test_astros_template_and_slips(tmp_path: Path) -> None:
    found = read(TEMPLATE, "airflow_settings.yaml", folder=tmp_path)
    assert found.connections == {
        "zero": Connection("http", description="of the team", extra={}),
        "by_uri": Connection("http", host="h"),
    }
    assert (found.variables, found.notes) == ({}, [])
    assert [(err.message.partition("unknown: ")[2], err.hint) for err in found.left_out] == [
        ("host", "did you mean 'conn_host'?"),
        ("conn_hots", "did you mean 'conn_host'?"),
        ("value", "did you mean 'variable_value'?"),
    ]
