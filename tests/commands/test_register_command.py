"""`plan` and `register` as a user runs them: saved plans, plans for programs, variables, deleting."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from dotenv import dotenv_values

from tests.project import Canary, Project, leaks

pytestmark = pytest.mark.usefixtures("warm_command_line")

MANIFEST = """
version: 1
stores: {here: {kind: env}}
register: [env, file]
connections:
  a: {conn_type: http, host: a.internal, password: {secret: "here:PW"}}
  b: {conn_type: http, host: b.internal}
  c: {conn_type: http, host: c.internal}
  d: {conn_type: http, host: d.internal}
variables:
  region: eu-west-1
  limits: {per_day: 3, key: {secret: "here:PW"}}
  api_token: {secret: "here:PW"}
"""
FEWER = MANIFEST.replace("  d: {conn_type: http, host: d.internal}\n", "").replace("b.internal", "new.internal")


@pytest.fixture
def canary() -> Canary:
    return Canary()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    project.write(MANIFEST)
    return project


def variables(project: Project) -> dict[str, str | None]:
    return dotenv_values(project.manifest.parent / "airflow.env")


def file_of(project: Project) -> str:
    return str(project.manifest.parent / "p.json")


def document(project: Project, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((project.manifest.parent / name).read_text())
    return found


def test_variables_go_where_connections_go(project: Project, canary: Canary) -> None:
    value = canary.core
    done = project.run("register", PW=value)
    assert done.code == 0, done.text
    assert "variable api_token: created at " in done.out
    assert variables(project)["AIRFLOW_VAR_REGION"] == "eu-west-1"
    assert json.loads(variables(project)["AIRFLOW_VAR_LIMITS"] or "") == {"per_day": 3, "key": value}
    assert document(project, "variables.json")["api_token"] == value
    plan = project.run("plan", PW=f"{value}2")
    assert "~ variable api_token  update: value = ***" in plan.out
    assert "= variable region  unchanged" in plan.out
    assert not any(canary.found_in(result.text.encode()) for result in project.transcript)


def test_a_saved_plan_is_applied_once_and_only_as_it_was(project: Project, canary: Canary) -> None:
    secret = {"PW": canary.core}
    assert project.run("register", **secret).code == 0
    project.write(FEWER)
    plan = project.run("plan", "--prune", "--out", file_of(project), **secret)
    assert (plan.code, "p.json" in plan.err) == (0, True), plan.text
    file = Path(file_of(project))
    assert file.stat().st_mode & 0o777 == 0o600
    done = project.run("register", file_of(project), **secret)
    assert (done.code, done.out.count("d: deleted at ")) == (0, 2), done.text
    again = project.run("register", file_of(project), **secret)
    assert (again.code, "file: connection d: delete was planned, now it is nothing" in again.err) == (1, True)
    work = project.manifest.parent
    assert {path.name for path in leaks(work, canary, leave_out=work / "nowhere")} == {
        "airflow.env",
        "connections.json",
        "variables.json",
    }
    assert "AIRFLOW_CONN_D" not in variables(project)
    assert sorted(document(project, "connections.json")) == ["a", "airflow_bootstrap_index", "b", "c"]


@pytest.mark.parametrize(
    ("changed", "pw", "said"),
    [
        (MANIFEST, "another", "a value, or what it was compared with"),  # a secret
        (MANIFEST.replace("c.internal", "x"), "one", "a value, or what it was compared with"),
        (MANIFEST.replace("  c:", "  e:"), "one", "env: connection e: nothing was planned, now it is create"),
        (MANIFEST + "owner: other\n", "one", "it is for the manifest of 'default'"),
        (MANIFEST.replace("env, file", "{env: {path: x.env}}, file"), "one", "a value, or what"),
    ],
)
def test_a_saved_plan_is_refused_if_anything_moved(project: Project, changed: str, pw: str, said: str) -> None:
    assert project.run("plan", "--out", file_of(project), PW="one").code == 0
    project.write(changed)
    done = project.run("register", file_of(project), PW=pw)
    assert (done.code, done.out) == (1, "")
    assert "p.json no longer holds; nothing is written" in done.err
    assert said in done.err
    assert not (project.manifest.parent / "connections.json").exists()


def test_a_saved_plan_is_refused_if_the_target_moved(project: Project) -> None:
    assert project.run("register", PW="one").code == 0
    project.write(FEWER)
    assert project.run("plan", "--out", file_of(project), PW="one").code == 0
    file = project.manifest.parent / "airflow.env"
    file.write_text("THEIRS=1\n" + file.read_text())
    done = project.run("register", file_of(project), PW="one")
    assert (done.code, "a value, or what it was compared with" in done.err) == (1, True)
    assert "new.internal" not in file.read_text()


@pytest.mark.parametrize("path", [("prune",), ("targets", 0, "changes", 0, "action"), ("checksum",), ("extra",)])
def test_a_saved_plan_that_was_edited_is_refused(project: Project, path: tuple[str | int, ...]) -> None:
    assert project.run("plan", "--out", file_of(project), PW="one").code == 0
    found: Any = document(project, "p.json")
    node: Any = found
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = True if path[-1] == "prune" else "delete"
    Path(file_of(project)).write_text(json.dumps(found))
    done = project.run("register", file_of(project), PW="one")
    assert done.code in {1, 2}
    assert file_of(project) in done.err
    assert not (project.manifest.parent / "connections.json").exists()


def test_what_is_no_plan(project: Project) -> None:
    assert "can't read " in project.run("register", file_of(project), PW="one").err
    Path(file_of(project)).write_text("{}")
    done = project.run("register", file_of(project), PW="one")
    assert (done.code, "p.json is not a saved plan" in done.err) == (2, True)
    assert project.run("register", file_of(project), "--prune", PW="one").code == 2


def test_a_plan_that_can_not_be_applied_is_not_saved(project: Project) -> None:
    done = project.run("plan", "--out", file_of(project))
    assert (done.code, "p.json is not written" in done.err) == (1, True)
    assert not Path(file_of(project)).exists()


def test_a_plan_for_programs(project: Project, canary: Canary) -> None:
    done = project.run("plan", "--check", "--json", "-", PW=canary.core)
    found = json.loads(done.out)
    assert done.code == 1
    assert [each["target"] for each in found["targets"]] == ["env", "file"]
    change = found["targets"][0]["changes"][0]
    assert change.pop("where").endswith("airflow.env")
    fields = ["conn_type", "host", "password"]
    assert change == {"kind": "connection", "name": "a", "action": "create", "fields": fields}
    broken = json.loads(project.run("plan", "--json", "-").out)
    assert [item["name"] for item in broken["targets"][0]["errors"]] == ["a", "limits", "api_token"]
    assert not canary.found_in(done.text.encode())


def test_a_conflict_is_told_and_nothing_is_written(project: Project) -> None:
    assert project.run("register", PW="one").code == 0
    file = project.manifest.parent / "connections.json"
    theirs = file.read_text().replace("a.internal", "theirs.internal")
    file.write_text(theirs)
    for command in (("plan",), ("register",), ("register", "--check")):
        done = project.run(*command, "--into", "file", PW="one")
        assert (done.code, "connections.json: somebody else changed a since" in done.err) == (1, True), done.text
    assert file.read_text() == theirs
    assert json.loads(project.run("plan", "--json", "-", PW="one").out)["targets"][1]["conflicts"][0]["name"] == "a"
    assert project.run("register", "--into", "file", "--overwrite", PW="one").code == 0
    assert "a.internal" in file.read_text()


def test_deleting_more_than_a_third_takes_force(project: Project) -> None:
    assert project.run("register", "--into", "env", PW="one").code == 0
    project.write("version: 1\nregister: [env]\nconnections: {b: {conn_type: http, host: b.internal}}\n")
    done = project.run("register", "--prune")
    assert (done.code, "env: 3 of the 4 connections that were registered would be deleted" in done.err) == (1, True)
    assert project.run("register", "--prune", "--force").code == 0
    assert [*variables(project)] == ["AIRFLOW_CONN_B"]


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ("{a: 1}", "expected text in quotes"),
        ('{"a b": x}', "pattern"),
        ("{my_password: x}", "my_password is a secret in plain text"),
        ('{a: {secret: "nowhere:x"}}', "unknown store 'nowhere'"),
        ('{a: [{secret: "nowhere:x"}]}', "unknown store 'nowhere'"),
    ],
)
def test_mistakes_in_variables(project: Project, variables: str, said: str) -> None:
    project.write(f"version: 1\nvariables: {variables}\n")
    done = project.run("plan")
    assert (done.code, said in done.err) == (2, True), done.text


def test_long_work_says_what_goes_on(project: Project) -> None:
    many = "".join(f"  c{index}: {{conn_type: http}}\n" for index in range(99))
    project.write(f"version: 1\nregister: [env]\nvariables: {{x: y}}\nconnections:\n{many}")
    done = project.run("register")
    assert "env: comparing 100 connections and variables …\nenv: writing 100 …\n" in done.err
    again = project.run("register")
    assert "writing" not in again.err


def test_what_can_not_work_is_not_written(project: Project, canary: Canary) -> None:
    fields = '{conn_type: postgres, host: "https://db.internal", password: {secret: "here:PW"}}'
    project.write(
        f"version: 1\nstores: {{here: {{kind: env}}}}\nregister: [env]\nconnections: {{lake: {fields}, b: {{conn_type: http}}}}\n"
    )
    for command in ("plan", "register"):
        done = project.run(command, PW=canary.core)
        assert (done.code, "connection lake: host: https:// stands in the host" in done.err) == (1, True), done.text
    assert not (project.manifest.parent / "airflow.env").exists()
    assert not any(canary.found_in(result.text.encode()) for result in project.transcript)


def test_what_looks_like_a_slip_is_written_and_told_of(project: Project) -> None:
    project.write("version: 1\nregister: [env]\nconnections: {a: {conn_type: postgers, host: db}}\n")
    said = "warning: connection a: conn_type: no provider has the conn_type 'postgers' (did you mean 'postgres'?)"
    assert said in project.run("plan", "--strict").err
    done = project.run("register", "--strict")  # nobody sees it in a file
    assert (done.code, said in done.err) == (0, True), done.text
    assert said not in project.run("register").err


def test_two_at_once_lose_nothing(tmp_path: Path) -> None:
    shared = tmp_path / "shared.env"
    projects = [Project(tmp_path / owner) for owner in "abcd"]
    for project in projects:
        owner = project.folder.name
        names = "".join(f"  {owner}{index}: {{conn_type: http}}\n" for index in range(10))
        project.write(f"version: 1\nowner: {owner}\nregister: [{{env: {{path: {shared}}}}}]\nconnections:\n{names}")
    started = [project.start("register") for project in projects]
    ended = [process.communicate(timeout=120) for process in started]
    for project, process, (_, err) in zip(projects, started, ended, strict=True):
        if process.returncode != 0:
            assert "was changed meanwhile; nothing was written" in err.decode()
            assert project.run("register").code == 0
    assert len(dotenv_values(shared)) == 40
    assert [project.run("plan", "--check", "--prune").code for project in projects] == [0] * 4


def test_a_plan_is_for_one_place(tmp_path: Path) -> None:
    projects = [Project(tmp_path / name) for name in "ab"]
    for project in projects:
        project.write("version: 1\nregister: [env]\nconnections: {a: {conn_type: http}}\n")
    assert projects[0].run("plan", "--out", file_of(projects[0])).code == 0
    done = projects[1].run("register", file_of(projects[0]))
    assert (done.code, "no longer holds" in done.err) == (1, True)
    assert not (projects[1].manifest.parent / "airflow.env").exists()


def test_a_plan_replaces_nothing_but_a_plan(project: Project) -> None:
    for option in ("--out", "--json"):
        for name in ("bootstrap.yaml", ""):
            done = project.run("plan", option, str(project.manifest.parent / name), PW="one")
            assert (done.code, "already exists" in done.err) == (2, True), done.text
        assert project.run("plan", option, str(project.manifest.parent / "no" / "p"), PW="one").code == 2
        assert project.run("plan", option, file_of(project), PW="one").code == 0
        assert project.run("plan", option, file_of(project), PW="one").code == 0
    assert project.manifest.read_text() == MANIFEST


def test_two_targets_of_a_kind(project: Project) -> None:
    project.write(MANIFEST.replace("[env, file]", "[{env: {path: a.env}}, {env: {path: b.env}}]"))
    assert project.run("plan", "--out", file_of(project), PW="one").code == 0
    done = project.run("register", file_of(project), PW="one")
    assert done.code == 0, done.text
    assert {(project.manifest.parent / name).exists() for name in ("a.env", "b.env")} == {True}


@pytest.mark.parametrize("section", ["connections: {NAME: {conn_type: http}}", "variables: {NAME: x}"])
def test_the_name_of_the_list_is_taken(project: Project, section: str) -> None:
    project.write(f"version: 1\n{section.replace('NAME', 'airflow_bootstrap_index')}\n")
    done = project.run("plan")
    assert (done.code, "the name of the list" in done.err) == (2, True)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("{name: two}", "another Secret than two"),
        ("{name: one, namespace: prod}", "another Secret than prod/one"),
        ("{name: BAD name}", "no Secret can have this name"),
    ],
)
def test_another_secret_of_kubernetes_is_told_of_by_the_plan(project: Project, options: str, said: str) -> None:
    text = "version: 1\nregister: [{kubernetes: OPTIONS}]\nconnections: {a: {conn_type: http}}\n"
    project.write(text.replace("OPTIONS", "{name: one}"))
    assert project.run("register").code == 0
    project.write(text.replace("OPTIONS", options))
    for command in ("plan", "register"):
        done = project.run(command)
        assert (done.code, said in done.err) == (1, True), done.text
