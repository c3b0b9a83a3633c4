"""What only a run finds: DAG files are parsed by Airflow, in a scratch home, whatever they do."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from bootstrap.scan.result import Declared, Result
from bootstrap.scan.run.whole import with_run
from bootstrap.scan.whole import scan
from bootstrap.util.processes import own_process

pytestmark = pytest.mark.airflow

CANARY = "canary-of-the-users"
TIMEOUT = 20.0
HOOK = """
try:
    from airflow.sdk import BaseHook
except ImportError:
    from airflow.hooks.base import BaseHook
"""
DAG = """
import datetime
from airflow import DAG
"""
TASKS = """
from pathlib import Path
import yaml
from airflow.providers.http.operators.http import HttpOperator
from airflow.providers.standard.operators.bash import BashOperator

with DAG("systems", start_date=datetime.datetime(2024, 1, 1), schedule=None):
    for name in yaml.safe_load((Path(__file__).parent / "systems.yaml").read_text()):
        HttpOperator(
            task_id=name,
            http_conn_id=f"api_{name}",
            endpoint="/",
        )
    HttpOperator.partial(task_id="mapped", endpoint="/").expand(http_conn_id=[chr(97 + n) + "_api" for n in range(2)])
    BashOperator(task_id="bash", bash_command="echo {{ " + "conn." + "in_template.host }}")
"""

TOP = """
import inspect
import json
from airflow.models import Variable

names = ["".join(["late", "ly"]), "warehouse"]
hosts = [BaseHook.get_connection(name).host.upper() for name in names]
default = next(name for name in inspect.signature(Variable.get).parameters if name.startswith("default"))
assert Variable.get("-".join(["a", "key"]), **{default: "else"}) == "else"
settings = json.loads(Variable.get("".join(["sett", "ings"])))
count = int(Variable.get("".join(["cou", "nt"])))
listed = Variable.get("".join(["list", "ed"]), deserialize_json=True).get("x", [])
made_up = Variable.get("conn_id")
with DAG("top", start_date=datetime.datetime(2024, 1, 1), schedule=None) as dag:
    from airflow.providers.http.operators.http import HttpOperator
    HttpOperator(task_id="t", http_conn_id=f"of_{made_up}")
"""


@pytest.fixture
def dags(tmp_path: Path) -> Path:
    folder = tmp_path / "dags"
    folder.mkdir()
    return folder


def run(dags: Path, timeout: float = TIMEOUT, **variables: str) -> Result:
    return with_run(scan(dags, Declared()), dags, variables, timeout)


def places(result: Result) -> dict[str, list[tuple[str, int, str]]]:
    """What only the run has found."""
    return {
        each.conn_id: [(use.place.file, use.place.line, use.place.by) for use in each.uses]
        for each in result.connections
        if each.evidence == "run"
    }


def reasons(result: Result) -> dict[str, str]:
    return {each.file: each.reason for each in result.skipped}


def test_ids_that_a_loop_over_a_file_makes_are_found_where_the_operator_is_made(dags: Path) -> None:
    (dags / "systems.yaml").write_text("[eu, us]\n")
    (dags / "systems.py").write_text(DAG + TASKS)
    before = scan(dags, Declared())
    result = with_run(before, dags, {}, TIMEOUT)
    line = (DAG + TASKS).splitlines().index("        HttpOperator(") + 1
    found = places(result)
    assert found["api_eu"] == found["api_us"] == [("systems.py", line, "HttpOperator.http_conn_id")]
    assert found["in_template"][0][2] == "BashOperator.bash_command"
    assert {"a_api", "b_api"} <= set(found)
    assert {each.conn_type for each in result.connections if each.conn_id.startswith("api_")} == {"http"}
    assert [each.place.line for each in before.dynamic] != []
    assert result.dynamic == []
    assert result.run is not None
    assert next(iter(result.run.lines())).startswith(
        "--run adds: 5 connections (a_api, api_eu, api_us, b_api, in_template)"
    )
    assert result.run.tasks == 4
    assert {each["id"]: each["evidence"] for each in result.document()["connections"]}["api_eu"] == "run"


def test_look_ups_at_the_top_of_a_file_go_on_and_are_recorded(dags: Path) -> None:
    (dags / "top.py").write_text(DAG + HOOK + TOP)
    result = run(dags)
    assert reasons(result) == {}
    assert {each.conn_id for each in result.connections} == {"lately", "warehouse"}
    assert {each.key for each in result.variables} == {"a-key", "settings", "count", "listed", "conn_id"}
    assert len(result.dynamic) == 1, "an id made of a made-up value is none"
    assert result.run is not None
    assert result.run.dags == 1


def test_a_file_that_hangs_crashes_raises_or_leaves_is_named_and_the_others_are_read(dags: Path) -> None:
    (dags / "systems.yaml").write_text("[eu]\n")
    (dags / "good.py").write_text(DAG + TASKS)
    marker = f"marker-{os.getpid()}-{dags.parent.name}"
    started = f"import sys, subprocess, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(100)', '{marker}'], start_new_session=True)\n"
    files = {
        "hangs.py": f"{started}time.sleep(1000)",
        "leaves.py": "import os\nos._exit(1)",
        "crashes.py": "import ctypes\nctypes.string_at(0)",
        "raises.py": "import nothing_like_this",
        "exits.py": "import sys\nsys.exit(3)",
        "prints.py": "print('x' * 100_000)\nraise RuntimeError('after')",
        "forks.py": f"{started}raise RuntimeError('parent')",
        "eats.py": "import mmap\nx = []\nwhile True: x.append(mmap.mmap(-1, 1 << 30, mmap.MAP_PRIVATE))",
    }
    for name, text in files.items():
        (dags / name).write_text(f"from airflow import DAG\n{text}\n")
    before = time.monotonic()
    result = run(dags, timeout=5.0)
    assert time.monotonic() - before < 120
    found = {file: reason.removeprefix("--run: ") for file, reason in reasons(result).items()}
    assert found == {
        "hangs.py": "it was parsed for 5 s, and killed",
        "leaves.py": "it ended its process with exit code 1 while it was parsed",
        "crashes.py": "it was killed by SIGSEGV while it was parsed",
        "raises.py": "ModuleNotFoundError: No module named 'nothing_like_this' (raises.py:2)",
        "exits.py": found["exits.py"],
        "prints.py": "RuntimeError: after (prints.py:3)",
        "forks.py": "RuntimeError: parent (forks.py:3)",
        "eats.py": "OSError: [Errno 12] Cannot allocate memory (eats.py:4)",
    }
    assert "3" in found["exits.py"]
    assert {"api_eu", "in_template"} <= {each.conn_id for each in result.connections}
    assert own_process(marker) is None


def test_nothing_outside_the_scratch_home_is_written(
    dags: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(tmp_path)
    texts = {
        "scratch.py": """
import os, tempfile
open(os.path.expanduser("~/mine"), "w").close()
open("here", "w").close()
tempfile.mkdtemp()
os.environ["AIRFLOW_HOME"] and open(os.path.join(os.environ["AIRFLOW_HOME"], "there"), "w").close()
assert open("dags/scratch.py").read()
""",
        "beside.py": "open(__file__ + '.new', 'w')",
        "itself.py": "open('dags/itself.py', 'a')",
        "removes.py": "import os\nos.remove(__file__)",
        "renames.py": "import os\nos.rename(__file__, __file__ + '.old')",
        "links.py": "import os\nos.symlink('/', os.path.dirname(__file__) + '/link')",
        "modes.py": "import os\nos.chmod(__file__, 0)",
    }
    for name, text in texts.items():
        (dags / name).write_text(f"from airflow import DAG\n{text}\n")
    before = tree(tmp_path)
    result = run(dags)
    assert tree(tmp_path) == before
    assert {file: "PermissionError" in reason for file, reason in reasons(result).items()} == {
        name: True for name in texts if name != "scratch.py"
    }


def tree(folder: Path) -> dict[str, Any]:
    return {
        str(path): (path.stat().st_mode, path.read_bytes() if path.is_file() else None) for path in folder.rglob("*")
    }


def test_no_secret_of_the_users_reaches_dag_code_or_the_output(
    dags: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    secrets = {
        "AIRFLOW_CONN_WAREHOUSE": f"postgres://u:{CANARY}@host/db",
        "AIRFLOW_VAR_REGION": CANARY,
        "AIRFLOW__CORE__FERNET_KEY": CANARY,
        "AWS_SECRET_ACCESS_KEY": CANARY,
        "DATABASE_URL": f"postgres://u:{CANARY}@host/db",
    }
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("STAGE", "test")
    (dags / "shows.py").write_text(
        DAG
        + HOOK
        + """
import os
from airflow.models import Variable
seen = [BaseHook.get_connection("warehouse").password, Variable.get("region"), os.environ["AWS_SECRET_ACCESS_KEY"]]
print(seen)
raise ValueError(f"{os.environ['STAGE']} {seen} {dict(os.environ)}")
"""
    )
    result = run(dags)
    assert reasons(result)["shows.py"].startswith("--run: ValueError: test ['airflow-bootstrap-scan', ")
    printed = capfd.readouterr()
    assert CANARY not in json.dumps(result.document()) + printed.out + printed.err
