"""Files with secrets stay out of git."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from bootstrap.airflow.environment import locate
from bootstrap.airflow.home import make_home
from bootstrap.cli import main
from bootstrap.manifest.loader import load
from bootstrap.util import git
from tests.project import ROOT, Canary, Project

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="apt-get install git")
MANIFEST = """
version: 1
airflow: {home: .airflow}
stores: {here: {kind: env}}
register: [env, file, {env: {path: "new/odd [*]#!? .env"}}, {kubernetes: {path: k8s/secret.yaml}}]
connections: {web: {conn_type: http, host: example.com, schema: https, password: {secret: "here:CANARY"}, checks: []}}
"""
VAULT = """
version: 1
airflow: {home: .airflow}
stores: {team: {kind: vault, url: "https://vault.internal", auth: {method: token, token: {env: CANARY}}}}
backend: {store: team, credential: inline}
"""


def called(*arguments: str, **more: str) -> str:
    environment = {name: os.environ[name] for name in ("PATH", "HOME")} | more
    return subprocess.run(["git", *arguments], env=environment, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Project, Canary]:
    """A work tree with a manifest in it, and the current folder."""
    project, canary = Project(tmp_path), Canary()
    project.write(MANIFEST)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CANARY", canary.core)
    monkeypatch.chdir(project.manifest.parent)
    called("init", "-q")
    return project, canary


def taken(canary: Canary) -> list[str]:
    """Files in the index, after `git add -A`, that hold the canary; by the index alone."""
    called("add", "-A")
    names = called("ls-files", "-z").split("\0")
    return [name for name in names if name and canary.found_in(called("show", f":{name}").encode())]


@pytest.mark.parametrize(
    ("manifest", "commands"),
    [
        (MANIFEST, [["register"]]),
        (MANIFEST, [["export", "-o", "all.json"], ["export", "-o", "all.env"]]),
        (VAULT, [["render"]]),
        (VAULT, [["render", "-o", "airflow.cfg"], ["render", "--backup", "-o", "airflow.cfg"]]),
        (VAULT, [["render", "--format", name, "-o", f"out.{name}"] for name in ("env", "helm", "compose")]),
    ],
)
def test_git_gets_no_file_that_holds_a_secret(
    project: tuple[Project, Canary], manifest: str, commands: list[list[str]]
) -> None:
    project[0].write(manifest)
    for command in commands:
        assert main(command) == 0
    if "--backup" in commands[-1]:
        Path("airflow.cfg").write_text(Path("airflow.cfg").read_text().replace("vault.internal", "vault.other"))
        assert main(commands[-1]) == 0
        assert list(Path().glob("airflow.cfg.*.bak"))
    held = [file for file in Path().rglob("*") if file.is_file() and project[1].found_in(file.read_bytes())]
    assert held, "the canary is where it belongs"
    assert taken(project[1]) == []


@pytest.mark.usefixtures("project")
def test_a_second_run_adds_no_second_line() -> None:
    Path(".gitignore").write_text("# mine")
    for _ in range(2):
        assert main(["register", "--into", "env"]) == 0
        Path("airflow.env").unlink()
    assert Path(".gitignore").read_text().startswith("# mine\n/airflow.env\n")
    assert Path(".gitignore").read_text().count("/airflow.env") == 1
    assert stat.S_IMODE(Path(".gitignore").stat().st_mode) == 0o644


@pytest.mark.usefixtures("project")
def test_what_is_ignored_by_a_rule_of_the_users_is_left_to_it() -> None:
    Path(".git/info/exclude").write_text("*.env\n")
    assert git.keep_out(Path("airflow.env")) is None
    assert not Path(".gitignore").exists()


@pytest.mark.usefixtures("project")
def test_what_git_tracks_is_told_of(capsys: pytest.CaptureFixture[str]) -> None:
    Path("airflow.env").touch()
    called("add", "airflow.env")
    assert main(["register", "--into", "env"]) == 0
    assert (
        "warning: airflow.env holds secrets, and git tracks it: git rm --cached airflow.env" in capsys.readouterr().err
    )


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("ignore", ["!*.env", "link"])
def test_what_can_not_be_ignored_is_told_of(capsys: pytest.CaptureFixture[str], ignore: str) -> None:
    if ignore == "link":
        Path("elsewhere").touch()
        Path(".gitignore").symlink_to("elsewhere")
    else:
        Path(".gitignore").mkdir()
    assert main(["register", "--into", "env"]) == 0
    assert (
        "warning: git would take airflow.env, which holds secrets: add the line /airflow.env" in capsys.readouterr().err
    )


@pytest.mark.usefixtures("project")
def test_without_git_it_is_said_that_nobody_could_be_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert main(["register", "--into", "env"]) == 0
    assert "git could not be asked whether it ignores it" in capsys.readouterr().err


def test_outside_of_a_work_tree_git_has_no_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "run", None)
    assert git.keep_out(tmp_path / "airflow.env") is None


def test_a_secret_that_is_sent_into_a_file_of_the_work_tree_is_kept_out(project: tuple[Project, Canary]) -> None:
    for arguments, name in ((["store", "get", "--reveal", "here:CANARY"], "value"), (["export"], "all.json")):
        with Path(name).open("w") as stream:
            done = subprocess.run(
                [sys.executable, "-m", "bootstrap", "-f", str(project[0].manifest), *arguments],
                env={**project[0].environment(), "PYTHONPATH": str(ROOT), "CANARY": project[1].core},
                stdout=stream,
                stderr=subprocess.PIPE,
                check=False,
            )
        assert done.returncode == 0, done.stderr
        assert f"/{name} added".encode() in done.stderr
    assert taken(project[1]) == []


def test_a_home_that_we_make_is_for_nobody_else_and_not_for_git(project: tuple[Project, Canary]) -> None:
    before = os.umask(0)
    try:
        make_home(locate(load(project[0].manifest)))
    finally:
        os.umask(before)
    assert stat.S_IMODE(Path(".airflow").stat().st_mode) == 0o700
    for name in ("airflow.db", "simple_auth_manager_passwords.json.generated"):
        Path(".airflow", name).write_text(project[1].core)
    assert taken(project[1]) == []


def test_of_a_home_that_has_other_files_only_ours_are_kept_out(project: tuple[Project, Canary]) -> None:
    Path(".airflow/dags").mkdir(parents=True)
    Path(".airflow/dags/mine.py").touch()
    make_home(locate(load(project[0].manifest)))
    for name in ("airflow.cfg", "airflow.db"):
        Path(".airflow", name).write_text(project[1].core)
    assert taken(project[1]) == []
    assert ".airflow/dags/mine.py" in called("ls-files")


@pytest.mark.usefixtures("project")
def test_doctor_tells_of_a_home_that_git_takes(capsys: pytest.CaptureFixture[str]) -> None:
    Path(".airflow").mkdir()
    Path(".airflow/airflow.cfg").write_text("[core]\nfernet_key = x\n")
    Path(".airflow/airflow.db").touch()
    assert main(["doctor"]) == 0
    assert "WARN     home: .airflow/airflow.cfg can hold keys, and git would take it" in capsys.readouterr().out
    Path(".airflow/.gitignore").write_text("*\n")
    assert main(["doctor"]) == 0
    assert "WARN" not in capsys.readouterr().out
