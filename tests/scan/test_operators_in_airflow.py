"""What the table of operators says is what Airflow's and the providers' classes say once they are imported."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bootstrap.scan.operators.table import Operator, Operators, shipped

# Google's libraries take a minute to import: some of its modules stand for all
LEFT_OUT = "airflow.providers.google."
BUT = ("airflow.providers.google.cloud.hooks.gcs.", "airflow.providers.google.cloud.operators.gcs.")
BASES = {
    "sensor": "BaseSensorOperator",
    "operator": "BaseOperator",
    "hook": "BaseHook",
    "trigger": "BaseTrigger",
    "notifier": "BaseNotifier",
}
SIGNATURES = """
import importlib, inspect, json, sys

def simple(parameter):
    default = parameter.default
    return [default] if isinstance(default, (str, int, float, bool, type(None))) else []

def described(cls):
    parameters = {}
    for base in cls.__mro__:
        if "__init__" in vars(base) and base is not object:
            for parameter in list(inspect.signature(base.__init__).parameters.values())[1:]:
                if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                    parameters.setdefault(parameter.name, simple(parameter))
    own = list(inspect.signature(cls.__init__).parameters.values())[1:]
    attributes = {name: getattr(cls, name, None) for name in ("conn_type", "default_conn_name", "conn_name_attr")}
    return {
        "parameters": parameters,
        "positional": [each.name for each in own if each.kind is each.POSITIONAL_OR_KEYWORD],
        "own": [each.name for each in own if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)],
        "attributes": {name: value for name, value in attributes.items() if isinstance(value, str)},
        "bases": [base.__name__ for base in cls.__mro__],
    }

found = {}
for name in json.load(sys.stdin):
    module, _, title = name.rpartition(".")
    try:
        cls = getattr(importlib.import_module(module), title)
    except Exception:  # gone from this version, or a library is missing
        continue
    if inspect.isclass(cls):
        found[name] = described(cls)
json.dump(found, open(sys.argv[1], "w"))
"""


@pytest.mark.airflow
def test_signatures_are_those_of_the_imported_classes(tmp_path: Path) -> None:
    table = Operators(shipped())
    here = {each.name: each for each in table.all() if each.installed}
    asked = [name for name in here if not name.startswith(LEFT_OUT) or name.startswith(BUT)]
    environment = {"AIRFLOW_HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "PYTHONWARNINGS": "ignore"}
    answer = tmp_path / "signatures.json"
    subprocess.run(
        [sys.executable, "-c", SIGNATURES, str(answer)],
        input=json.dumps(asked),
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    described = json.loads(answer.read_text())
    assert len(described) > 400
    differences = [text for name, said in described.items() for text in _differences(here[name], said)]
    assert not differences


def _differences(operator: Operator, said: Mapping[str, Any]) -> list[str]:
    """Where the table is wrong of a class."""
    name, parameters, bases = operator.name, said["parameters"], said["bases"]
    kind = next((kind for kind, base in BASES.items() if base in bases), "other")
    found = [] if operator.kind == kind else [f"{name} is a {kind}"]
    if said["positional"] != list(operator.positional[: len(said["positional"])]):
        found.append(f"{name}: positional {said['positional']}, not {operator.positional}")
    found += [f"{name} takes {own}" for own in said["own"] if own not in operator.parameters]
    for argument in operator.connections:
        default = parameters.get(argument.name, [])
        if default and isinstance(default[0], str) and default[0] and default[0] != argument.default:
            found.append(f"{name}.{argument.name} defaults to {default[0]}")
    known = {argument.name for argument in operator.connections}
    found += [f"{name}.{each} is a connection" for each in operator.parameters - known if each.endswith("conn_id")]
    for parameter, default in operator.defaults.items():
        if parameters.get(parameter) and parameters[parameter] != [default]:
            found.append(f"{name}.{parameter} defaults to {parameters[parameter]}, not {default}")
    return [*found, *_hook_differences(operator, said["attributes"], parameters)]


def _hook_differences(operator: Operator, attributes: Mapping[str, str], parameters: Mapping[str, Any]) -> list[str]:
    """A hook that takes its connection by `conn_name_attr` alone uses its `default_conn_name`."""
    argument = attributes.get("conn_name_attr", "")
    if operator.kind != "hook" or not argument or argument not in operator.parameters:
        return []
    found = next((each for each in operator.connections if each.name == argument), None)
    if found is None:
        return [f"{operator.name} takes its connection as {argument}"]
    if argument not in parameters and found.default != attributes["default_conn_name"]:
        return [f"{operator.name}'s default is {attributes['default_conn_name']}"]
    own_default = found.default in {None, attributes.get("default_conn_name")}
    if own_default and found.conn_type != attributes.get("conn_type"):
        return [f"{operator.name} is for {attributes.get('conn_type')}, not {found.conn_type}"]
    return []
