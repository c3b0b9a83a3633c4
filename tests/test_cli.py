from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bootstrap.cli import COMMANDS, main
from tests.project import ROOT, Project

MANIFEST = """
version: 1
airflow: {home: airflow}
stores:
  team: {kind: vault, url: "https://vault.example.com", mount: airflow, auth: {method: token}}
  here: {kind: env}
backend: {store: team}
connections:
  warehouse: {conn_type: postgres, host: db, password: {secret: "here:PASSWORD"}}
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    project.write(MANIFEST)
    return project


@pytest.mark.parametrize(
    "arguments", [["--help"], ["schema"], ["render"], ["render", "-o", "-"], ["store", "list", "here"]]
)
def test_everyday_commands_never_import_airflow(project: Project, arguments: list[str]) -> None:
    code = f"""
import sys
from bootstrap.cli import main
code = main(["-f", {str(project.manifest)!r}, *{arguments!r}])
print([name for name in sys.modules if name.split(".")[0] == "airflow"], code, file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.stderr.splitlines()[-1] == "[] 0", done.stderr


def test_rendering_looks_for_no_plugins_of_pydantic(project: Project) -> None:
    code = """
import importlib.metadata
import sys
from bootstrap import __main__
looked = []
importlib.metadata.distributions = lambda: looked.append(1) or ()  # where pydantic would look
try:
    __main__.main()
finally:
    print(looked, file=sys.stderr)
"""
    arguments = [sys.executable, "-c", code, "-f", str(project.manifest), "render", "-o", "-"]
    done = subprocess.run(arguments, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.stderr.splitlines()[-1] == "[]", done.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    assert "Usage: airflow-bootstrap" in capsys.readouterr().out


def test_a_typo_in_the_manifest_is_exit_2_with_line_and_column(project: Project) -> None:
    project.write(MANIFEST.replace("conn_type", "con_type"))
    result = project.run("plan")
    assert result.code == 2
    assert f"{project.manifest}:9:15: unknown key 'con_type' (did you mean 'conn_type'?)" in result.err
    assert result.out == ""


def test_a_missing_manifest_is_exit_2_and_names_the_next_step(project: Project) -> None:
    project.manifest.unlink()
    result = project.run("up")
    assert result.code == 2
    assert "there is no manifest" in result.err
    assert "next: " in result.err


def test_an_unknown_command_suggests_the_nearest(project: Project) -> None:
    result = project.run("smok")
    assert result.code == 2
    assert "did you mean 'smoke'?" in result.err


def test_a_store_without_its_credential_is_exit_3_and_names_the_variable(project: Project) -> None:
    result = project.run("plan", PASSWORD="x")
    assert result.code == 3
    assert "store team: $VAULT_TOKEN is not set" in result.err
    assert "next: export VAULT_TOKEN=…" in result.err


def test_verbose_tells_what_was_read_and_where_an_error_comes_from_and_nothing_else_does(project: Project) -> None:
    project.write("version: 1\nstores: {old: {kind: file, path: hunter2.json}}\n")
    (project.manifest.parent / "hunter2.json").write_text('{"a": hunter2-canary')
    quiet, loud = (project.run("store", "list", "old", before=before) for before in ((), ("--verbose",)))
    assert quiet.code == loud.code == 1
    assert loud.err.startswith(f"manifest {project.manifest}\n")
    assert "bootstrap.errors.Malformed at " in loud.err
    assert "because of bootstrap.util.input_text.BadInput at " in loud.err
    assert len(quiet.err.splitlines()) + 2 == len(loud.err.splitlines())
    assert "canary" not in loud.text


def test_messages_as_json_lines_carry_level_message_and_hint(project: Project) -> None:
    project.write("version: 2\n")
    result = project.run("plan", before=("--log-format", "json"))
    [line] = [json.loads(line) for line in result.err.splitlines()]
    assert (result.code, line["level"]) == (2, "error")
    assert "bootstrap.yaml:1:1" in line["message"]
    assert line["hint"]


def test_render_check_diff_and_stdout(project: Project) -> None:
    config = project.manifest.parent / "airflow" / "airflow.cfg"
    shown = project.run("render", "-o", "-")
    assert shown.code == 0
    assert "backend = airflow.providers.hashicorp.secrets.vault.VaultBackend" in shown.out
    assert not config.exists()
    assert project.run("render", "--check").code == 1
    assert not config.exists()
    assert project.run("render").code == 0
    assert config.read_text() == shown.out
    assert project.run("render", "--check").code == 0
    inline = '{"url": "https://vault.example.com", "token": "inline-token-value"}'
    config.write_text(f"[core]\nx = 1\n[secrets]\nbackend = other\nbackend_kwargs = {inline}\n")
    difference = project.run("render", "--diff")
    assert "+backend = airflow.providers" in difference.out
    assert '"token": "***"' in difference.out
    assert "inline-token-value" not in difference.text
    assert inline in config.read_text()


def test_a_bug_of_ours_is_exit_70_with_a_log_that_shows_no_secret(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from bootstrap.domain.secret import Secret
    from bootstrap.manifest import loader

    def explode(*_: object, **__: object) -> None:
        raise RuntimeError(f"a library quotes {Secret('canary-in-a-traceback').reveal()}")

    monkeypatch.setattr(loader, "load", explode)  # no input makes our own code fail, as far as we know
    assert main(["-f", str(project.manifest), "plan"]) == 70
    err = capsys.readouterr().err
    log = Path(err.rpartition("report it with ")[2].strip())
    assert "this is a bug in airflow-bootstrap: RuntimeError" in err
    assert "explode" in log.read_text()
    assert "canary-in-a-traceback" not in err + log.read_text()
    log.unlink()


@pytest.mark.parametrize("command", ["smoke", "up"])
def test_a_run_that_ends_early_leaves_no_report_of_an_earlier_one(project: Project, command: str) -> None:
    report = project.folder / "report.json"
    report.write_text('{"verdict": "passed"}')
    result = project.run(command, "--json", str(report))  # no credential for the store, no Airflow home
    assert result.code != 0
    assert json.loads(report.read_text())["verdict"] == "failed"


@pytest.mark.parametrize("command", ["smoke", "up", "rotate"])
@pytest.mark.parametrize("value", ["inf", "nan", "1e300", "-inf", "0"])
def test_a_time_that_no_clock_counts_is_refused(
    project: Project, capsys: pytest.CaptureFixture[str], command: str, value: str
) -> None:
    for option in ("--timeout", "--deadline") if command != "rotate" else ("--timeout",):
        assert main(["-f", str(project.manifest), command, option, value]) == 2
        assert option in capsys.readouterr().err
