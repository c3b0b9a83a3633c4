"""The text of a Kubernetes Secret: what any reader of YAML sees there is what Airflow reads from its environment."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # types-jsonschema is not installed
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bootstrap.domain.connection import Connection
from bootstrap.errors import IllegalName, Malformed, StoreError
from bootstrap.targets.kubernetes.text import INDEX, LARGEST, LARGEST_NOTES, LARGEST_VARIABLE, Found, read, render
from tests.domain.test_connection import CONNECTIONS

CANARY = "canary-in-the-secret-0815"
WAREHOUSE = Connection("postgres", host="db", password=f"it's $5 \\ \n ü {CANARY}", extra={"a": [1, "00123"]})
# What Kubernetes' API takes, by its reference: a strict kubectl refuses any other key.
TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
BASE64 = "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
SCHEMA = {
    "type": "object",
    "required": ["apiVersion", "kind", "metadata", "type"],
    "additionalProperties": False,
    "properties": {
        "apiVersion": {"const": "v1"},
        "kind": {"const": "Secret"},
        "type": {"type": "string"},
        "immutable": {"type": "boolean"},
        "stringData": TEXTS,
        "data": {
            "type": "object",
            "additionalProperties": False,
            "patternProperties": {"^[-._a-zA-Z0-9]{1,253}$": {"type": "string", "pattern": BASE64}},
        },
        "metadata": {
            "type": "object",
            "required": ["name"],
            "properties": {"name": {"type": "string"}, "namespace": {"type": "string"}}
            | {"labels": TEXTS, "annotations": TEXTS},
        },
    },
}
PLAIN = settings(max_examples=60, deadline=None, database=None)


def rendered(
    connections: Mapping[str, Connection | None] | None = None,
    variables: Mapping[str, str | None] | None = None,
    before: str | None = None,
    index: str = '{"version":1}',
) -> str:
    return render("airflow-env", "airflow", connections or {}, variables or {}, index, before)


def loaded(text: str) -> dict[str, Any]:
    """As PyYAML reads it, a Secret by its schema."""
    document: dict[str, Any] = yaml.safe_load(text)
    jsonschema.validate(document, SCHEMA)
    return document


def environment(text: str) -> dict[str, str]:
    """What `envFrom` makes of it."""
    document = loaded(text)
    given = {key: base64.b64decode(value, validate=True).decode() for key, value in document.get("data", {}).items()}
    return {**given, **document.get("stringData", {})}


def refused(kind: type[StoreError], *arguments: Any, **named: Any) -> str:
    with pytest.raises(kind) as caught:
        rendered(*arguments, **named)
    error = caught.value
    assert type(error) is kind
    assert error.hint
    said = f"{error.message} {error.hint}"
    assert CANARY not in said
    assert error.__cause__ is None
    return said


# What Airflow reads, in one child for all tests

CHILD = """
import json, os, sys
from airflow.secrets.environment_variables import EnvironmentVariablesBackend
backend = EnvironmentVariablesBackend()
fields = ("conn_type", "description", "host", "login", "password", "schema", "port")
print("ready", flush=True)
for line in sys.stdin:
    request = json.loads(line)
    os.environ.update(request["environment"])
    found = {}
    for conn_id in request["conn_ids"]:
        item = backend.get_connection(conn_id=conn_id)
        found[conn_id] = {name: getattr(item, name) for name in fields}
        found[conn_id]["extra"] = (json.loads(item.extra) if item.extra else None) or None
    variables = {key: backend.get_variable(key=key) for key in request["keys"]}
    print(json.dumps([found, variables]), flush=True)
    for name in request["environment"]:
        del os.environ[name]
"""


class Airflow:
    def __init__(self, child: subprocess.Popen[str]) -> None:
        self.child = child

    def reads(self, text: str, conn_ids: list[str], keys: list[str]) -> Any:
        assert self.child.stdin is not None
        assert self.child.stdout is not None
        request = {"environment": environment(text), "conn_ids": conn_ids, "keys": keys}
        self.child.stdin.write(json.dumps(request) + "\n")
        self.child.stdin.flush()
        line = self.child.stdout.readline()
        while not line.startswith("["):
            assert self.child.poll() is None
            line = self.child.stdout.readline()
        return json.loads(line)


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airflow]:
    home = tmp_path_factory.mktemp("airflow")
    given = {"PATH": os.environ["PATH"], "AIRFLOW_HOME": str(home), "HOME": str(home)}
    with subprocess.Popen(
        [sys.executable, "-c", CHILD], env=given, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        yield Airflow(child)
        assert child.stdin is not None
        child.stdin.close()


NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True).map(str.lower)
SOME = st.dictionaries(NAMES, CONNECTIONS, max_size=4)
VALUES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
HARD = ["1234e567", "true", "null", "00123", "", " x ", "a\nb\n", "\x01\x1b\ufeff\u2028", "😀", "on", "=", "0x1F", "~"]
VARIABLES = st.dictionaries(NAMES, VALUES | st.sampled_from(HARD), max_size=6)


@pytest.mark.airflow
@PLAIN
@given(connections=SOME, variables=VARIABLES)
def test_airflow_reads_what_was_rendered(
    connections: dict[str, Connection], variables: dict[str, str], airflow: Airflow
) -> None:
    found, texts = airflow.reads(rendered(connections, variables), list(connections), list(variables))
    nothing = dict.fromkeys(("conn_type", "description", "host", "login", "password", "schema", "port", "extra"))
    assert texts == variables
    assert found == {
        conn_id: {**nothing, **item.as_fields(), "extra": item.extra or None, "password": item.password or None}
        for conn_id, item in connections.items()
    }


@PLAIN
@given(connections=SOME, variables=VARIABLES, others=SOME)
def test_what_was_rendered_is_read(
    connections: dict[str, Connection], variables: dict[str, str], others: dict[str, Connection]
) -> None:
    text = rendered(connections, variables, rendered(others))
    found = read(text, "secret.yaml")
    for conn_id, item in {**others, **connections}.items():
        again = found.connection(conn_id)
        assert isinstance(again, Connection)
        assert again.fingerprints() == item.fingerprints()
    assert {key: found.variable(key) for key in variables} == variables
    assert found.index == '{"version":1}'
    assert rendered(connections, variables, text) == text


@PLAIN
@given(value=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), name=NAMES)
def test_yaml_of_any_version_sees_texts(value: str, name: str) -> None:
    """Plain are only those that begin with a letter and are no word of YAML 1.1: all else is in quotes."""
    before = json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "Opaque",
            "metadata": {"name": "airflow-env", "annotations": {"note": value, name: name}},
        }
    )
    annotations = loaded(rendered(before=_as_yaml(before)))["metadata"]["annotations"]
    assert (annotations["note"] if name != "note" else value) == value
    assert annotations[name] == name
    for key, scalar in _scalars(rendered({}, {"a": value}, _as_yaml(before))):
        assert scalar.style == '"' or (scalar.value[0].isalpha() or scalar.value[0] == "_"), key


def _as_yaml(text: str) -> str:
    return yaml.safe_dump(json.loads(text), default_style='"')


def _scalars(text: str) -> Iterator[tuple[str, Any]]:
    todo: list[Any] = [yaml.compose(text, yaml.SafeLoader)]
    while todo:
        node = todo.pop()
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                todo += [key, value]
        else:
            assert node.tag == "tag:yaml.org,2002:str"
            yield node.value, node


# What it looks like


def test_a_new_secret() -> None:
    text = rendered({"warehouse": Connection("postgres", host="db")}, {"Region": "eu", "empty": ""})
    value = base64.b64encode(b'{"conn_type": "postgres", "host": "db"}').decode()
    assert text == (
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: airflow-env\n  namespace: airflow\n"
        "  labels:\n    app.kubernetes.io/managed-by: airflow-bootstrap\n"
        f'  annotations:\n    airflow-bootstrap/index: "{{\\"version\\":1}}"\ntype: Opaque\n'
        f'data:\n  AIRFLOW_CONN_WAREHOUSE: {value}\n  AIRFLOW_VAR_EMPTY: ""\n  AIRFLOW_VAR_REGION: "ZXU="\n'
    )


def test_the_order_of_what_is_given_means_nothing() -> None:
    items: dict[str, Connection | None] = {name: Connection("http", host=name) for name in "cab"}
    assert rendered(items) == rendered(dict(sorted(items.items())))


def test_without_a_namespace_there_is_none() -> None:
    text = render("airflow-env", None, {}, {"a": "1"}, "{}", None)
    assert "namespace" not in loaded(text)["metadata"]
    again = rendered({}, {"a": None}, text.replace("labels:", "x:"))
    assert not {"labels", "data", "stringData"} & {*loaded(again), *loaded(again)["metadata"]}
    assert loaded(again)["metadata"]["namespace"] == "airflow"
    assert loaded(render("airflow-env", None, {}, {}, "{}", again))["metadata"]["namespace"] == "airflow"


BEFORE = """
# theirs
apiVersion: v1
kind: Secret
metadata:
  name: airflow-env
  creationTimestamp: 2026-01-02T03:04:05Z
  generation: 3
  labels: {team: data}
  annotations: {owner: "007", airflow-bootstrap/index: old}
  finalizers: [example.com/keep]
immutable: false
data:
  OTHER: /w==
  AIRFLOW_CONN_KEPT: aHR0cDovL2tlcHQ=
  AIRFLOW_CONN_WAREHOUSE: aHR0cDovL29sZA==
  AIRFLOW_VAR_GONE: |
    aHR0
    cDo=
stringData:
  AIRFLOW_CONN_API: http://old
  AIRFLOW_VAR_ALSO_GONE: x
  kept.txt: "yes"
"""


def test_what_stands_there_besides_stays() -> None:
    changes = {"warehouse": WAREHOUSE, "api": Connection("http", host="new")}
    text = rendered(changes, {"gone": None, "also_gone": None, "never_there": None}, BEFORE, index="new")
    document = yaml.safe_load(text)
    metadata = document.pop("metadata")
    assert metadata == {
        "name": "airflow-env",
        "namespace": "airflow",
        "generation": 3,
        "finalizers": ["example.com/keep"],
        "creationTimestamp": "2026-01-02T03:04:05Z",
        "labels": {"team": "data"},
        "annotations": {"owner": "007", INDEX: "new"},
    }
    assert set(document) == {"apiVersion", "kind", "immutable", "data", "stringData"}
    assert document["immutable"] is False
    assert document["stringData"] == {"kept.txt": "yes"}
    assert set(document["data"]) == {"OTHER", "AIRFLOW_CONN_KEPT", "AIRFLOW_CONN_WAREHOUSE", "AIRFLOW_CONN_API"}
    assert document["data"]["OTHER"] == "/w=="
    found = read(text, "secret.yaml")
    assert found.connection("warehouse") == WAREHOUSE
    assert found.connection("api") == Connection("http", host="new")
    assert found.connection("kept") == Connection("http", host="kept")


def test_what_is_read_there() -> None:
    found = read(BEFORE, "secret.yaml")
    assert found.index == "old"
    assert found.connection("API") == Connection("http", host="old")
    assert (found.variable("gone"), found.variable("also_gone"), found.variable("none")) == ("http:", "x", None)
    assert found.connection("none") is None
    assert read(rendered(before=BEFORE).replace(INDEX, "other"), "").index is None


def test_json_stays_json() -> None:
    text = rendered({"warehouse": WAREHOUSE}, {}, json.dumps(yaml.safe_load(rendered({}, {"face": "😀"}))))
    assert json.loads(text)["kind"] == "Secret"
    assert read(text, "secret.json").variable("face") == "😀"
    assert loaded(text) == loaded(rendered({"warehouse": WAREHOUSE}, {"face": "😀"}))


def test_no_repr_shows_a_value() -> None:
    found = read(rendered({"warehouse": WAREHOUSE}, {"a": CANARY}), "secret.yaml")
    assert isinstance(found, Found)
    assert CANARY not in repr(found)


# What can't be


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "a: b: c",
        "[1]",
        "kind: Secret\n---\nkind: Secret\n",
        "apiVersion: v1\nkind: ConfigMap\n",
        "apiVersion: v2\nkind: Secret\n",
        "apiVersion: v1\nkind: Secret\ndata: [1]\n",
        "apiVersion: v1\nkind: Secret\nstringData: {AIRFLOW_VAR_A: 1}\n",
        "apiVersion: v1\nkind: Secret\nmetadata: {annotations: {1: a}}\n",
        '{"apiVersion": "v1", "kind": "Secret", "stringData": {"a": "\\ud800"}}',
        "!!python/object/apply:os.system [echo]",
        "[" * 1200,
    ],
)
def test_what_is_no_secret(text: str) -> None:
    for with_canary in (text, f"{text}\nx: {CANARY}: y"):
        with pytest.raises(Malformed, match=r"^secret\.yaml") as caught:
            read(with_canary, "secret.yaml")
        assert CANARY not in f"{caught.value.message}{caught.value.hint}{caught.value.__cause__}"
        assert caught.value.hint


def test_a_value_that_can_not_be_read_is_told_of_alone() -> None:
    text = BEFORE.replace("aHR0cDovL29sZA==", f"'*{CANARY}'").replace("aHR0cDovL2tlcHQ=", "/w==")
    found = read(text.replace("http://old", CANARY), "secret.yaml")
    for conn_id, said in (("warehouse", "not base64"), ("kept", "not text in UTF-8"), ("api", "neither")):
        error = found.connection(conn_id)
        assert isinstance(error, Malformed)
        assert f"AIRFLOW_CONN_{conn_id.upper()} in secret.yaml" in error.message
        assert said in error.message
        assert CANARY not in f"{error.message}{error.hint}"
    assert found.variable("gone") == "http:"


def test_another_secret_is_left_alone() -> None:
    assert "another Secret" in refused(Malformed, before=BEFORE.replace("name: airflow-env", "name: theirs"))
    elsewhere = BEFORE.replace("name: airflow-env", "name: airflow-env\n  namespace: theirs")
    assert "another Secret" in refused(Malformed, before=elsewhere)
    assert "not base64" in refused(Malformed, before=BEFORE.replace("/w==", "a?"))


@pytest.mark.parametrize("name", ["my-conn", "a.b", "a b", "ü", "a" * 250, "x\n"])
def test_names_that_no_variable_can_have(name: str) -> None:
    assert "rename" in refused(IllegalName, {name: WAREHOUSE})
    assert "rename" in refused(IllegalName, {}, {name: CANARY})
    with pytest.raises(IllegalName):
        read(BEFORE, "").variable(name)


def test_two_names_that_are_one_variable() -> None:
    assert "would both be AIRFLOW_CONN_A" in refused(IllegalName, {"a": WAREHOUSE, "A": WAREHOUSE})
    assert "would both be AIRFLOW_VAR_A" in refused(IllegalName, {}, {"a": CANARY, "A": CANARY})


@pytest.mark.parametrize(
    ("name", "namespace"),
    [
        *((name, "a") for name in ("A", "", "a_b", "-a", "a..b", "a\n", "x" * 254)),
        *(("a", namespace) for namespace in ("A", "", "a.b", "x" * 64, "a\n")),
    ],
)
def test_names_that_no_secret_can_have(name: str, namespace: str) -> None:
    with pytest.raises(IllegalName, match="can have this name"):
        render(name, namespace, {}, {}, "{}", None)


def test_names_that_look_like_numbers() -> None:
    text = render("1e3", "0x1", {}, {}, "{}", None)
    metadata = loaded(text)["metadata"]
    assert (metadata["name"], metadata["namespace"]) == ("1e3", "0x1")
    assert 'name: "1e3"' in text  # a number to others than PyYAML


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (f"{CANARY}\0", "no environment variable holds a NUL"),
        (f"{CANARY}\ud800", "the value is not text"),
        (CANARY * (LARGEST_VARIABLE // len(CANARY) + 1), f"more than {LARGEST_VARIABLE} bytes"),
    ],
)
def test_values_that_no_variable_can_have(value: str, said: str) -> None:
    assert said in refused(Malformed, {}, {"a": value})


def test_the_largest_variable_is_one_that_a_process_starts_with(tmp_path: Path) -> None:
    largest = "x" * (LARGEST_VARIABLE - len("AIRFLOW_VAR_A=") - 1)
    given = environment(rendered({}, {"a": largest}))
    subprocess.run(["/bin/true"], env=given, check=True, cwd=tmp_path)
    assert "no process starts" in refused(Malformed, {}, {"a": f"{largest}x"})
    with pytest.raises(OSError, match="too long"):
        subprocess.run(["/bin/true"], env={**given, "AIRFLOW_VAR_A": f"{largest}x"}, check=True, cwd=tmp_path)


def test_the_largest_secret() -> None:
    part = 100_000
    variables: dict[str, str | None] = {f"v{number}": "x" * part for number in range(LARGEST // part)}
    left = LARGEST - part * len(variables)
    assert loaded(rendered({}, {**variables, "last": "x" * left}))
    assert f"at most {LARGEST}" in refused(Malformed, {}, {**variables, "last": "x" * left, "more": "x"})
    theirs = rendered({}, variables)
    assert f"at most {LARGEST}" in refused(Malformed, {}, {"last": "x" * (left + 1)}, theirs)


def test_the_largest_index() -> None:
    assert loaded(rendered(index="x" * (LARGEST_NOTES - len(INDEX))))
    assert f"at most {LARGEST_NOTES}" in refused(Malformed, index="x" * (LARGEST_NOTES - len(INDEX) + 1))
