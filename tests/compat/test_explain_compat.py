"""What `explain` predicts is what happens, on every Airflow that is supported: a store, the environment, the database."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from bootstrap.airflow.environment import installed_version
from bootstrap.airflow.releases import release
from tests.explain.bench import Site, agree
from tests.project import ROOT, Project

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(600), pytest.mark.usefixtures("warm_command_line")]

FILE = "airflow.secrets.local_filesystem.LocalFilesystemBackend"
STORE = "store.example"
KNOWN = release(installed_version())
OWN = """
from airflow.secrets import BaseSecretsBackend

class OwnBackend(BaseSecretsBackend):
    def get_conn_value(self, conn_id, **_):
        with open(__file__ + ".asked", "a") as file:
            file.write("once\\n")
        raise ConnectionRefusedError(conn_id)

    def get_variable(self, key, **_):
        raise PermissionError(key)
"""
STOPS = """
from airflow.sdk.exceptions import AirflowSecretsBackendAccessDenied
from airflow.secrets import BaseSecretsBackend

class OwnBackend(BaseSecretsBackend):
    def get_conn_value(self, conn_id, **_):
        raise AirflowSecretsBackendAccessDenied(conn_id)
"""


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(Project(tmp_path))


@pytest.mark.contract("resolution order")
@pytest.mark.contract("malformed connections")
def test_what_is_predicted_is_what_happens(site: Site, template: Path) -> None:
    connections, variables = site.project.folder / "connections.json", site.project.folder / "variables.json"
    kwargs = {"connections_file_path": str(connections), "variables_file_path": str(variables)}
    site.write({"secrets": {"backend": FILE, "backend_kwargs": kwargs}}, template=template)
    http = {"conn_type": "http", "host": STORE, "password": site.canary.value}
    connections.write_text(json.dumps(dict.fromkeys(("only_store", "everywhere"), http)))
    variables.write_text(json.dumps({"only_store": STORE}))
    site.in_environment("only_env", "everywhere")
    site.in_environment("no_env", "empty", text="")
    site.in_environment("stray", "only_stray", text='{"conn_type": "http", "conn_id": "x"}')
    site.in_environment("no_json", text='{"conn_type": ')
    site.in_database("only_db", "everywhere", "stray", "no_env")
    site.variable_in_database("only_db")
    malformed = ["only_stray", "no_json", "empty"]
    ids = ["only_store", "everywhere", "stray", *malformed, "only_env", "no_env", "only_db", "nowhere"]
    found = agree(site, {"secrets": STORE}, ids, ["only_store", "only_db", "nowhere"])
    states = {key: [row["state"] for row in found[key]["server"]["sources"]] for key in found}
    assert states == {
        "only_store": ["hit", "miss", "miss"],
        "everywhere": ["hit", "shadowed", "shadowed"],
        "stray": ["miss", "malformed", "hit"],
        "only_stray": ["miss", "malformed", "miss"],
        "no_json": ["miss", "malformed", "miss"],
        "empty": ["miss", "malformed", "miss"],
        "only_env": ["miss", "hit", "miss"],
        "no_env": ["miss", "malformed", "hit"],
        "only_db": ["miss", "miss", "hit"],
        "nowhere": ["miss", "miss", "miss"],
        "variable only_store": ["hit", "miss", "miss"],
        "variable only_db": ["miss", "miss", "hit"],
        "variable nowhere": ["miss", "miss", "miss"],
    }
    assert found["only_db"]["worker"]["winner"] == ("execution_api" if KNOWN.execution_api else "database")
    for side in ("server", "worker"):
        assert all("isn't defined" in found[key][side]["says"] for key in malformed)


@pytest.mark.contract("hidden errors")
def test_an_error_of_a_backend_is_not_a_missing_connection(site: Site, template: Path) -> None:
    (site.project.folder / "own_backend.py").write_text(OWN)
    site.environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(site.project.folder)])
    site.write({"secrets": {"backend": "own_backend.OwnBackend"}}, template=template)
    site.in_database("both")
    site.variable_in_database("both")
    found = agree(site, {}, ["both", "nowhere"])
    assert site.project.transcript[-1].code == 3
    asked = site.project.folder / "own_backend.py.asked"
    asked.unlink()
    site.explain("both", "nowhere", "third")
    chains = 2 if KNOWN.execution_api else 1
    assert len(asked.read_text().splitlines()) == chains  # each asks until it was out of reach
    states = {key: lookup["worker"]["sources"][0]["state"] for key, lookup in found.items()}
    assert states == {"both": "unreachable", "nowhere": "unreachable"}
    assert site.lookups([], ["both"])["variable both"]["worker"]["sources"][0]["state"] == "denied"


@pytest.mark.contract("final refusals")
def test_a_refusal_that_airflow_takes_for_final(site: Site, template: Path) -> None:
    if not KNOWN.teams:  # which came with it
        pytest.skip("before Airflow 3.2 nothing that a backend says ends the search")
    (site.project.folder / "own_backend.py").write_text(STOPS)
    site.environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(site.project.folder)])
    site.write({"secrets": {"backend": "own_backend.OwnBackend"}}, template=template)
    site.in_database("both")
    found = agree(site, {}, ["both"])
    assert [found["both"][side]["winner"] for side in ("server", "worker")] == [None, None]
    assert site.project.transcript[-1].code == 3


@pytest.mark.contract("option look-up")
def test_options(site: Site) -> None:
    site.write({"core": {"fernet_key_cmd": "echo x"}}, template=None)
    result = site.explain("--config", "core.fernet_key", "--config", "core.dags_folder", "--json")
    winners = {item["id"]: item["server"]["winner"] for item in result.json()["lookups"]}
    assert (result.code, winners) == (
        0,
        {"core.fernet_key": "[core] fernet_key_cmd", "core.dags_folder": "[core] dags_folder"},
    )


@pytest.mark.contract("refusals")
def test_a_team_is_refused_where_there_are_none(site: Site, template: Path) -> None:
    site.write({}, template=template)
    result = site.project.run("explain", "x", "--team", "etl")
    assert (result.code, result.out) == (2, "")
    assert ("multi_team is not switched on" if KNOWN.teams else "has no teams") in result.err


@pytest.mark.contract("teams")
def test_a_team_has_connections_of_its_own(site: Site, template: Path) -> None:
    if not KNOWN.teams:
        pytest.skip("there are no teams before Airflow 3.2")
    bundle = {
        "name": "etl",
        "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
        "kwargs": {"path": str(site.home / "dags")},
        "team_name": "etl",
    }
    bundles: dict[str, Any] = {"dag_bundle_config_list": [bundle]}
    site.write({"core": {"multi_team": "True"}, "dag_processor": bundles}, template=template)
    site.team = "etl"
    site.in_team("etl", "other")
    site.in_database("own", host="team.example", team_name="etl")
    site.in_database("foreign", host="other.example", team_name="other")
    site.in_database("everybodys", host="team.example")
    ids = ["own", "foreign", "everybodys"]
    found = agree(site, {"database": "team.example"}, ids)
    assert [found[key]["server"]["winner"] for key in ids] == ["database", None, "database"]
