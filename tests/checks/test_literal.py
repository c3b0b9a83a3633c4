"""Airflow's templates and files of templates: what a check is given is literal, but for the arguments of `operator`."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
import yaml

from bootstrap import plugins
from bootstrap.manifest.loader import load
from bootstrap.smoke.inputs import TaskInputs
from tests.checks.bench import Bench, Cell
from tests.systems.in_process import Answer, Request, http_server, serving

pytestmark = pytest.mark.airflow

TEXT = "{{ conn.other.password }}{{ 7*7 }}{% raw %}"
PARAMS: dict[
    str, Any
] = {  # of the checks that something must be told; each text could be a template, or a template's file
    "bigquery": {"location": TEXT},
    "docker": {"image": TEXT, "command": [TEXT, "run.sh"], "docker_url": f"tcp://{TEXT}"},
    "gcs": {"bucket": TEXT, "prefix": TEXT},
    "gcs_to_bigquery": {"bucket": TEXT, "dataset": "smoke", "prefix": TEXT, "location": TEXT},
    "gcs_to_s3": {"bucket": TEXT, "to": {"connection": "other", "bucket": TEXT, "prefix": "a.json"}},
    "http": {"path": f"{TEXT}.sql"},
    "lambda": {"function": TEXT},
    "local_to_gcs": {"bucket": TEXT},
    "mysql": {"table": "{{7*7}}.sql"},
    "operator": {"path": "airflow.providers.http.operators.http.HttpOperator", "arguments": {"endpoint": "{{ 7*7 }}"}},
    "postgres": {"table": "{{7*7}}.sql"},
    "python": {"callable": "os.getcwd"},
    "s3": {"bucket": TEXT, "prefix": TEXT},
    "s3_to_gcs": {"bucket": TEXT, "to": {"connection": "other", "bucket": TEXT}},
    "sagemaker": {"endpoint": TEXT},
    "sql_to_gcs": {"to": {"connection": "other", "bucket": TEXT}},
    "sqlite": {"table": "{{7*7}}.json"},
}
RENDER = """
import copy
from bootstrap.smoke.dag import build

class Other:
    password = "LEAK"

context = {"conn": type("Connections", (), {"other": Other}), "params": {}}
for task in build().tasks:
    fields = [name for kind in type(task).__mro__ for name in getattr(kind, "template_fields", ())]
    before = {name: copy.deepcopy(getattr(task, name, None)) for name in fields}
    task.resolve_template_files()
    task.render_template_fields(dict(context))
    changed = {name for name in before if getattr(task, name, None) != before[name]}
    print(task.task_id, *sorted(changed))
"""


def test_no_parameter_is_a_template_but_the_arguments_of_operator(bench: Bench) -> None:
    connections = {
        f"c_{name}": {"conn_type": "http", "checks": [{name: PARAMS.get(name, {})}]} for name in plugins.CHECKS.names()
    }
    connections["other"] = {"conn_type": "generic", "checks": []}
    file = bench.folder / "literal.yaml"
    file.write_text(yaml.safe_dump({"version": 1, "connections": connections}))
    inputs = TaskInputs.of(load(file)).write(bench.folder / "inputs")
    env = {**os.environ, **inputs, "AIRFLOW_HOME": str(bench.folder / "airflow")}
    ran = subprocess.run([sys.executable, "-c", RENDER], env=env, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    changed = dict(line.partition(" ")[::2] for line in ran.stdout.splitlines() if line.startswith("c_"))
    assert changed.keys() == {f"c_{name}.{name}" for name in plugins.CHECKS.names()}
    assert {task: fields for task, fields in changed.items() if fields} == {"c_operator.operator": "endpoint"}


def test_a_path_is_asked_for_as_it_stands(bench: Bench, isolated: bool) -> None:  # noqa: FBT001  a fixture
    asked: list[str] = []

    def answer(request: Request) -> Answer:
        asked.append(request.target)
        return Answer(200, b"ok")

    other = {"conn_type": "generic", "password": bench.canary.value}
    with serving(http_server(answer)) as port:
        web = {"conn_type": "http", "host": "127.0.0.1", "port": port}
        path = "v1/{{ conn.other.password }}/{{ 7*7 }}.sql"
        bench.hold({"web": Cell(web, {"http": {"path": path}})}, others={"other": other}, isolated=isolated)
    assert set(asked) == {"/v1/%7B%7B%20conn.other.password%20%7D%7D/%7B%7B%207*7%20%7D%7D.sql"}
