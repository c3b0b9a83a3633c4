"""What airflow.cfg means to each Airflow that is supported: the table of releases is true, and errors are hidden in all.

The secrets backend is one of Airflow's own that reads a file: providers are not the same in all environments.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import yaml

from bootstrap.airflow.releases import release
from bootstrap.domain.connection import Connection, from_text
from bootstrap.errors import Malformed
from tests import airflow_probe
from tests.airflow_probe import Probe
from tests.project import Project

pytestmark = [pytest.mark.airflow, pytest.mark.usefixtures("warm_command_line")]

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


@pytest.mark.contract("hidden errors")
@pytest.mark.parametrize("side", ["server", "worker"])
def test_an_error_of_the_backend_reads_as_a_missing_connection(side: str, files: Files, airflow: Probe) -> None:
    assert airflow.ask(side, "warehouse", variables=secrets(files("good"))).got == "good"
    assert (
        airflow.ask(side, "warehouse", variables=secrets(files("gone"))).said == "The conn_id `warehouse` isn't defined"
    )
    assert airflow.ask(side, "warehouse", variables={**secrets(files("gone")), **STALE}).got == "stale"


@pytest.mark.contract("hidden errors")
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


@pytest.mark.contract("kwarg variables")
def test_only_some_releases_read_an_argument_from_a_variable_of_its_own(files: Files, airflow: Probe) -> None:
    variables = {**secrets(files("good")), "AIRFLOW__SECRETS__BACKEND_KWARG__CONNECTIONS_FILE_PATH": files("variable")}
    found = airflow.ask("worker", "warehouse", variables=variables)
    assert found.got == ("variable" if KNOWN.kwarg_variables else "good")


@pytest.mark.contract("workers' backend")
def test_only_some_releases_have_a_backend_for_workers(files: Files, airflow: Probe) -> None:
    workers = {
        "AIRFLOW__WORKERS__SECRETS_BACKEND": CLASS,
        "AIRFLOW__WORKERS__SECRETS_BACKEND_KWARGS": as_kwargs(files("workers")),
    }
    found = airflow.ask("worker", "warehouse", variables={**secrets(files("good")), **workers})
    assert found.got == ("workers" if KNOWN.workers else "good")
    assert airflow.ask("server", "warehouse", variables={**secrets(files("good")), **workers}).got == "good"
    del workers["AIRFLOW__WORKERS__SECRETS_BACKEND"]
    assert airflow.ask("worker", "warehouse", variables={**secrets(files("good")), **workers}).got == "good"


@pytest.mark.contract("candidates")
@pytest.mark.parametrize("side", ["server", "worker"])
def test_the_backend_precedes_the_environment_unless_it_is_blanked(side: str, files: Files, airflow: Probe) -> None:
    variables = {**secrets(files("good")), **STALE}
    assert airflow.ask(side, "warehouse", variables=variables).got == "good"
    assert airflow.ask(side, "warehouse", variables={**variables, "AIRFLOW__SECRETS__BACKEND": ""}).got == "stale"


@pytest.mark.contract("refusals")
def test_render_refuses_what_the_release_does_not_have(files: Files, tmp_path: Path) -> None:
    project = Project(tmp_path)
    source = f"class: {CLASS}, kwargs: {as_kwargs(files('good'))}"
    project.write(f"version: 1\nairflow: {{home: airflow}}\nbackend: {{{source}, workers: {{{source}}}}}\n")
    done = project.run("render")
    assert done.code == (0 if KNOWN.workers else 2), done.text
    assert ("no secrets backend for its workers" in done.err) is not KNOWN.workers


@pytest.mark.contract("backend arguments")
def test_what_is_rendered_is_what_airflow_reads(files: Files, tmp_path: Path) -> None:
    project = Project(tmp_path)
    source = f"class: {CLASS}, kwargs: {as_kwargs(files('good'))}"
    project.write(f"version: 1\nairflow: {{home: airflow}}\nbackend: {{{source}}}\n")
    done = project.run("render", "--verify")
    assert (done.code, "read back by Airflow" in done.text) == (0, True), done.text
    project.write(project.manifest.read_text().replace("connections_file_path", "conections_file_path"))
    done = project.run("render", "--verify")
    assert (done.code, "connections_file_path" in done.err) == (2, True), done.text


@pytest.mark.contract("backend arguments")
@pytest.mark.parametrize("text", ['{"connections_file_path": ', '["x"]', ""])
def test_arguments_that_are_no_object_are_none_to_airflow(text: str, airflow: Probe) -> None:
    """It warns in its log, at most; that is why `render` writes them, and reads them back."""
    variables = {"AIRFLOW__SECRETS__BACKEND": CLASS, "AIRFLOW__SECRETS__BACKEND_KWARGS": text}
    for side in ("server", "worker"):
        assert airflow.ask(side, "warehouse", variables={**variables, **STALE}).got == "stale"


@pytest.mark.contract("options")
def test_the_table_is_what_airflow_says() -> None:
    spec = importlib.util.find_spec("airflow")
    assert spec is not None
    [folder] = map(Path, spec.submodule_search_locations or [])
    described: Any = yaml.load((folder / "config_templates" / "config.yml").read_text(), yaml.CSafeLoader)
    options = {f"{section}.{name}": item for section, it in described.items() for name, item in it["options"].items()}
    sensitive = {name for name, option in options.items() if option.get("sensitive")}
    assert KNOWN.sensitive == sensitive - {"secrets.backend_kwargs", "workers.secrets_backend_kwargs"}
    assert KNOWN.workers == ("workers.secrets_backend" in options)
    assert KNOWN.teams == ("core.multi_team" in options)
    parsers = (folder / "_shared" / "configuration" / "parser.py", folder / "configuration.py")
    assert KNOWN.kwarg_variables == any("BACKEND_KWARG__" in file.read_text() for file in parsers if file.exists())


@pytest.mark.contract("verdict")
def test_an_error_that_the_context_does_not_have_is_found(airflow: Probe) -> None:
    assert airflow.ask("unreported", variables={}).got == ["KeyError", "NoneType"]


@pytest.mark.contract("one start")
def test_airflow_is_warmed_up_without_a_complaint(airflow: Probe) -> None:
    found = airflow.ask("warm_up", variables={})
    assert (found.got, "could not be warmed up" in found.log) == (True, False), found.log


FULL = Connection(
    "postgres",
    host="DB.internal",
    login="00123",
    password='it\'s "q" %s\\ ü€ [x] @/:#?',
    schema="a/b\nc",
    port=5432,
    extra={"sslmode": "require", "n": {"a": [1, None, True, "null", "1e3"]}, "empty": ""},
)
URIS = (
    "postgresql://etl:p%40ss%2Fw%3Ar%23d%3F%5B@db.internal:5432/analytics?sslmode=require",
    "postgres://etl@[::1]:5/a%2Fb",
    "http://https://api.example.com:8443/v1",
    "google-cloud-platform://?project=p&key_path=%2Fk",
    "aws://@/?__extra__=%7B%22a%22%3A+%7B%22b%22%3A+%5B1%2C+null%5D%7D%7D",
)


@pytest.mark.contract("connection formats")
@pytest.mark.parametrize("side", ["server", "worker"])
def test_airflow_reads_a_connection_as_we_do(side: str, airflow: Probe) -> None:
    for text in (json.dumps(FULL.as_fields()), *URIS):
        found = airflow.ask("fields", side, "x", variables={"AIRFLOW_CONN_X": text})
        ours = from_text(text, "x").as_fields()
        assert found.got is not None, (text, found)
        assert {key: value for key, value in found.got.items() if value or key in ours} == ours, text
    assert from_text(json.dumps(FULL.as_fields()), "x") == FULL


@pytest.mark.contract("connection formats")
@pytest.mark.parametrize("side", ["server", "worker"])
@pytest.mark.parametrize(
    "text", ['{"conn_type": "http", "conn_id": "x"}', "http://u:p@h://x://y", '{"conn_type": ', "postgres://u@h:x"]
)
def test_airflow_refuses_what_we_refuse(side: str, text: str, airflow: Probe) -> None:
    assert airflow.ask("fields", side, "x", variables={"AIRFLOW_CONN_X": text}).raised
    with pytest.raises(Malformed):
        from_text(text, "x")
