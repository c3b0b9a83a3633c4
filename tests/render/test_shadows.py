"""What Airflow reads before the options that `render` manages is named, and can be taken out of airflow.cfg and put back."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from bootstrap.airflow.environment import locate
from bootstrap.desired.resolve import SecretReader
from bootstrap.errors import AirflowError, Exit, Finding
from bootstrap.explain import surroundings
from bootstrap.manifest.loader import Manifest, load
from bootstrap.register import drift
from bootstrap.render import cfg_file, shadows, verify
from bootstrap.render.settings import settings
from bootstrap.render.shadows import Shadowed
from bootstrap.util import children
from tests.project import Project

CONFIG = """
config:
  database: {sql_alchemy_conn: {cmd: "echo sqlite:////from-cmd.db"}}
  api: {secret_key: {cmd: "echo key-from-cmd"}}
"""
BACKEND = """
backend: {class: airflow.secrets.local_filesystem.LocalFilesystemBackend, kwargs: {connections_file_path: /c.json}}
"""
OLD = """[core]
executor = LocalExecutor
sql_alchemy_conn = sqlite:////old.db
fernet_key =

[webserver]
secret_key = temporary_key
web_server_port = 80
"""
SHADOWED = {("core", "sql_alchemy_conn"), ("webserver", "secret_key")}


def project(folder: Path, text: str, cfg: str = "[core]\n") -> Manifest:
    (folder / "af").mkdir(exist_ok=True)
    (folder / "af" / "airflow.cfg").write_text(cfg)
    file = folder / "bootstrap.yaml"
    file.write_text(f"version: 1\nairflow: {{home: af}}\n{text}")
    return load(file)


def places(folder: Path, cfg: str, text: str = CONFIG) -> set[tuple[str, str]]:
    manifest = project(folder, text, cfg)
    found = cfg_file.render(settings(manifest), folder / "af" / "airflow.cfg").shadows
    return {(place.section, place.option) for place in found}


@pytest.mark.parametrize(
    ("cfg", "found"),
    [
        (OLD, SHADOWED),
        ("[database]\nsql_alchemy_conn = x\nsql_alchemy_conn_secret = y\n", set()),  # render takes them out
        ("[core]\nsql_alchemy_conn =\n", {("core", "sql_alchemy_conn")}),  # Airflow takes an empty one, too
        (
            "[core]\nsql_alchemy_conn_cmd = x\nsql_alchemy_conn_secret = y\n",
            set(),
        ),  # it asks for these at the new place first
        ("[core]\nSQL_ALCHEMY_CONN = x\n[Core]\nsql_alchemy_conn = x\n", set()),  # it knows lower case only
    ],
)
def test_what_airflow_reads_before_a_managed_option(cfg: str, found: set[tuple[str, str]], tmp_path: Path) -> None:
    assert places(tmp_path, cfg) == found


def test_what_stands_in_every_section_is_left_to_people(tmp_path: Path) -> None:
    with pytest.raises(Shadowed, match=r"\[DEFAULT\] secret_key is still set") as caught:
        places(tmp_path, "[DEFAULT]\nsecret_key = x\n")
    assert "by hand" in caught.value.hint
    [finding] = found(project(tmp_path, CONFIG, "[DEFAULT]\nsecret_key = x\n"))
    assert "[DEFAULT] secret_key" in finding.message


def test_an_old_command_comes_before_a_new_secret(tmp_path: Path) -> None:
    text = 'stores: {v: {kind: vault, url: "http://127.0.0.1:1", mount: a}}\nbackend: {store: v}\n'
    text += 'config: {database: {sql_alchemy_conn: {secret: "v:config/conn"}}}\n'
    assert places(tmp_path, "[core]\nsql_alchemy_conn_cmd = x\nsql_alchemy_conn_secret = y\n", text) == {
        ("core", "sql_alchemy_conn_cmd")
    }


def test_render_takes_deprecated_options_out_and_remove_puts_them_back(tmp_path: Path) -> None:
    manifest = project(tmp_path, CONFIG, OLD)
    file, environment = tmp_path / "af" / "airflow.cfg", locate(manifest)
    rendering = cfg_file.render(settings(manifest), file, replace_deprecated=True)
    cfg_file.require_no_shadow(rendering)
    cfg_file.write(rendering, environment.records)
    text = file.read_text()
    assert "old.db" not in text
    assert "temporary_key" not in text
    assert "web_server_port = 80" in text
    assert not cfg_file.render(settings(manifest), file).changed
    cfg_file.write(cfg_file.remove(lambda: settings(manifest), file, environment.records), environment.records)
    assert file.read_text() == OLD


def variables(manifest: Manifest) -> list[str]:
    wanted = settings(manifest)
    return shadows.in_environment(cfg_file.managed(wanted), wanted, locate(manifest))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AIRFLOW__SECRETS__BACKEND", "my.Other"),
        ("AIRFLOW__SECRETS__BACKEND", ""),
        ("AIRFLOW__SECRETS__BACKEND_KWARGS", "{}"),
        ("AIRFLOW__SECRETS__BACKEND_KWARGS", "not JSON"),
        ("AIRFLOW__SECRETS__BACKEND_KWARGS_CMD", "echo"),
        ("AIRFLOW__SECRETS__BACKEND_KWARGS_SECRET", "x"),
        ("AIRFLOW__SECRETS__BACKEND_KWARG__URL", "x"),
        ("AIRFLOW__WORKERS__SECRETS_BACKEND", "my.Other"),
        ("AIRFLOW__WORKERS__SECRETS_BACKEND_KWARGS", "{}"),
        ("AIRFLOW__WORKERS__SECRETS_BACKEND_KWARG__URL", "x"),
        ("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "sqlite://"),
        ("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD", "echo other"),
        ("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_SECRET", "x"),
        ("AIRFLOW__CORE__SQL_ALCHEMY_CONN", "sqlite://"),
        ("AIRFLOW__CORE__SQL_ALCHEMY_CONN_CMD", "echo"),
        ("AIRFLOW__WEBSERVER__SECRET_KEY", "x"),
    ],
)
@pytest.mark.parametrize("by_manifest", [False, True])
def test_a_variable_that_overrides_a_managed_option_is_named_by_all_who_rely_on_it(
    name: str, value: str, by_manifest: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = CONFIG + BACKEND
    if by_manifest:
        text = text.replace("backend:", f"airflow: {{home: af, env: {{{name}: {json.dumps(value)}}}}}\nbackend:")
        manifest = load_text(tmp_path, text)
    else:
        manifest = project(tmp_path, text)
        monkeypatch.setenv(name, value)
    assert variables(manifest) == [name]
    environment = locate(manifest)
    told = [item for item in surroundings.examine(manifest, environment) if not item.ok]
    assert [(item.exit_code, item.fix) for item in told] == [(Exit.FAILED, f"unset {name}")]
    found = drift.find(manifest, environment, SecretReader(manifest))
    assert found.exit_code == Exit.FAILED
    assert any(name in sentence for sentence in found.sentences)
    with pytest.raises(AirflowError, match=f"{name} in the environment overrides airflow.cfg"):
        verify.verify(settings(manifest), environment)


def load_text(folder: Path, text: str) -> Manifest:
    (folder / "af").mkdir()
    (folder / "bootstrap.yaml").write_text(f"version: 1\n{text}")
    return load(folder / "bootstrap.yaml", allow_plaintext=True)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AIRFLOW__SECRETS__BACKEND", "airflow.secrets.local_filesystem.LocalFilesystemBackend"),
        ("AIRFLOW__SECRETS__BACKEND_KWARGS", '{ "connections_file_path":"/c.json" }'),
        ("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD", "echo sqlite:////from-cmd.db"),
        ("AIRFLOW__WORKERS__SECRETS_BACKEND", ""),
        ("AIRFLOW__SECRETS__BACKEND_CMD", "echo"),  # Airflow runs commands for sensitive options alone
        ("airflow__secrets__backend", "x"),
        ("AIRFLOW__CORE__PARALLELISM", "3"),
    ],
)
def test_a_variable_that_changes_nothing_is_none(
    name: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    assert variables(project(tmp_path, CONFIG + BACKEND)) == []


def found(manifest: Manifest) -> list[Finding]:
    return list(surroundings.examine(manifest, locate(manifest)))


def test_doctor_names_deprecated_places_a_byte_order_mark_and_a_package_of_our_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [finding] = found(project(tmp_path, CONFIG, OLD))
    assert finding.warning
    assert "[core] sql_alchemy_conn is still set" in finding.message
    assert "render --replace-deprecated" in finding.fix
    [finding] = found(project(tmp_path, CONFIG, f"\ufeff{OLD}"))
    assert finding.exit_code == Exit.AIRFLOW
    assert "byte order mark" in finding.message
    assert "sed -i" in finding.fix
    (tmp_path / "lib" / "bootstrap").mkdir(parents=True)
    (tmp_path / "lib" / "bootstrap" / "__init__.py").touch()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "lib"))
    [finding] = found(project(tmp_path, ""))
    assert finding.warning
    assert "lib/bootstrap" in finding.message
    assert list(children.namesakes([str(tmp_path / "lib"), str(Path(children.__file__).parents[2])])) == [
        tmp_path / "lib" / "bootstrap"
    ]
    (tmp_path / "checkout").mkdir()
    shutil.copytree(Path(children.__file__).parents[1], tmp_path / "checkout" / "bootstrap")
    assert list(children.namesakes([str(tmp_path / "checkout")])) == []  # this tool, once more


@pytest.mark.parametrize(
    ("register", "value", "said"),
    [
        ("metadata", "http://other", Exit.FAILED),
        ("metadata", "http://h", None),
        ("metadata", '{"conn_type": "http", "host": "h", "description": "d"}', None),
        ("metadata", "", Exit.FAILED),
        ("env: {}", "http://other", Exit.OK),  # the file is what checks get, and what is to be loaded
        ("env: {}", "http://h", None),
    ],
)
def test_a_variable_with_another_connection_is_named(
    register: str, value: str, said: Exit | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = project(tmp_path, f"register: [{register}]\nconnections: {{web: {{conn_type: http, host: h}}}}\n")
    monkeypatch.setenv("AIRFLOW_CONN_WEB", value)
    wanted = drift.registered(manifest, SecretReader(manifest))
    told = list(surroundings.connections(manifest, locate(manifest), wanted))
    assert [item.exit_code for item in told] == ([] if said is None else [said])
    assert all("AIRFLOW_CONN_WEB" in item.message for item in told)


@pytest.fixture
def work(tmp_path: Path) -> Project:
    made = Project(tmp_path)
    made.write(f"version: 1\nairflow: {{home: af}}\n{CONFIG}")
    (made.manifest.parent / "af").mkdir()
    (made.manifest.parent / "af" / "airflow.cfg").write_text(OLD)
    return made


def test_render_fails_where_airflow_would_read_something_else(work: Project) -> None:
    file = work.manifest.parent / "af" / "airflow.cfg"
    for arguments in (("render",), ("render", "--check")):
        done = work.run(*arguments)
        assert done.code == 1, done.text
        assert (
            "[core] sql_alchemy_conn is still set, and Airflow reads it before [database] sql_alchemy_conn_cmd"
            in done.err
        )
        assert "next: airflow-bootstrap render --replace-deprecated" in done.err
    done = work.run("render", "--diff")
    assert done.code == 0
    assert "warning: [core] sql_alchemy_conn is still set" in done.err
    assert work.run("render", "--replace-deprecated").code == 0
    assert "old.db" not in file.read_text()
    assert work.run("render", "--check").code == 0
    done = work.run("render", "--check", AIRFLOW__CORE__SQL_ALCHEMY_CONN="sqlite://")
    assert done.code == 1
    assert "AIRFLOW__CORE__SQL_ALCHEMY_CONN in the environment overrides airflow.cfg" in done.err
    assert work.run("render", "--remove").code == 0
    assert file.read_text() == OLD
    file.write_text(f"\ufeff{OLD}")
    done = work.run("render")
    assert done.code == 4
    assert "byte order mark" in done.err
    assert file.read_text() == f"\ufeff{OLD}"


@pytest.mark.airflow
def test_up_asks_before_it_takes_out_a_deprecated_option_and_airflow_reads_the_new_one(work: Project) -> None:
    file = work.manifest.parent / "af" / "airflow.cfg"
    work.manifest.write_text(work.manifest.read_text().replace("/from-cmd.db", str(work.folder / "from-cmd.db")))
    done = work.run("up")
    assert done.code == 2, done.text
    assert "there is no terminal to ask on" in done.err
    assert file.read_text() == OLD
    done = work.run("up", "--yes")
    assert "airflow.cfg" in done.text
    assert "read back by Airflow" in done.text
    assert "! config api.secret_key" in " ".join(
        done.out.split()
    )  # `echo` ends its line, and Airflow takes that for a part
    assert "old.db" not in file.read_text()
    done = work.run("render", "--verify")
    assert done.code == 0, done.text
    file.write_text(file.read_text().replace("[core]\n", "[core]\nsql_alchemy_conn = sqlite:////old.db\n"))
    before = file.read_text()
    done = work.run("render", "--verify")
    assert done.code == 1
    assert file.read_text() == before


@pytest.mark.airflow
def test_airflows_own_parser_has_the_last_word(work: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where our table of deprecated places has a gap."""
    monkeypatch.setattr(shadows, "in_file", lambda *_: [])
    manifest = load(work.manifest)
    environment = locate(manifest)
    with pytest.raises(AirflowError, match="reads another value"):
        verify.write_verified(cfg_file.render(settings(manifest), environment.config), settings(manifest), environment)
    assert environment.config.read_text() == OLD


def test_shadowed_is_drift(tmp_path: Path) -> None:
    manifest = project(tmp_path, CONFIG, OLD)
    environment = locate(manifest)
    with pytest.raises(Shadowed):
        cfg_file.require_no_shadow(cfg_file.render(settings(manifest), environment.config))
    cfg_file.write(cfg_file.render(settings(manifest), environment.config), environment.records)
    assert drift.find(manifest, environment, SecretReader(manifest)).differing == ("airflow.cfg",)
