"""Connections in a file: of variables, and of LocalFilesystemBackend's. What Airflow reads there is what was written."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from dotenv import dotenv_values
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bootstrap.desired.resolve import SecretReader
from bootstrap.domain.connection import Connection, from_fields
from bootstrap.domain.variable import Variable
from bootstrap.errors import Conflict, Exit, FileDenied, IllegalName, Malformed, ManifestError
from bootstrap.manifest.loader import load
from bootstrap.plugins import TARGETS
from bootstrap.targets import env
from bootstrap.targets.base import Change, Content, Key, Target
from bootstrap.targets.kind import TargetKind
from tests.domain.test_connection import CONNECTIONS
from tests.project import ROOT, Canary, Project, leaks, watched_processes, without_roots_rights
from tests.selection import examples
from tests.targets.applying import changes, put, registered

pytestmark = pytest.mark.usefixtures("warm_command_line")

Reads: TypeAlias = Callable[..., Any]
BOTH = {"env": "airflow.env", "file": "connections.json"}
both = pytest.mark.parametrize("kind", BOTH)
SLOW = settings(
    max_examples=examples(60), deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def target(folder: Path, name: str, **options: Any) -> Target:
    manifest = folder / "bootstrap.yaml"
    manifest.write_text("version: 1\n")
    kind = TARGETS.get(name, TargetKind)
    loaded = load(manifest)
    return kind.open_target(kind.Options(**options), loaded, SecretReader(loaded))


# What Airflow reads, in one child for all tests

CHILD = """
import json, os, sys
from airflow.secrets.environment_variables import EnvironmentVariablesBackend
from airflow.secrets.local_filesystem import LocalFilesystemBackend
names = ("conn_type", "description", "host", "login", "password", "schema", "port")
print("ready", flush=True)
for line in sys.stdin:
    request = json.loads(line)
    for name in [name for name in os.environ if name.startswith("AIRFLOW_CONN_")]:
        del os.environ[name]
    os.environ.update(request["variables"])
    backend = LocalFilesystemBackend(connections_file_path=request["file"]) if request["file"] else EnvironmentVariablesBackend()
    found = {}
    for conn_id in request["conn_ids"]:
        conn = backend.get_connection(conn_id=conn_id)
        fields = {name: getattr(conn, name) for name in names}
        found[conn_id] = {**fields, "extra": (json.loads(conn.extra) if conn.extra else None) or None}
    print(json.dumps(found), flush=True)
"""


@pytest.fixture(scope="module")
def airflow_reads(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reads]:
    home = tmp_path_factory.mktemp("airflow")
    environment = {"PATH": os.environ["PATH"], "AIRFLOW_HOME": str(home), "HOME": str(home)}
    with subprocess.Popen(
        [sys.executable, "-c", CHILD], env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        stdin, stdout = child.stdin, child.stdout

        def read(*conn_ids: str, variables: Mapping[str, str] | None = None, file: Path | None = None) -> Any:
            request = {"conn_ids": conn_ids, "variables": variables or {}, "file": str(file) if file else None}
            stdin.write(json.dumps(request) + "\n")
            stdin.flush()
            line = stdout.readline()
            while not line.startswith("{"):
                assert child.poll() is None
                line = stdout.readline()
            return json.loads(line)

        yield read
        stdin.close()


def comparable(item: Connection) -> dict[str, Any]:
    """As Airflow has it: an empty extra is none, and an empty password."""
    fields = dict.fromkeys(("conn_type", "description", "host", "login", "password", "schema", "port", "extra"))
    return {
        **fields,
        **item.as_fields(),
        "extra": dict(item.extra) if item.extra else None,
        "password": item.password or None,
    }


SOME = st.dictionaries(
    st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True).map(str.lower), CONNECTIONS, min_size=1, max_size=4
)


@pytest.mark.airflow
@SLOW
@given(connections=SOME)
def test_a_shell_gives_airflow_what_was_written(
    connections: dict[str, Connection], airflow_reads: Reads, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("env")
    put(target(folder, "env"), connections)
    script = f"set -a; . {folder}/airflow.env; exec {sys.executable} -c 'import json, os; print(json.dumps(dict(os.environ)))'"
    found = json.loads(subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True, env={}).stdout)
    variables = {name: value for name, value in found.items() if name.startswith("AIRFLOW_CONN_")}
    assert variables == {k: v for k, v in dotenv_values(folder / "airflow.env", interpolate=True).items() if v}
    expected = {conn_id: comparable(item) for conn_id, item in connections.items()}
    assert airflow_reads(*connections, variables=variables) == expected


@pytest.mark.airflow
@SLOW
@given(connections=SOME)
def test_the_backend_for_files_reads_what_was_written(
    connections: dict[str, Connection], airflow_reads: Reads, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("file")
    put(target(folder, "file"), connections)
    expected = {conn_id: comparable(item) for conn_id, item in connections.items()}
    assert airflow_reads(*connections, file=folder / "connections.json") == expected


@both
@SLOW
@given(connections=SOME, others=SOME)
def test_what_was_written_is_registered(
    kind: str,
    connections: dict[str, Connection],
    others: dict[str, Connection],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("again")
    for each in (others, connections):
        put(target(folder, kind), each)
    found = registered(target(folder, kind), {**others, **connections})
    for conn_id, item in {**others, **connections}.items():
        assert (found[conn_id].fields, found[conn_id].malformed) == (item.fingerprints(), "")


# The file

ONE = {"warehouse": Connection("postgres", host="db", password="it's $5 \\ \n ü")}


@both
def test_a_new_file_is_private(kind: str, tmp_path: Path) -> None:
    assert put(target(tmp_path, kind, path=f"new/{BOTH[kind]}"), ONE) == ["created"]
    assert (tmp_path / "new" / BOTH[kind]).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("export", [False, True])
def test_other_lines_of_a_file_of_variables_stay(tmp_path: Path, *, export: bool) -> None:
    file = tmp_path / "airflow.env"
    before = "# mine\nOTHER=1\nexport AIRFLOW_CONN_WAREHOUSE=http://old\n\nAIRFLOW_CONN_API='http://api'"
    file.write_text(before)
    put(target(tmp_path, "env", export=export), {**ONE, "new": Connection("http")})
    start = "export " if export else ""
    line = f"{start}AIRFLOW_CONN_WAREHOUSE='{env.quotable(ONE['warehouse'])}'"
    expected = before.replace("export AIRFLOW_CONN_WAREHOUSE=http://old", line)
    *written, ours = file.read_text().splitlines(keepends=True)
    assert "".join(written) == f"{expected}\n{start}AIRFLOW_CONN_NEW='" + '{"conn_type": "http"}' + "'\n"
    assert ours.startswith("# airflow-bootstrap: {")


def test_the_last_of_several_lines_counts_and_goes_too(tmp_path: Path) -> None:
    file = tmp_path / "airflow.env"
    file.write_text(
        "AIRFLOW_CONN_WAREHOUSE=http://a\nA=1\nexport AIRFLOW_CONN_WAREHOUSE=http://b\nAIRFLOW_CONN_GONE=http://c\n" * 2
    )
    key, gone = Key("connection", "warehouse"), Key("connection", "gone")
    into = target(tmp_path, "env")
    version = into.registered({key: ONE["warehouse"]})[key].version
    changes = [Change(key, "update", (), ONE["warehouse"], version), Change(gone, "delete", (), None, version)]
    assert [item.done for item in into.apply(changes)] == ["updated", "deleted"]
    line = f"AIRFLOW_CONN_WAREHOUSE='{env.quotable(ONE['warehouse'])}'\n"
    assert file.read_text().startswith(f"{line}A=1\nA=1\n# airflow-bootstrap: ")
    assert registered(target(tmp_path, "env"), ONE)["warehouse"].fields == ONE["warehouse"].fingerprints()


def test_a_comment_that_only_looks_like_the_list_stays(tmp_path: Path) -> None:
    file = tmp_path / "airflow.env"
    before = "A=1\n\n## airflow-bootstrap: x\n # airflow-bootstrap: {}\nB=2\n"
    file.write_text(before)
    for host in ("a", "b"):
        put(target(tmp_path, "env"), {"web": Connection("http", host=host)})
    line = """AIRFLOW_CONN_WEB='{"conn_type": "http", "host": "b"}'\n"""
    *lines, ours = file.read_text().splitlines(keepends=True)
    assert ("".join(lines), ours.startswith("# airflow-bootstrap: {")) == (before + line, True)


def test_other_connections_of_a_json_file_stay(tmp_path: Path) -> None:
    file = tmp_path / "connections.json"
    file.write_text(json.dumps({"other": "http://x", "warehouse": "http://old", "list": ["http://a"], "none": None}))
    found = registered(target(tmp_path, "file"), ["other", "warehouse", "list"])
    assert found["list"].malformed
    assert not found["other"].malformed
    put(target(tmp_path, "file"), ONE)
    read = json.loads(file.read_text())
    assert [*read] == ["other", "warehouse", "list", "none", "airflow_bootstrap_index"]
    assert (read["other"], read["list"]) == ("http://x", ["http://a"])
    assert from_fields(read["warehouse"], "") == ONE["warehouse"]


@both
def test_what_somebody_changed_meanwhile_is_left_alone(kind: str, tmp_path: Path) -> None:
    into = target(tmp_path, kind)
    registered(into, ONE)
    theirs = "THEIRS=1\n" if kind == "env" else "{}"
    (tmp_path / BOTH[kind]).write_text(theirs)
    (applied,) = into.apply([Change(Key("connection", "warehouse"), "create", (), ONE["warehouse"], None)])
    assert isinstance(applied.error, Conflict)
    assert (tmp_path / BOTH[kind]).read_text() == theirs


@pytest.mark.parametrize("name", ["connections.json", "variables.json"])
def test_neither_file_is_written_where_somebody_changed_one(name: str, tmp_path: Path) -> None:
    wanted: dict[str, Content] = {**ONE, "region": Variable("eu")}
    into = target(tmp_path, "file")
    todo = changes(registered(into, wanted), wanted)
    (tmp_path / name).write_text("{}")
    errors = {Path(item.where).name: item.error for item in into.apply(todo)}
    assert all(isinstance(error, Conflict) for error in errors.values())
    (other,) = errors.keys() - {name}
    assert f"not written, since the other file can't be: {errors[name]}" == str(errors[other])
    assert [(file.name, file.read_text()) for file in tmp_path.glob("*.json")] == [(name, "{}")]


@pytest.mark.parametrize("closed", ["path", "variables"])
def test_neither_file_is_written_where_one_can_not_be(closed: str) -> None:
    with tempfile.TemporaryDirectory() as name:  # others may enter it, which pytest's they may not
        folder = Path(name)
        (folder / "open").mkdir()
        (folder / "closed").mkdir()
        for path, mode in ((folder, 0o755), (folder / "open", 0o777), (folder / "closed", 0o555)):
            path.chmod(mode)
        wanted: dict[str, Content] = {**ONE, "region": Variable("eu")}
        options = {"path": "open/them.json", "variables": "open/them.json", closed: "closed/them.json"}
        into = target(folder, "file", **options)
        todo = changes(registered(into, wanted), wanted)
        with without_roots_rights():
            errors = {Path(item.where).parent.name: type(item.error) for item in into.apply(todo)}
        assert errors == {"open": Conflict, "closed": FileDenied}
        assert list(folder.rglob("*.json")) == []


@both
@pytest.mark.parametrize("text", ["{", "[1]", "not a line\x00=\n=="])
def test_a_file_that_can_not_be_read_is_left_alone(kind: str, text: str, tmp_path: Path) -> None:
    canary = Canary().core
    file = tmp_path / BOTH[kind]
    file.write_text(f"{text}\n{canary} {canary}\n")
    with pytest.raises(Malformed) as caught:
        put(target(tmp_path, kind), ONE)
    assert BOTH[kind] in caught.value.message
    assert canary not in f"{caught.value.message}{caught.value.hint}"
    assert canary in file.read_text()


@both
def test_bytes_that_are_no_text(kind: str, tmp_path: Path) -> None:
    (tmp_path / BOTH[kind]).write_bytes(b"\xff")
    with pytest.raises(Malformed, match="not text"):
        registered(target(tmp_path, kind), ONE)


@both
def test_a_folder_that_may_not_be_written(kind: str, tmp_path: Path) -> None:
    into = target(tmp_path, kind)
    registered(into, ONE)
    tmp_path.chmod(0o555)
    try:
        with without_roots_rights():
            (applied,) = into.apply([Change(Key("connection", "warehouse"), "create", (), ONE["warehouse"], None)])
        assert isinstance(applied.error, FileDenied)
        assert applied.error.exit_code == Exit.FAILED  # no store had a say in it
        assert "can't write" in applied.error.message
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.parametrize(("conn_ids", "said"), [(("my-conn",), "no shell takes"), (("a", "A"), "would both be")])
def test_names_that_no_variable_can_have(conn_ids: tuple[str, ...], said: str, tmp_path: Path) -> None:
    with pytest.raises(IllegalName, match=said):
        put(target(tmp_path, "env"), dict.fromkeys(conn_ids, ONE["warehouse"]))


SPELT = {"env": "airflow.env", "kubernetes": "airflow-secret.yaml"}
spelt = pytest.mark.parametrize("kind", SPELT)
WEB = "{conn_type: http, host: web}"


def run(project: Project, kind: str, owner: str, command: str, **connections: str) -> tuple[int, str]:
    listed = "".join(f"  {name}: {content}\n" for name, content in connections.items())
    project.write(f"version: 1\nowner: {owner}\nregister: [{kind}]\nconnections:\n  here: {WEB}\n{listed}")
    done = project.run(*command.split())
    return done.code, done.text


@spelt
def test_a_name_in_other_letters_is_the_same_variable(kind: str, tmp_path: Path) -> None:
    project = Project(tmp_path)
    assert run(project, kind, "a", "register", Foo=WEB)[0] == 0
    file = project.manifest.parent / SPELT[kind]
    before = file.read_text()
    assert run(project, kind, "a", "register --prune --force", foo=WEB)[0] == 0
    assert file.read_text() == before
    assert run(project, kind, "a", "register --prune --force", foo="{conn_type: http, host: new}")[0] == 0
    assert '"foo' in file.read_text().replace("\\", "")
    assert '"Foo' not in file.read_text().replace("\\", "")
    assert run(project, kind, "a", "plan --check --prune", FOO="{conn_type: http, host: new}")[0] == 0
    assert run(project, kind, "a", "register --prune --force")[0] == 0
    assert "FOO" not in file.read_text().upper()


@spelt
def test_a_name_in_other_letters_is_another_owners(kind: str, tmp_path: Path) -> None:
    project = Project(tmp_path)
    assert run(project, kind, "a", "register", FOO=WEB)[0] == 0
    before = (project.manifest.parent / SPELT[kind]).read_text()
    code, said = run(project, kind, "b", "register", foo="{conn_type: http, host: new}")
    assert (code, "foo was registered by 'a'" in said) == (1, True)
    assert (project.manifest.parent / SPELT[kind]).read_text() == before


@spelt
def test_two_names_in_a_manifest_that_are_one_variable(kind: str, tmp_path: Path) -> None:
    project = Project(tmp_path)
    assert run(project, kind, "a", "register", foo=WEB)[0] == 0
    code, said = run(project, kind, "a", "register", foo=WEB, FOO=WEB)
    assert (code, "would both be AIRFLOW_CONN_FOO" in said) == (1, True)


@pytest.mark.parametrize(
    ("register", "said"),
    [
        ("[{env: {pth: x}}]", "unknown key 'pth' (did you mean 'path'?)"),
        ("[{file: {path: x.yaml}}]", "pattern"),
        ("[{fil: {}}]", "unknown target 'fil' (did you mean 'file'?)"),
        ("[{env: {}, file: {}}]", "expected a target"),
    ],
)
def test_mistakes_in_the_manifest(register: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "bootstrap.yaml").write_text(f"version: 1\nregister: {register}\n")
    with pytest.raises(ManifestError) as caught:
        load(tmp_path / "bootstrap.yaml")
    assert said in caught.value.message


# The documentation

DOCS = (ROOT / "docs" / "targets.md").read_text()


def test_every_target_is_told() -> None:
    assert sorted(re.findall(r"^\| `(\w+)`", DOCS, re.MULTILINE)) == TARGETS.names()


def test_the_manifest_registers_into_both(tmp_path: Path) -> None:
    manifest = re.findall(r"```yaml\n(.*?)```", DOCS, re.DOTALL)[0]
    project = Project(tmp_path)
    project.write(manifest)
    done = project.run("register")
    assert done.code == 0, done.text
    assert project.run("plan", "--check").code == 0
    for name in BOTH.values():
        assert "orders.internal" in (project.manifest.parent / name).read_text()


# As a user runs it


@pytest.mark.airflow
def test_up_reaches_what_stands_in_the_file(tmp_path: Path, template: Path) -> None:
    project, canary = Project(tmp_path).with_airflow(template), Canary()
    project.write(
        """
version: 1
airflow: {home: airflow}
stores: {here: {kind: env}}
register: [env, {file: {path: out/c.json}}]
connections:
  here: {conn_type: sqlite, host: ":memory:"}
  web: {conn_type: http, host: web, password: {secret: "here:WEB"}, checks: []}
"""
    )
    with watched_processes(Canary()) as seen:
        done = project.run("up", WEB=canary.value)
        assert done.code == 0, done.text
        again = project.run("up", WEB=canary.value)
        assert (again.code, "nothing to change" in again.err) == (0, True)
        plan = project.run("plan", "--check", "--into", "env", WEB=f"{canary.value}2")
        assert (plan.code, "~ web  update: password = ***" in plan.out) == (1, True)
    assert seen == []
    assert "web: created at" not in done.out
    work = project.manifest.parent
    wanted = {work / "airflow.env", work / "out" / "c.json"}
    assert all(file.stat().st_mode & 0o777 == 0o600 for file in wanted)
    assert set(leaks(work, canary, leave_out=work / "nowhere")) == wanted
    assert not any(canary.found_in(result.text.encode()) for result in project.transcript)
    assert project.run("plan", "--into", "nowhere").code == 2
