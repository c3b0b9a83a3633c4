"""Where reports go: looked at before the run, removed before it, written whole after it."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from junitparser import Error, JUnitXml

from bootstrap.errors import BootstrapError, UsageError
from bootstrap.reports.files import Files
from tests.project import Project
from tests.smoke.test_report import check, report

MANIFEST = """
version: 1
airflow: {home: airflow}
connections:
  health: {conn_type: http, host: h}
"""
NAMES = ("json", "junit", "html")


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    file = tmp_path / "bootstrap.yaml"
    file.write_text(MANIFEST)
    return file


def nowhere(text: str) -> None:
    raise AssertionError(text)


def test_each_format_has_its_file_and_one_may_be_stdout(tmp_path: Path, manifest: Path) -> None:
    out: list[str] = []
    files = Files({"json": "-", "junit": str(tmp_path / "r.xml"), "html": str(tmp_path / "r.html")})
    files.check(manifest)
    files.write(report(check()), out.append)
    assert files.to_stdout
    assert json.loads(out[0])["verdict"] == "passed"
    assert "<testsuites" in (tmp_path / "r.xml").read_text()
    assert "<!DOCTYPE html>" in (tmp_path / "r.html").read_text()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["bootstrap.yaml", "r.html", "r.xml"]


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"json": "-", "html": "-"}, "only one report can go to stdout"),
        ({"json": "missing/r.json"}, "there is no folder"),
        ({"json": "."}, "is a folder"),
        ({"json": ""}, "is a folder"),
        ({"json": "r", "html": "./r"}, "--html r is --json's file too"),
        ({"json": "bootstrap.yaml"}, "is the manifest's file too"),
        ({"json": "link"}, "is the manifest's file too"),
    ],
)
def test_what_can_not_be_written_is_a_usage_error(
    manifest: Path, monkeypatch: pytest.MonkeyPatch, wanted: dict[str, str], words: str
) -> None:
    monkeypatch.chdir(manifest.parent)
    Path("link").symlink_to("bootstrap.yaml")
    with pytest.raises(UsageError, match=words):
        Files(wanted).check(Path("bootstrap.yaml"))


def test_an_earlier_report_is_removed_and_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("old")
    (tmp_path / "link").symlink_to("old")
    files = Files({"json": str(tmp_path / "link"), "html": str(tmp_path / "never")})
    files.forget()
    assert not (tmp_path / "old").exists()
    files.write(report(check()), nowhere)
    assert (tmp_path / "link").is_symlink()
    assert json.loads((tmp_path / "old").read_text())["verdict"] == "passed"


def test_a_pipe_is_written_to_and_neither_removed_nor_replaced(tmp_path: Path, manifest: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    files = Files({"json": str(pipe)})
    files.check(manifest)
    files.forget()
    files.write(report(check()), nowhere)
    try:
        assert json.loads(os.read(reader, 100_000))["verdict"] == "passed"
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_file_is_as_private_as_the_user_wants_files_to_be(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        Files({"json": str(tmp_path / "r")}).write(report(check()), nowhere)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "r").stat().st_mode) == 0o600


def test_one_file_that_can_not_be_written_keeps_no_other_back(tmp_path: Path) -> None:
    files = Files({"json": str(tmp_path / "gone" / "r"), "html": str(tmp_path / "r.html")})
    with pytest.raises(BootstrapError, match="can't write the report"):
        files.write(report(check()), nowhere)
    assert (tmp_path / "r.html").exists()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    project.write(MANIFEST)
    return project


def options(folder: Path) -> list[str]:
    """Every report, with an earlier run's in its place."""
    for name in NAMES:
        (folder / name).write_text("green")
    return [part for name in NAMES for part in (f"--{name}", str(folder / name))]


def left(folder: Path) -> list[str]:
    return [name for name in NAMES if (folder / name).exists()]


DOWN = MANIFEST.replace("connections:", "stores: {team: {kind: vault, url: 'http://127.0.0.1:9'}}\nconnections:")


@pytest.mark.parametrize(
    ("manifest_text", "command", "code", "errored"),
    [
        (MANIFEST, "smoke", 4, {"smoke"}),  # no airflow.cfg there
        ("version: 7\nowned: me", "smoke", 2, {"manifest"}),
        ("version: 7\nowned: me", "up", 2, {"manifest"}),
        ("version: [", "up", 2, {"manifest"}),
        (DOWN.replace("host: h", "host: {secret: 'team:a#b'}"), "up", 3, {"store team"}),
    ],
)
def test_a_run_that_ends_early_is_reported_all_the_same(
    project: Project, manifest_text: str, command: str, code: int, errored: set[str]
) -> None:
    project.write(manifest_text)
    summary = project.folder / "summary.md"
    github = {"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(project.folder), "GITHUB_STEP_SUMMARY": str(summary)}
    result = project.run(command, *options(project.folder), VAULT_TOKEN="token-of-a-test", **github)
    assert (result.code, left(project.folder)) == (code, list(NAMES)), result.text
    document = json.loads((project.folder / "json").read_text())
    assert (document["verdict"], document["checks"]) == ("failed", [])
    cases = [case for suite in JUnitXml.fromstring((project.folder / "junit").read_bytes()) for case in suite]
    wrong = [case for case in cases if case.result]
    findings = [stage for stage in document["stages"] if stage["status"] == "failed"]
    assert len(wrong) == len(findings) == ("owned" in manifest_text) + 1  # one for each
    assert {case.name for case in wrong} == errored
    assert all(isinstance(case.result[0], Error) for case in wrong)
    assert result.err.count("::error ") == len(findings)
    if "owned" in manifest_text:
        assert "::error file=work/bootstrap.yaml,line=2,title=manifest::" in result.err
    for text in ((project.folder / "html").read_text(), summary.read_text()):
        assert "failed" in text
        assert all(stage["stage"] in text for stage in findings)


@pytest.mark.parametrize("command", ["smoke", "up"])
@pytest.mark.parametrize("extra", [("--json", "-", "--junit", "-"), ("--json", "no/such/folder/r")])
def test_a_wrong_file_ends_the_run_before_it_begins(project: Project, command: str, extra: tuple[str, ...]) -> None:
    before = options(project.folder)
    result = project.run(command, *before, *extra)
    assert (result.code, result.out, left(project.folder)) == (2, "", list(NAMES)), result.text
    assert "next: " in result.err
    assert not (project.manifest.parent / "airflow").exists()


def test_showing_the_command_removes_nothing(project: Project) -> None:
    result = project.run("smoke", "--show-command", *options(project.folder))
    assert (result.code, left(project.folder)) == (0, list(NAMES)), result.text
