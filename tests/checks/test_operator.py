from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from bootstrap.checks import operator as check
from tests.checks.bench import Bench, Cell, passed_steps, secrets

pytestmark = pytest.mark.airflow

MODULE = '''
from datetime import timedelta

from airflow.providers.common.compat.sdk import AirflowSkipException, BaseOperator, BaseSensorOperator
from airflow.triggers.temporal import TimeDeltaTrigger


class Base(BaseOperator):
    def __init__(self, *, my_conn_id, mode="", **more):
        super().__init__(**more)
        self.my_conn_id, self.mode = my_conn_id, mode


class Reads(Base):
    template_fields = ("mode",)

    def __init__(self, *, deferrable=True, **more):
        super().__init__(**more)
        self.deferrable = deferrable

    def execute(self, context):
        conn = self.hook_connection()
        print("printed", conn.password, flush=True)
        if self.mode == "skips":
            raise AirflowSkipException("later")
        if self.mode == "defers" or self.deferrable:
            self.defer(trigger=TimeDeltaTrigger(timedelta(seconds=0)), method_name="resumed")
        if self.mode == "fails":
            raise ValueError(f"refused {conn.password}")
        if self.mode == "rows":
            return [(1, "one"), (2, "two")]
        return self.mode

    def hook_connection(self):
        from bootstrap.airflow.compat import BaseHook

        return BaseHook.get_connection(self.my_conn_id)

    def resumed(self, context, event=None):
        return "resumed"


class Waits(BaseSensorOperator):
    def __init__(self, *, conn_id, **more):
        super().__init__(**more)

    def poke(self, context):
        return False


class Awaits(Base):
    async def execute(self, context):
        raise RuntimeError("never run")


class Generates(Base):
    def execute(self, context):
        raise RuntimeError("never run")
        yield


class Two(Base):
    def __init__(self, *, other_conn_id="b", **more):
        super().__init__(**more)

    def execute(self, context):
        return [self.my_conn_id]


class Without(BaseOperator):
    def execute(self, context):
        return None


def reads():
    """No operator."""
'''
HTTP = "airflow.providers.http.operators.http.HttpOperator"


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = f"hello {self.path}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.02,))
        thread.start()
        yield running.server_port
        running.shutdown()
        thread.join()


@pytest.fixture
def good(bench: Bench) -> dict[str, Any]:
    (bench.folder / "bench_operators.py").write_text(MODULE)
    return {"conn_type": "generic", "host": "h", "login": "etl", "password": bench.canary.value}


def run(name: str, mode: str | None = None, /, **more: Any) -> dict[str, Any]:
    arguments = {**({"mode": mode} if mode is not None else {}), **more.pop("arguments", {})}
    return {"operator": {"path": f"bench_operators.{name}", "arguments": arguments, **more}}


def failing(good: dict[str, Any]) -> dict[str, Cell]:
    def fails(check: Any, says: str, hint: str = "", cause: str = "check_error") -> Cell:
        return Cell(good, check, "access", cause, says=says, hint=hint)

    def of_provider(path: str) -> dict[str, Any]:
        return {"operator": {"path": f"airflow.providers.{path}"}}

    return {
        "fails": fails(run("Reads", "fails"), "refused ***"),
        "skips": fails(run("Reads", "skips"), "skipped its work"),
        "defers": fails(run("Reads", "defers"), "deferred its work", "fail"),
        "asked_to_defer": fails(run("Reads", arguments={"deferrable": True}), "deferred its work"),
        "reschedules": fails(run("Waits", "reschedule"), "put its work off"),
        "sensor_skips": fails(run("Waits", arguments={"soft_fail": True, "timeout": 0}), "skipped its work"),
        "awaits": fails(run("Awaits"), "a coroutine"),
        "generates": fails(run("Generates"), "a generator"),
        "other_result": fails(run("Reads", "a", expect="b"), "expect", "show-command"),
        "number_for_text": fails(run("Reads", "1", expect=1), "expect"),
        "contains_not": fails(run("Reads", "a", expect={"contains": "b"}), "'b'"),
        "two_conn_ids": fails(run("Two"), "my_conn_id, other_conn_id", "conn_id_argument"),
        "no_conn_id": fails(run("Without"), "none that ends in conn_id", "conn_id_argument"),
        "wrong_argument": fails(run("Reads", arguments={"modes": 1}), "modes", "correct `arguments`"),
        "ours": fails(run("Reads", arguments={"retries": 3, "task_id": "x"}), "retries, task_id", "leave it out"),
        "no_operator": fails(run("reads"), "not an operator's class"),
        "no_name": fails(run("Nope"), "has no Nope"),
        "no_module": fails({"operator": {"path": "bench_nowhere.Reads"}}, "no module bench_nowhere"),
        "no_provider": fails(
            of_provider("apache.druid.operators.druid.DruidOperator"),
            "apache-airflow-providers-apache-druid is not installed",
            "pip install apache-airflow-providers-apache-druid",
            "provider_missing",
        ),
        "wrong_module": fails(of_provider("http.operators.htpp.HttpOperator"), "no module airflow.providers.http"),
    }


def test_operator(
    bench: Bench,
    good: dict[str, Any],
    server: int,
    isolated: bool,  # noqa: FBT001  a fixture
) -> None:
    web = {"conn_type": "http", "host": "127.0.0.1", "port": server, "password": bench.canary.value}
    get = {"path": HTTP, "arguments": {"endpoint": "a/{{ params.conn_id }}/{{ params.run_id }}", "method": "GET"}}
    results = bench.hold(
        {
            "of_a_provider": Cell(web, {"operator": {**get, "expect": {"contains": "hello /a/of_a_provider/2"}}}),
            "runs": Cell(good, run("Reads", "a")),
            "returns": Cell(good, run("Reads", "{{ params.conn_id }}", expect="returns")),
            "returns_rows": Cell(good, run("Reads", "rows", expect=[[1, "one"], [2, "two"]])),
            "returns_none": Cell(good, run("Two", expect=["returns_none"], arguments={"other_conn_id": "b"})),
            "named": Cell(good, run("Two", conn_id_argument="my_conn_id", expect=["named"])),
            "all_given": Cell(
                good, run("Two", arguments={"my_conn_id": "x", "other_conn_id": "y"}, expect={"contains": "x"})
            ),
            **failing(good),
            **secrets(good, run("Reads")),
        },
        keep=("runs",),
        isolated=isolated,
    )
    assert passed_steps(results["runs"]) == ["resolve", "access"]


@pytest.mark.parametrize("path", ["HttpOperator", "a/b.C", "a b.C"])
def test_a_path_has_a_module_and_a_name(path: str) -> None:
    with pytest.raises(ValidationError, match="dotted path"):
        check.Params(path=path)
