"""What `explain` predicts is what happens, on every Airflow that is supported: a store, the environment, the database."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from bootstrap.airflow.environment import installed_version
from tests.explain.bench import Site, agree
from tests.project import ROOT, Project

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(600)]

FILE = "airflow.secrets.local_filesystem.LocalFilesystemBackend"
STORE = "store.example"
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


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(Project(tmp_path))


def test_what_is_predicted_is_what_happens(site: Site, template: Path) -> None:
    connections, variables = site.project.folder / "connections.json", site.project.folder / "variables.json"
    kwargs = {"connections_file_path": str(connections), "variables_file_path": str(variables)}
    site.write({"secrets": {"backend": FILE, "backend_kwargs": kwargs}}, template=template)
    http = {"conn_type": "http", "host": STORE, "password": site.canary.value}
    connections.write_text(json.dumps(dict.fromkeys(("only_store", "everywhere"), http)))
    variables.write_text(json.dumps({"only_store": STORE}))
    site.in_environment("only_env", "everywhere")
    site.in_environment("no_env", text="")
    site.in_environment("stray", text='{"conn_type": "http", "conn_id": "x"}')
    site.in_database("only_db", "everywhere", "stray", "no_env")
    site.variable_in_database("only_db")
    ids = ["only_store", "everywhere", "stray", "only_env", "no_env", "only_db", "nowhere"]
    found = agree(site, {"secrets": STORE}, ids, ["only_store", "only_db", "nowhere"])
    states = {key: [row["state"] for row in found[key]["server"]["sources"]] for key in found}
    assert states == {
        "only_store": ["hit", "miss", "miss"],
        "everywhere": ["hit", "shadowed", "shadowed"],
        "stray": ["miss", "malformed", "hit"],
        "only_env": ["miss", "hit", "miss"],
        "no_env": ["miss", "malformed", "hit"],
        "only_db": ["miss", "miss", "hit"],
        "nowhere": ["miss", "miss", "miss"],
        "variable only_store": ["hit", "miss", "miss"],
        "variable only_db": ["miss", "miss", "hit"],
        "variable nowhere": ["miss", "miss", "miss"],
    }
    is_2 = (installed_version() or "").startswith("2.")
    assert found["only_db"]["worker"]["winner"] == ("database" if is_2 else "execution_api")


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
    is_2 = (installed_version() or "").startswith("2.")
    assert len(asked.read_text().splitlines()) == (1 if is_2 else 2)  # by each chain, until it was out of reach
    states = {key: lookup["worker"]["sources"][0]["state"] for key, lookup in found.items()}
    assert states == {"both": "unreachable", "nowhere": "unreachable"}
    assert site.lookups([], ["both"])["variable both"]["worker"]["sources"][0]["state"] == "denied"


def test_options_and_teams(site: Site) -> None:
    site.write({"core": {"fernet_key_cmd": "echo x"}}, template=None)
    result = site.explain("--config", "core.fernet_key", "--config", "core.dags_folder", "--json")
    winners = {item["id"]: item["server"]["winner"] for item in result.json()["lookups"]}
    assert (result.code, winners) == (
        0,
        {"core.fernet_key": "[core] fernet_key_cmd", "core.dags_folder": "[core] dags_folder"},
    )
    result = site.project.run("explain", "x", "--team", "etl")
    assert (result.code, result.out) == (2, "")
