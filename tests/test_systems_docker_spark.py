"""The Docker daemon, its registry and the Spark cluster of tests/systems work, and leave nothing."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import SkipTest

import psutil
import pytest

from tests.systems import docker_daemon, docker_registry, spark
from tests.systems.server import clean_env

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.systems.docker_daemon import Docker
    from tests.systems.docker_registry import Registry

PASSWORD = "p@ss: \"wörd'/ $x"
# Quick to start: no SQL, no Python on the worker, and no optimising compiler.
JOB = "import pyspark; print('counted', pyspark.SparkContext()._jsc.sc().range(0, 7, 1, 1).count())"
JAVA = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
CONF = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.extraJavaOptions": JAVA,
    "spark.driver.memory": "512m",
    "spark.executor.extraJavaOptions": JAVA,
    "spark.executor.memory": "512m",
    "spark.ui.enabled": "false",
}


@pytest.fixture(scope="module")
def docker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Docker]:
    with docker_daemon.running(tmp_path_factory.mktemp("docker")) as daemon:
        yield daemon


@pytest.fixture(scope="module")
def registry() -> Iterator[Registry]:
    with docker_registry.running("etl", PASSWORD) as server:
        yield server


def run(client: Any, image: str, *command: str) -> str:
    """Run a container to its end and remove it; return what it wrote."""
    container = client.create_container(image, command, network_disabled=True)["Id"]
    try:
        client.start(container)
        assert client.wait(container)["StatusCode"] == 0
        return str(client.logs(container).decode())
    finally:
        client.remove_container(container, force=True)


def processes(word: str) -> list[str]:
    """Return the command lines of all processes with this word, but zombies: init may be slow to reap those."""
    lines = [" ".join(each.info["cmdline"] or ()) for each in psutil.process_iter(["cmdline"])]
    return [line for line in lines if word in line]


# Docker


def test_a_container_runs_and_an_ended_one_is_listed(docker: Docker) -> None:
    docker.image("tiny:2")
    assert "tiny:2" in docker.images()
    with docker.client() as client:
        said = run(client, "tiny:2", "sh", "-c", "echo to; echo you >&2")
        assert sorted(said.splitlines()) == ["to", "you"]  # two streams: which comes first is nobody's promise
        client.create_container("tiny:2", "true", name="ended")
        assert docker.containers() == ["ended"]
        client.remove_container("ended")
    assert docker.containers() == []


def test_the_registry_lets_in_the_right_password_only(docker: Docker, registry: Registry) -> None:
    from docker.errors import APIError  # type: ignore[import-untyped]

    with docker.client() as client:
        answer = client.login("etl", PASSWORD, registry=registry.host, reauth=True)
        assert answer["Status"] == "Login Succeeded"
        for login, password in (("etl", "wrong"), ("other", PASSWORD)):
            with pytest.raises(APIError, match="401 Unauthorized"):
                client.login(login, password, registry=registry.host, reauth=True)


def test_the_registry_tells_a_denied_image_from_a_missing_one(docker: Docker, registry: Registry) -> None:
    from docker.errors import APIError

    with docker.client() as client:
        with pytest.raises(APIError, match="no basic auth credentials"):
            client.pull(registry.image)
        client.login("etl", PASSWORD, registry=registry.host, reauth=True)
        client.pull(registry.image)
        assert run(client, registry.image, "echo", "pulled") == "pulled\n"
        with pytest.raises(APIError, match="denied: forbidden"):
            client.pull(registry.denied_image)
        with pytest.raises(APIError, match="manifest unknown"):
            client.pull(registry.missing_image)


@pytest.mark.parametrize("killed", [pytest.param(False, marks=pytest.mark.slow), True])
def test_a_docker_daemon_leaves_nothing(tmp_path: Path, *, killed: bool) -> None:
    with docker_daemon.running(tmp_path) as daemon, daemon.client() as client:
        home = Path(daemon.url.removeprefix("unix://")).parent
        daemon.image("tiny:1")
        client.start(client.create_container("tiny:1", "sleep 98765", network_disabled=True)["Id"])
        assert processes("sleep 98765")
        assert str(home) in Path("/proc/mounts").read_text()
        if killed:
            os.kill(int((tmp_path / "dockerd.pid").read_text()), signal.SIGKILL)
    assert processes("sleep 98765") == processes(str(home)) == []
    assert str(home) not in Path("/proc/mounts").read_text()
    assert not list(Path("/sys/fs/cgroup").glob(f"*/{home.name}"))
    assert not home.exists()


def test_without_root_the_reason_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The tests may run as root: without it there is nothing to ask but this.
    monkeypatch.setattr(docker_daemon.os, "geteuid", lambda: 1000)  # type: ignore[attr-defined]
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(SkipTest, match="dockerd needs root"), docker_daemon.running(tmp_path):
        pass
    assert not list(tmp_path.iterdir())


# Spark


@pytest.mark.slow  # checks/test_spark counts at one
def test_a_spark_cluster_counts_and_leaves_nothing(tmp_path: Path) -> None:
    job = tmp_path / "job.py"
    job.write_text(JOB)
    with spark.running(tmp_path) as cluster:
        settings = [word for key, value in CONF.items() for word in ("--conf", f"{key}={value}")]
        argv = [str(spark.home() / "bin/spark-submit"), "--master", cluster.master, *settings, str(job)]
        done = subprocess.run(
            argv, check=False, capture_output=True, text=True, env=clean_env(SPARK_LOCAL_IP="127.0.0.1")
        )
        assert "counted 7" in done.stdout, done.stderr
        assert list((tmp_path / "work").glob("app-*"))  # the worker's executor, not the driver, did it
        assert processes(f"--properties-file {tmp_path}")
    assert processes(str(tmp_path)) == []
