from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bootstrap.checks import python as check
from tests.checks.bench import Bench, Cell, passed_steps, secrets

pytestmark = pytest.mark.airflow

MODULE = """
import os
import sys


def reads(connection, table="orders"):
    from airflow.providers.common.compat.sdk import AirflowSkipException

    assert connection.conn_id and connection.password, "no connection"
    print("printed", connection.password, flush=True)
    print("printed to stderr", connection.password, file=sys.stderr)
    os.system(f"echo a child printed '{connection.login}'")
    if table == "skips":
        raise AirflowSkipException("later")
    if table == "exits":
        print(connection.password, flush=True)
        sys.exit(0)
    if table == "dies":
        print(connection.password, flush=True)
        os._exit(7)
    if table == "raises":
        raise ValueError(f"refused {connection.password} for {connection.login}")
    if table == "refused":
        raise ConnectionRefusedError(111, "Connection refused")
    return {"wrong": False, "nothing": None, "zero": 0}.get(table, connection.password)


async def awaits(connection):
    return True


nothing = 5
"""


@pytest.fixture
def good(bench: Bench) -> dict[str, Any]:
    """A connection of a type that has no provider, with a module of the user's beside the manifest."""
    for name, text in {
        "bench_reads.py": MODULE,
        "bench_broken.py": "def (:\n",
        "bench_needs.py": "import nope_x",
    }.items():
        (bench.folder / name).write_text(text)
    return {"conn_type": "generic", "host": "h", "login": "etl", "password": bench.canary.value}


def reads(table: str | None = None, **more: Any) -> dict[str, Any]:
    return {"python": {"callable": "bench_reads.reads", "arguments": {"table": table} if table else {}, **more}}


def call(path: str) -> dict[str, Any]:
    return {"python": {"callable": path}}


def test_python(bench: Bench, good: dict[str, Any], isolated: bool) -> None:  # noqa: FBT001  a fixture
    def fails(check: Any, says: str, hint: str = "", cause: str = "check_error") -> Cell:
        return Cell(good, check, "access", cause, says=says, hint=hint)

    results = bench.hold(
        {
            "passes": Cell(good, reads()),
            "returns_none": Cell(good, reads("nothing")),
            "returns_zero": Cell(good, reads("zero")),
            "returns_false": fails(reads("wrong"), "returned False"),
            "raises": fails(reads("raises"), "refused *** for etl"),
            "refused": fails(reads("refused"), "Connection refused", cause="connection_refused"),
            "skips": fails(reads("skips"), "skipped its work"),
            "exits": fails(reads("exits"), "ended its process", "return or raise"),
            "dies": fails(reads("dies"), "exit code"),
            "awaits": fails(call("bench_reads.awaits"), "async"),
            "no_module": fails(call("bench_nope.reads"), "no module bench_nope", "correct the path"),
            "no_function": fails(call("bench_reads.nope"), "has no nope", "correct the path"),
            "no_callable": fails(call("bench_reads.nothing"), "can't be called"),
            "broken": fails(call("bench_broken.reads"), "SyntaxError"),
            "needs": fails(call("bench_needs.reads"), "imports nope_x", "pip install"),
            "no_argument": fails(reads(arguments={"tabel": "x"}), "(connection, table='orders')", "arguments"),
            **secrets(good, reads()),
        },
        keep=("passes",),
        isolated=isolated,
    )
    assert passed_steps(results["passes"]) == ["resolve", "access"]


def test_a_module_in_the_dags_folder(bench: Bench, good: dict[str, Any], tmp_path: Path) -> None:
    from bootstrap.checks import _user_code

    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "bench_in_dags.py").write_text("def reads(connection): ...\n")
    (tmp_path / "bootstrap.yaml").write_text("version: 1\nairflow: {dags: dags}\n")
    del bench, good
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_BOOTSTRAP_FILE", str(tmp_path / "bootstrap.yaml"))
        patch.setattr("sys.path", [])  # restored afterwards
        assert callable(_user_code.find("bench_in_dags.reads"))


@pytest.mark.parametrize("path", ["reads", "my checks.reads", "", ".reads", "a..b", "a:b"])
def test_a_path_has_a_module_and_a_name(path: str) -> None:
    with pytest.raises(ValidationError, match="dotted path"):
        check.Params(callable=path)
