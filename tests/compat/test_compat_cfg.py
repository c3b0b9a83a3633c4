"""What airflow.cfg means to each Airflow that is supported: the table of releases is true, and errors are hidden in all.

The secrets backend is one of Airflow's own that reads a file: providers are not the same in all environments.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import TypeAlias

import pytest

from bootstrap.airflow.releases import release
from tests import airflow_probe
from tests.airflow_probe import Probe
from tests.project import Project

pytestmark = pytest.mark.airflow

CLASS = "airflow.secrets.local_filesystem.LocalFilesystemBackend"
KNOWN = release(version("apache-airflow"))
Files: TypeAlias = Callable[[str], str]
STALE = {"AIRFLOW_CONN_WAREHOUSE": '{"conn_type": "postgres", "password": "stale"}'}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """The path of a file with the connection `warehouse`, whose password is the file's name; none for `gone`."""
    folder = tmp_path_factory.mktemp("files")

    def path(name: str) -> str:
        file = folder / f"{name}.json"
        if name != "gone":
            file.write_text(json.dumps({"warehouse": {"conn_type": "postgres", "password": name}}))
        return str(file)

    return path


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Probe]:
    with airflow_probe.running(tmp_path_factory.mktemp("airflow")) as probe:
        yield probe


def secrets(file: str) -> dict[str, str]:
    return {"AIRFLOW__SECRETS__BACKEND": CLASS, "AIRFLOW__SECRETS__BACKEND_KWARGS": as_kwargs(file)}


def as_kwargs(file: str) -> str:
    return json.dumps({"connections_file_path": file})


@pytest.mark.parametrize("side", ["server", "worker"])
def test_an_error_of_the_backend_reads_as_a_missing_connection(side: str, files: Files, airflow: Probe) -> None:
    assert airflow.ask(side, "warehouse", variables=secrets(files("good"))).got == "good"
    assert (
        airflow.ask(side, "warehouse", variables=secrets(files("gone"))).said == "The conn_id `warehouse` isn't defined"
    )
    assert airflow.ask(side, "warehouse", variables={**secrets(files("gone")), **STALE}).got == "stale"


def test_explain_tells_of_the_error(files: Files, tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write(
        f"version: 1\nairflow: {{home: airflow}}\nbackend: {{class: {CLASS}, kwargs: {as_kwargs(files('gone'))}}}\n"
    )
    assert project.run("render").code == 0
    found = project.run("explain", "warehouse", "--json", **STALE)
    [lookup] = found.json()["lookups"]
    assert found.code != 0
    for side in ("server", "worker"):
        assert lookup[side]["winner"] == "environment"
        assert lookup[side]["sources"][0]["state"] not in {"hit", "miss"}
    assert any(warned["code"].startswith("hidden_") for warned in lookup["warnings"])


def test_only_some_releases_read_an_argument_from_a_variable_of_its_own(files: Files, airflow: Probe) -> None:
    variables = {**secrets(files("good")), "AIRFLOW__SECRETS__BACKEND_KWARG__CONNECTIONS_FILE_PATH": files("variable")}
    found = airflow.ask("worker", "warehouse", variables=variables)
    assert found.got == ("variable" if KNOWN.kwarg_variables else "good")


def test_only_some_releases_have_a_backend_for_workers(files: Files, airflow: Probe) -> None:
    workers = {
        "AIRFLOW__WORKERS__SECRETS_BACKEND": CLASS,
        "AIRFLOW__WORKERS__SECRETS_BACKEND_KWARGS": as_kwargs(files("workers")),
    }
    found = airflow.ask("worker", "warehouse", variables={**secrets(files("good")), **workers})
    assert found.got == ("workers" if KNOWN.workers else "good")
    assert airflow.ask("server", "warehouse", variables={**secrets(files("good")), **workers}).got == "good"


def test_render_refuses_what_the_release_does_not_have(files: Files, tmp_path: Path) -> None:
    project = Project(tmp_path)
    source = f"class: {CLASS}, kwargs: {as_kwargs(files('good'))}"
    project.write(f"version: 1\nairflow: {{home: airflow}}\nbackend: {{{source}, workers: {{{source}}}}}\n")
    done = project.run("render")
    assert done.code == (0 if KNOWN.workers else 2), done.text
    assert ("no secrets backend for its workers" in done.err) is not KNOWN.workers
