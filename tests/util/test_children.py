"""Processes of ours run nothing of the folder they are started in, and no process list shows a secret of the manifest."""

from __future__ import annotations

import ast
import importlib
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from bootstrap.airflow.environment import Environment, locate
from bootstrap.checks import _spark_job, _user_code
from bootstrap.errors import ManifestError
from bootstrap.manifest.loader import load
from bootstrap.smoke.inputs import TaskInputs
from bootstrap.util import children
from tests.project import ROOT, TIMEOUT, Canary, Project, Result, watched_processes

PLANTED = ("json.py", "logging.py", "runpy.py", "sitecustomize.py", "usercustomize.py", "airflow/__init__.py")
OWN_PACKAGE = "bootstrap/__init__.py"
SHOW = "import sys, json, bootstrap; print(json.dumps([sys.path, bootstrap.__file__, sys.argv[1:]]))"


def plant(folder: Path, *names: str) -> Path:
    """Modules that leave a file when they are run; returns the folder of those files."""
    marks = folder / "marks"
    marks.mkdir(parents=True, exist_ok=True)
    for name in names:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"open({str(marks / name.replace('/', '.'))!r}, 'w').close()\n")
    return marks


def found(marks: Path) -> list[str]:
    return sorted(file.name for file in marks.iterdir())


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with planted modules in it."""
    folder = tmp_path / "here"
    plant(folder, *PLANTED, OWN_PACKAGE)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def lib(tmp_path: Path) -> Path:
    """A folder for PYTHONPATH: it has a module that shows what it gets."""
    folder = tmp_path / "lib"
    folder.mkdir()
    (folder / "show.py").write_text(SHOW)
    return folder


@pytest.mark.parametrize("can_be_safe", [lambda: True, lambda: False], ids=["with -P", "as on 3.10"])
@pytest.mark.parametrize("form", ["{lib}", ":{lib}", "{lib}:", "../lib"])
@pytest.mark.parametrize("start", [children.command, children.by_hand])
def test_a_child_has_pythonpath_and_not_the_current_folder(
    start: Callable[[str], Any],
    form: str,
    can_be_safe: Callable[[], bool],
    here: Path,
    lib: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(children, "_can_be_safe", can_be_safe)
    monkeypatch.setenv("PYTHONPATH", form.format(lib=lib))
    argv = start("show")
    if isinstance(argv, tuple):
        argv, variables = argv
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
    path, package, arguments = ask([*argv, "-x", "y"])
    assert str(lib) in path or str(here / "../lib") in path
    assert str(here) not in path
    assert "" not in path
    assert package == str(ROOT / "bootstrap" / "__init__.py")
    assert arguments == ["-x", "y"]
    assert found(here / "marks") == []


def ask(argv: list[str]) -> tuple[list[str], str, list[str]]:
    done = subprocess.run(argv, env=children.environment(), input="{}\n", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    path, package, arguments = json.loads(done.stdout)
    return path, package, arguments


def test_a_package_of_the_users_on_pythonpath_does_not_take_the_place_of_ours(
    lib: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marks = plant(lib, OWN_PACKAGE)
    monkeypatch.setenv("PYTHONPATH", str(lib))
    assert ask(children.command("show"))[1] == str(ROOT / "bootstrap" / "__init__.py")
    script = Path(sys.executable).with_name("airflow-bootstrap")
    assert subprocess.run([script, "--version"], capture_output=True, check=False).returncode == 0
    assert found(marks) == []


def test_the_job_of_spark_runs_nothing_that_lies_beside_it_or_around(here: Path, lib: Path) -> None:
    """What it needs of Spark comes by PYTHONPATH, from spark-submit: here, something that shows what it can import."""
    (lib / "pyspark.py").write_text("import sys, json, http.client; print(json.dumps([sys.path, http.__file__]))")
    environment = {**os.environ, "PYTHONPATH": str(lib)}
    beside = Path(shutil.copy(_spark_job.__file__, here))
    plant(here, "http.py", "pathlib.py")
    for job in (Path(_spark_job.__file__), beside):
        done = subprocess.run([sys.executable, job], env=environment, capture_output=True, text=True, check=False)
        path, http = json.loads(done.stdout)
        assert path[0] == str(lib)
        assert not {str(here), str(job.parent), ""} & {*path, str(Path(http).parent)}
    assert found(here / "marks") == []


def test_python_m_bootstrap_runs_nothing_of_the_current_folder(here: Path, lib: Path) -> None:
    shutil.rmtree(here / "bootstrap")
    (here / "runpy.py").unlink()  # Python itself runs it, before anything of ours
    for name in ("yaml.py", "click.py", "pydantic.py"):
        plant(here, name)
    (here / "bootstrap.yaml").write_text("version: 1\n")
    environment = {**os.environ, "PYTHONPATH": f":{lib}"}
    done = subprocess.run(
        [sys.executable, "-m", "bootstrap", "plan"], env=environment, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert set(found(here / "marks")) <= {
        "sitecustomize.py",
        "usercustomize.py",
    }  # by the empty entry, before our start


def test_what_python_or_our_own_processes_would_obey_is_left_out_of_a_childs_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unwanted = ("AIRFLOW_BOOTSTRAP_CLEAN", "AIRFLOW_BOOTSTRAP_NEW", "PYTHONOPTIMIZE", "PYTHONINSPECT")
    for name in unwanted:
        monkeypatch.setenv(name, "1")
    text = "version: 1\nairflow: {env: {AIRFLOW_BOOTSTRAP_CLEAN: '1', PYTHONOPTIMIZE: '2', PYTHONPATH: 'lib:', A: b}}\n"
    text += "stores: {e: {kind: env}}\nvariables: {v: {secret: 'e:AIRFLOW_BOOTSTRAP_CLEAN'}}\n"
    environment = located(tmp_path, text)
    child = environment.child(AIRFLOW_BOOTSTRAP_INPUTS="ours")
    ours = {name: value for name, value in child.items() if children.is_ours(name)}
    assert ours == {"AIRFLOW_BOOTSTRAP_INPUTS": "ours"}
    assert not {*unwanted} & {*child}
    assert environment.secrets == {}
    assert (child["PYTHONPATH"], child["A"]) == (str(tmp_path / "lib"), "b")


def located(folder: Path, text: str, *, allow_plaintext: bool = False) -> Environment:
    file = folder / "bootstrap.yaml"
    file.write_text(text)
    return locate(load(file, allow_plaintext=allow_plaintext))


EVERYWHERE = """
version: 1
stores:
  e: {kind: env, prefix: S_}
  v: {kind: vault, url: "http://127.0.0.1:1", auth: {method: approle, role_id: r, secret_id: {env: VAULT_SECRET}}}
backend: {class: my.Backend, kwargs: {token: {env: BACKEND_TOKEN}}}
register: [{api: {url: "http://127.0.0.1:2", password: {env: API_PASSWORD}, login: u}}]
connections:
  a: {from: {secret: "e:WHOLE"}}
  b: {conn_type: http, extra: {deep: [{token: {secret: "e:DEEP"}}]}}
variables:
  v: {secret: "e:VARIABLE"}
  w: {deep: {secret: "e:IN_VARIABLE"}}
"""


def test_whatever_the_manifest_takes_from_a_variable_is_in_no_childs_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("S_WHOLE", "S_DEEP", "S_VARIABLE", "S_IN_VARIABLE", "VAULT_SECRET", "BACKEND_TOKEN", "API_PASSWORD")
    for name in names:
        monkeypatch.setenv(name, "value")
    monkeypatch.setenv("S_NOT_NAMED", "value")
    file = tmp_path / "bootstrap.yaml"
    file.write_text(EVERYWHERE)
    manifest = load(file)
    assert not set(names) & set(children.environment())  # of any process, whatever is done with the manifest
    environment = locate(manifest)
    assert set(environment.secrets) == set(names)
    for given in (environment.child(), Environment(tmp_path, tmp_path / "airflow.cfg", {}, tmp_path).child()):
        assert not set(names) & set(given)
        assert given["S_NOT_NAMED"] == "value"


def test_a_program_that_a_library_starts_gets_none_of_them_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S_HIDDEN", "value")
    children.hide(["S_HIDDEN", "S_NOT_SET"])

    @children.without_hidden_variables()
    def submit() -> str:
        return subprocess.run(["/usr/bin/env"], capture_output=True, text=True, check=True).stdout

    for _ in range(2):
        assert "S_HIDDEN" not in submit()
        assert os.environ["S_HIDDEN"] == "value"


@pytest.mark.parametrize(
    "line",
    [
        'stores: {v: {kind: vault, url: "https://u:PASS@vault.example.com"}}',
        'airflow: {env: {HTTPS_PROXY: "http://u:PASS@proxy:3128"}}',
        'config: {database: {sql_alchemy_conn: {cmd: "echo postgresql+psycopg2://u:PASS@db/x"}}}',
        'backend: {class: my.Backend, kwargs: {endpoint_url: "http://u:PASS@127.0.0.1"}}',
        'connections: {web: {conn_type: http, host: "https://u:PASS@h"}}',
        'connections: {web: {conn_type: http, extra: {proxies: {https: "http://:PASS@h"}}}}',
        'variables: {v: {url: "amqp://u:PASS@mq//"}}',
    ],
)
def test_an_address_with_a_password_is_a_secret_in_plain_text_wherever_it_stands(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ManifestError) as caught:
        located(tmp_path, f"version: 1\n{line}\n")
    assert "bootstrap.yaml:2:" in caught.value.message
    assert "an address with a password in plain text" in caught.value.message
    assert "PASS" not in caught.value.message
    environment = located(tmp_path, f"version: 1\n{line}\n", allow_plaintext=True)
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    assert "PASS" not in json.dumps(environment.child())


@pytest.mark.parametrize("password", ["${PASSWORD}", "$PASSWORD", "<password>", "{{ conn.x.password }}", "***"])
def test_a_placeholder_is_no_password(password: str, tmp_path: Path) -> None:
    located(tmp_path, f'version: 1\nvariables: {{v: {{url: "http://u:{password}@h"}}}}\n')


def test_the_users_code_can_be_imported_while_a_check_asks_for_it_and_no_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bootstrap.yaml").write_text("version: 1\n")
    (tmp_path / "users_check.py").write_text("def check(conn):\n    import users_other\n    return users_other.x\n")
    (tmp_path / "users_other.py").write_text("x = 5")
    plant(tmp_path, "orjson_like.py")
    monkeypatch.setattr(_user_code, "_folders", list(TaskInputs.of(load(tmp_path / "bootstrap.yaml")).folders))
    check = _user_code.find("users_check.check")
    for _ in range(2):
        with pytest.raises(ImportError):
            importlib.import_module("orjson_like")
        with _user_code.guarded("check"):
            assert check(None) == 5
    with pytest.raises(_user_code.UserCodeError, match="airflow-bootstrap's own package is called bootstrap, too"):
        _user_code.find("bootstrap.mine.check")


class Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
        """Say nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


MANIFEST = """
version: 1
stores: {{e: {{kind: env}}}}
backend: {{class: airflow.secrets.local_filesystem.LocalFilesystemBackend, kwargs: {{connections_file_path: {file}}}}}
register: [{{env: {{}}}}]
airflow: {{home: af, fernet_key: {{}}}}
config: {{sentry: {{sentry_dsn: {{cmd: "printf dsn"}}}}}}
connections:
  web: {{conn_type: http, host: "http://127.0.0.1:{port}", password: {{secret: "e:S_CONN"}}, checks: [http]}}
variables: {{tok: {{secret: "e:S_VAR"}}}}
"""
COMMANDS = (
    ("up",),
    ("plan",),
    ("smoke", "--isolated"),
    ("store", "get", "e:S_CONN"),
)
OTHERS = (  # start their processes by the same functions, as the next test sees
    ("up",),
    ("explain", "web"),
    ("export", "-o", "export.json"),
    ("doctor",),
    ("render", "--verify"),
    ("register", "--into", "metadata"),
    ("init", "--from", "metadata:{}/af", "--store", "e", "--script", "put.sh", "-o", "{}/made.yaml"),
    ("rotate", "--status"),
    ("store", "list", "e"),
)


@pytest.mark.airflow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("commands", [COMMANDS, pytest.param(OTHERS, marks=pytest.mark.slow)], ids=["some", "others"])
def test_no_command_runs_what_lies_around_and_none_shows_a_secret_to_others(
    tmp_path: Path, port: int, commands: Sequence[Sequence[str]]
) -> None:
    project, canary = Project(tmp_path), Canary()
    empty = tmp_path / "connections.json"
    empty.write_text("{}")
    project.write(MANIFEST.format(port=port, file=empty))
    marks = [plant(folder, *PLANTED, OWN_PACKAGE) for folder in (project.manifest.parent, tmp_path / "elsewhere")]
    with watched_processes(canary, own_command=["printf", "dsn"]) as seen:
        for arguments, folder in zip(commands, cycle((tmp_path / "elsewhere", project.manifest.parent))):
            result = run(project, folder, canary, *(word.format(project.manifest.parent) for word in arguments))
            assert result.code == 0, f"{arguments}: {result.text}"
    assert [found(folder) for folder in marks] == [[], []]
    assert {Path(file).parent.name for file in seen} <= {str(pid) for pid in project_pids(project)}


def test_every_process_is_started_without_the_current_folder_and_with_an_environment_of_its_own() -> None:
    """Of the calls in the source. Python is started by `children` alone; spark-submit gets the Python that it runs with, and
    DAG files its folder in PATH.
    """
    for file in (ROOT / "bootstrap").rglob("*.py"):
        tree = ast.parse(file.read_text())
        named = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr == "executable"]
        allowed = {"util/children.py": 3, "airflow/environment.py": 1, "run/home.py": 1, "checks/spark.py": 1}
        assert len(named) == allowed.get(f"{file.parent.name}/{file.name}", 0), file
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            if ast.unparse(call.func) in {"subprocess.run", "subprocess.Popen"}:
                assert "env" in {keyword.arg for keyword in call.keywords}, f"{file}:{call.lineno}"


def project_pids(project: Project) -> list[int]:
    return [int(text) for text in (project.folder / "pids").read_text().split()]


def run(project: Project, folder: Path, canary: Canary, *arguments: str) -> Result:
    """The console script in a folder of its own; its own environment has the secrets, of course."""
    file = project.manifest if folder != project.manifest.parent else project.manifest.name
    script = Path(sys.executable).with_name("airflow-bootstrap")
    secrets = {"S_CONN": canary.value, "S_VAR": canary.value}
    process = subprocess.Popen(
        [script, "-f", file, *arguments],
        env=project.environment(**secrets),
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with (project.folder / "pids").open("a") as file_:
        file_.write(f"{process.pid} ")
    out, err = process.communicate(timeout=TIMEOUT)
    return Result(process.returncode, out, err)
