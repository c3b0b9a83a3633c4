from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from bootstrap.checks import spark as check
from bootstrap.checks.base import Endpoint, Run
from bootstrap.smoke.diagnosis import diagnose
from tests.checks.bench import Bench, Cell, Connection, passed_steps, unreachable
from tests.systems import faulty, liar, spark

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(600)]

TIMEOUT = 180  # a limit, for machines that do much else


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with spark.running(tmp_path_factory.mktemp("spark")) as cluster:
        yield cluster.master


def at(master: str, **more: Any) -> Connection:
    host, _, port = master.rpartition(":")
    return {"conn_type": "spark", "host": host, "port": int(port), **more}


def processes(word: str) -> list[str]:
    lines = [" ".join(each.info["cmdline"] or ()) for each in psutil.process_iter(["cmdline"])]
    return [line for line in lines if word in line]


def test_spark(bench: Bench, master: str, isolated: bool) -> None:  # noqa: FBT001  a fixture
    canary = {"password": bench.canary.value}  # Spark's connections have none; Airflow's may
    good = at(master, **canary)
    bare = {**good, "host": "127.0.0.1"}  # as from a URI spark://host:port
    with unreachable(bare, "spark") as others:
        del others["silent"]  # below, for Spark waits a minute for it
        local = {"local": Cell({"conn_type": "spark", "host": "local[1]", **canary}, "spark")}
        results = bench.hold(
            {
                "master": Cell(good, "spark"),
                "cluster_mode": Cell(at(master, extra={"deploy-mode": "cluster"}), "spark"),
                "yarn": Cell(
                    {"conn_type": "spark", "host": "yarn", **canary}, "spark", "access", "check_error", hint="HADOOP"
                ),
                "no_master": Cell(
                    {"conn_type": "spark", "host": "nonsense", **canary},
                    "spark",
                    "access",
                    "check_error",
                    says="Master must",
                    hint="host and port",
                ),
                "no_spark": Cell(
                    {"conn_type": "spark", "host": "local[1]", "extra": {"spark-binary": "spark3-submit"}},
                    "spark",
                    "access",
                    "provider_missing",
                    says="spark3-submit",
                    hint="pip install pyspark",
                ),
                "no_binary": Cell(
                    {"conn_type": "spark", "host": "local[1]", "extra": {"spark-binary": "rm"}},
                    "spark",
                    "access",
                    "check_error",
                    says="rm",
                ),
                **({} if bench.sample else local),  # a Java each
                **others,
            },
            keep=("master", "cluster_mode"),
            isolated=isolated,
            timeout=TIMEOUT,
        )
    details = {name: {step.name: step.detail for step in result.steps} for name, result in results.items()}
    assert passed_steps(results["master"]) == ["resolve", "reach", "access"]
    assert details["master"]["access"].endswith(f"at {master}")
    assert "in client mode" in details["cluster_mode"]["access"]


@pytest.mark.slow
def test_a_silent_master_and_no_worker_end_at_the_deadline(bench: Bench, tmp_path: Path) -> None:
    before = _temporary_files()
    with faulty.silent() as (host, port), faulty.plain_http() as http, _without_worker(tmp_path) as idle:
        results = bench.hold(
            {
                "silent": Cell(at(f"spark://{host}:{port}"), "spark", "access", "timeout"),
                "no_worker": Cell(at(idle), "spark", "access", "timeout"),
                "http": Cell(at(f"spark://{http[0]}:{http[1]}"), "spark", "access", "timeout"),
            },
            timeout=70,
        )
    assert "no worker takes it" in results["no_worker"].warnings[0]
    assert "another service" in results["http"].warnings[0]
    assert not results["silent"].warnings
    assert _temporary_files() == before
    assert not processes(f"--master spark://{host}:{port} ")


@pytest.mark.slow  # Spark tries for a minute
def test_a_master_that_says_yes_to_everything_is_none(bench: Bench) -> None:
    with liar.speaking_http("object") as http, liar.repeating(b"yes\r\n") as text, liar.repeating(b"\0" * 64) as zeros:
        results = bench.run(
            {
                "http_yes": Cell(at(http.replace("http", "spark")), "spark"),
                "text_yes": Cell(at(f"spark://127.0.0.1:{text}"), "spark"),
                "zeros": Cell(at(f"spark://127.0.0.1:{zeros}"), "spark"),
            },
            timeout=90,
        )
    assert {name: result.status for name, result in results.items()} == dict.fromkeys(results, "failed")
    assert {result.steps[-1].name for result in results.values()} == {"access"}, results
    assert all(result.cause in ("timeout", "check_error") for result in results.values()), results


def _temporary_files() -> set[Path]:
    """What a JVM of Spark would leave there when it is killed."""
    return {file for pattern in ("spark-*", "blockmgr-*") for file in Path("/tmp").glob(pattern)}


@contextmanager
def _without_worker(folder: Path) -> Iterator[str]:
    """A cluster whose only worker has gone."""
    with spark.running(folder) as cluster:
        spark._server(folder, "worker").stop(60)
        yield cluster.master


def test_without_java(bench: Bench) -> None:
    local = {"conn_type": "spark", "host": "local[1]"}
    cell = Cell(local, "spark", "access", "check_error", says="no Java", hint="openjdk-17-jre-headless")
    bench.hold({"no_java": cell}, env={"JAVA_HOME": "/nowhere"}, timeout=TIMEOUT)


def test_what_spark_submit_says_without_java_on_the_path(tmp_path: Path) -> None:
    for program in ("bash", "dirname", "env"):
        (tmp_path / program).symlink_to(f"/usr/bin/{program}")
    env = {"PATH": str(tmp_path), "SPARK_HOME": str(spark.home())}
    argv = [f"{spark.home()}/bin/spark-submit", "--version"]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    found = diagnose(check.SubmitError(done.stderr), check)
    assert (found.name, found.hint) == ("check_error", check._JAVA), done.stderr


@pytest.mark.parametrize(
    ("conn", "expected"),
    [
        (("spark", "spark://h", 7077), Endpoint("h", 7077)),
        (("spark", "h", 7077), Endpoint("h", 7077)),
        (("spark", "spark://h:7078", None), Endpoint("h", 7078)),
        (("spark", "spark://h", None), None),
        (("spark", "spark://a:1,b:2", None), None),
        (("spark", "local[*]", None), None),
        (("spark", "yarn", None), None),
        (("spark", "spark://h:nonsense", None), None),
        (("spark", None, None), None),
        (("spark", "k8s://https://h", None), Endpoint("h", 443, tls=True, verify=False)),
        (("spark", "k8s://https://h", 6443), Endpoint("h", 6443, tls=True, verify=False)),
        (("spark", "k8s://http://h:8080", None), Endpoint("h", 8080, tls=False, verify=False)),
    ],
)
def test_endpoint(conn: tuple[str, str | None, int | None], expected: Endpoint | None) -> None:
    kind, host, port = conn
    assert check.endpoint(SimpleNamespace(conn_type=kind, host=host, port=port)) == expected


@pytest.mark.parametrize(
    ("master", "on_loopback"),
    [("local[2]", True), ("spark://127.0.0.1:1", True), ("spark://localhost:1", True), ("spark://h:1", False), ("yarn", False)],
)  # fmt: skip
def test_only_what_is_all_here_stays_on_loopback(master: str, *, on_loopback: bool) -> None:
    assert check._is_on_loopback(master) is on_loopback


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ('Permission denied: user=etl, access=WRITE, inode="/user"', "permission"),
        ("java.io.InvalidClassException: org.apache.spark.rpc; local class incompatible", "check_error"),
        ("Caused by: java.net.UnknownHostException: nope.invalid", "dns"),
        ("ERROR All masters are unresponsive! Giving up.", "timeout"),
        ("line\nException in thread main: x", "check_error"),
        ("", "check_error"),
    ],
)
def test_causes(said: str, cause: str) -> None:
    found = check.cause(check.SubmitError(said))
    assert found is not None
    assert found.name == cause


def test_a_cluster_driver_keeps_its_result(monkeypatch: pytest.MonkeyPatch) -> None:
    # There is no YARN or Kubernetes here: the connection is a stand-in.
    conn = SimpleNamespace(conn_type="spark", host="yarn", port=None, extra_dejson={"deploy-mode": "cluster"})
    monkeypatch.setattr(check, "connection", lambda _: conn)
    assert "exit status" in check.verify("any", check.Params(), Run("x"), None)


def test_a_job_without_a_result_is_a_failure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    conn = SimpleNamespace(conn_type="spark", host="local", port=None, extra_dejson={})
    monkeypatch.setattr(check, "connection", lambda _: conn)
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    run = Run("20260101000000-abc123-0")
    with pytest.raises(RuntimeError, match="has left no result"):
        check.verify("any", check.Params(), run, None)
    for written in ('{"run": "another", "count": 1000, "version": "4"}', f'{{"run": "{run.id}", "count": 999}}'):
        check._result_file(run).write_text(written)
        with pytest.raises(RuntimeError, match="should have counted"):
            check.verify("any", check.Params(), run, None)
    assert not list(tmp_path.iterdir())
