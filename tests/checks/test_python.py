from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy  # noqa: ICN001
import pytest
from pydantic import ValidationError

from bootstrap.checks import _user_code
from bootstrap.checks import python as check
from bootstrap.manifest.loader import load
from bootstrap.smoke.inputs import TaskInputs
from tests.checks.bench import Bench, Cell, passed_steps, secrets

pytestmark = pytest.mark.airflow

MODULE = """
import contextlib
import functools
import os
import sys

import numpy

try:
    from airflow.sdk import task
except ImportError:
    from airflow.decorators import task


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
    return {"wrong": False, "nothing": None, "true": True}.get(table)


async def awaits(connection):
    raise RuntimeError("never run")


def never_awaited(connection):
    import asyncio

    return asyncio.new_event_loop().create_future()


def generates(connection):
    raise RuntimeError("never run")
    yield


async def generates_later(connection):
    raise RuntimeError("never run")
    yield


@contextlib.contextmanager
def manages(connection):
    raise RuntimeError("never run")
    yield


@task
def is_a_task(connection):
    raise RuntimeError("never run")


def partially(connection):
    return functools.partial(generates, connection)


def fails_like_airflow(connection):
    return False, f"login failed for {connection.password}"


def passes_like_airflow(connection):
    return True, f"logged in with {connection.password}"


class Odd:
    def __init__(self, connection):
        pass


def counts(connection):
    return numpy.bool_(False)


def reveals(connection):
    return "x" * 150 + connection.password * 3


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


NEVER_RUN = {  # functions that do nothing when they are called, and what is said of each
    "awaits": "a coroutine (it is async, and was not awaited): its work was never run",
    "never_awaited": "an awaitable",
    "generates": "a generator",
    "generates_later": "an async generator",
    "manages": "a context manager",
    "is_a_task": "@task",
    "partially": "a callable",
}


def test_python(bench: Bench, good: dict[str, Any], isolated: bool) -> None:  # noqa: FBT001  a fixture
    def fails(check: Any, says: str, hint: str = "", cause: str = "check_error") -> Cell:
        return Cell(good, check, "access", cause, says=says, hint=hint)

    results = bench.hold(
        {
            "passes": Cell(good, reads()),
            "returns_none": Cell(good, reads("nothing")),
            "returns_true": Cell(good, reads("true")),
            "like_airflow": Cell(good, call("bench_reads.passes_like_airflow")),
            "not_like_airflow": fails(call("bench_reads.fails_like_airflow"), "login failed for ***", cause="auth"),
            "returns_false": fails(reads("wrong"), "returned False"),
            "raises": fails(reads("raises"), "refused *** for etl"),
            "refused": fails(reads("refused"), "Connection refused", cause="connection_refused"),
            "skips": fails(reads("skips"), "skipped its work"),
            "exits": fails(reads("exits"), "ended its process", "return or raise"),
            "dies": fails(reads("dies"), "exit code"),
            **{name: fails(call(f"bench_reads.{name}"), says) for name, says in NEVER_RUN.items()},
            "makes": fails(call("bench_reads.Odd"), "(bench_reads.Odd)"),
            "counts": fails(call("bench_reads.counts"), "returned np.False_ (numpy.bool"),
            "reveals": fails(call("bench_reads.reveals"), f"returned '{'x' * 150}*********' (str)", "None or True"),
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


class Unspeakable:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


@pytest.mark.parametrize(
    ("result", "says"),
    [
        (numpy.bool_(True), r"np.True_ \(numpy.bool"),
        (0, r"0 \(int\)"),
        (1, r"1 \(int\)"),
        ("", r"'' \(str\)"),
        ((), r"\(\) \(tuple\)"),
        ([True, "message"], r"\[True, 'message'\] \(list\)"),
        ((1, "message"), r"\(1, 'message'\) \(tuple\)"),
        ((True, "a", "b"), "tuple"),
        ((True, None), "tuple"),
        ((False, None), "tuple"),
        (ValueError("refused"), "ValueError"),
        (NotImplemented, "NotImplementedType"),
        (..., "Ellipsis"),
        (Unspeakable(), r"returned tests\S+Unspeakable$"),
        (Unspeakable, "a callable"),
        (threading.Lock(), "a context manager"),
        ("x" * 500, r"x…"),
    ],
)
def test_only_none_true_and_true_with_a_message_pass(result: object, says: str) -> None:
    with pytest.raises(_user_code.UserCodeError, match=says):
        check._message("mine.checks", result)


def test_without_asserts_nothing_is_proven(bench: Bench, good: dict[str, Any]) -> None:
    (bench.folder / "bench_asserts.py").write_text("def asserts(connection):\n    assert False\n")
    check = call("bench_asserts.asserts")
    bench.hold({"asserts": Cell(good, check, "access", "check_error")}, env={"PYTHONOPTIMIZE": "1"})
    code = "from bootstrap.checks import _user_code\nwith _user_code.guarded('mine'): assert False"
    ran = subprocess.run([sys.executable, "-O", "-c", code], capture_output=True, text=True, check=False)
    assert "this Python skips `assert`" in ran.stderr


def test_a_module_in_the_dags_folder(bench: Bench, good: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "bench_in_dags.py").write_text("def reads(connection): ...\n")
    (tmp_path / "bootstrap.yaml").write_text("version: 1\nairflow: {dags: dags}\n")
    del bench, good
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_user_code, "_folders", list(TaskInputs.of(load(tmp_path / "bootstrap.yaml")).folders))
        patch.setattr("sys.path", [])  # restored afterwards
        assert callable(_user_code.find("bench_in_dags.reads"))


@pytest.mark.parametrize("path", ["reads", "my checks.reads", "", ".reads", "a..b", "a:b"])
def test_a_path_has_a_module_and_a_name(path: str) -> None:
    with pytest.raises(ValidationError, match="dotted path"):
        check.Params(callable=path)
