from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bootstrap.checks import docker as check
from bootstrap.checks.base import PREFIX, Run
from tests.checks.bench import Bench, Cell, passed_steps, secrets
from tests.systems import docker_daemon, docker_registry, faulty
from tests.systems.docker_daemon import Docker
from tests.systems.docker_registry import Registry

pytestmark = pytest.mark.airflow

LOCAL = "tiny:1"
OLD = f"{PREFIX}-20200101000000-abc123-0"


@pytest.fixture(scope="module")
def docker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Docker]:
    with docker_daemon.running(tmp_path_factory.mktemp("docker")) as daemon:
        daemon.image(LOCAL)
        yield daemon


@pytest.fixture(scope="module")
def registry(bench: Bench) -> Iterator[Registry]:
    with docker_registry.running("etl", bench.canary.value) as server:
        yield server


@pytest.fixture
def good(registry: Registry) -> dict[str, Any]:
    """The connection of `etl` to the private registry."""
    return {"conn_type": "docker", "host": registry.host, "login": registry.login, "password": registry.password}


def unreachable_daemons(good: dict[str, Any], silent: tuple[str, int], closed: tuple[str, int]) -> dict[str, Cell]:
    def at(url: str, cause: str, **more: str) -> Cell:
        return Cell(good, {"docker": {"image": LOCAL, "docker_url": url}}, "authenticate", cause, **more)

    return {
        "no_socket": at("unix:///nowhere/docker.sock", "connection_refused", says="isn't there", hint="start Docker"),
        "refused": at(f"tcp://{closed[0]}:{closed[1]}", "connection_refused", hint="docker_url"),
        "dns": at("tcp://no-such-host.invalid:2375", "dns", says="no address", hint="DOCKER_HOST"),
        "silent": at(f"tcp://{silent[0]}:{silent[1]}", "timeout", says="does not answer", hint="stuck"),
        "no_url": at("nonsense://x", "check_error", says="nonsense", hint="docker_url"),
    }


def registries(good: dict[str, Any], registry: Registry, closed: tuple[str, int]) -> dict[str, Cell]:
    pull = {"docker": {"image": registry.image, "pull": True}}
    host = f"{closed[0]}:{closed[1]}"
    return {
        "pulls": Cell(good, pull),
        "wrong_password": Cell({**good, "password": "wrong"}, pull, "authenticate", "auth", says="401"),
        "no_password": Cell({**good, "password": None}, pull, "authenticate", "auth"),
        "no_host": Cell({**good, "host": None}, pull, "authenticate", "check_error", says="Registry URL"),
        "refused_registry": Cell({**good, "host": host}, pull, "authenticate", "connection_refused", says=host),
        "dns_registry": Cell({**good, "host": "no-such-host.invalid"}, pull, "authenticate", "dns", hint="host"),
        "denied": Cell(good, {"docker": {"image": registry.denied_image}}, "write", "permission", hint="pull"),
        "missing_image": Cell(good, {"docker": {"image": registry.missing_image}}, "access", "not_found", hint="image"),
    }


def commands(anonymous: dict[str, Any]) -> dict[str, Cell]:
    def runs(*command: str, expect: str | None = None, **outcome: Any) -> Cell:
        return Cell(anonymous, {"docker": {"image": LOCAL, "command": list(command), "expect": expect}}, **outcome)

    return {
        "echoes": Cell(anonymous, {"docker": {"image": LOCAL}}),
        "expects": runs("sh", "-c", "echo one; echo two; echo three", expect="two"),
        "other_output": runs("echo", "no", expect="yes", step="write", cause="check_error", says="'yes'"),
        "no_output": runs("true", expect="yes", step="write", cause="check_error", says="'yes'"),
        "fails": runs("sh", "-c", "exit 3", step="write", cause="check_error", says="status 3", hint="command"),
        "no_program": runs("nope", step="write", cause="check_error", says="nope", hint="command"),
    }


def test_docker(
    bench: Bench,
    docker: Docker,
    registry: Registry,
    good: dict[str, Any],
    isolated: bool,  # noqa: FBT001  a fixture
) -> None:
    with docker.client() as client:
        client.create_container(LOCAL, "true", name=OLD)
        client.create_container(LOCAL, "true", name="of-the-user")
    anonymous = {"conn_type": "docker"}
    with faulty.silent() as silent, faulty.refused() as closed:
        results = bench.hold(
            {
                **commands(anonymous),
                **registries(good, registry, closed),
                **unreachable_daemons(good, silent, closed),
                **secrets(good, {"docker": {"image": LOCAL}}),
            },
            keep=("pulls",),
            isolated=isolated,
            env={"DOCKER_HOST": docker.url},
            timeout=40,
        )
    assert passed_steps(results["pulls"]) == ["resolve", "authenticate", "access", "write", "clean"]
    assert docker.containers() == ["of-the-user"]  # what was left by an earlier run went too
    with docker.client() as client:
        client.remove_container("of-the-user")


def test_a_killed_task_leaves_no_container(bench: Bench, docker: Docker) -> None:
    sleeping = {"docker": {"image": LOCAL, "command": ["sleep", "98765"]}}
    results = bench.hold(
        {"sleeps": Cell({"conn_type": "docker"}, sleeping, "write", "timeout")},
        env={"DOCKER_HOST": docker.url},
        timeout=15,
    )
    assert [step.name for step in results["sleeps"].steps if step.status == "passed"][-1] == "clean"
    assert docker.containers() == []


def test_sweep_removes_old_names_of_ours_only(docker: Docker) -> None:
    run = Run(time.strftime("%Y%m%d%H%M%S", time.gmtime()) + "-abc123-0")
    params = check.Params(image=LOCAL, docker_url=docker.url)
    theirs = sorted([f"x-{OLD}", f"{PREFIX}-of-the-user", run.name])
    with docker.client() as client:
        for name in (OLD, *theirs):
            client.create_container(LOCAL, "true", name=name)
        assert check.sweep("any", params, run) == 1
        assert sorted(docker.containers()) == theirs
        for name in theirs:
            client.remove_container(name)
    check.clean("any", params, run)  # already gone


def test_a_socket_that_is_not_ours_is_a_missing_permission(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become another user; run the tests as root")
    del tmp_path  # another user can't get there
    folder = Path(f"/tmp/{PREFIX}-{os.getpid()}")
    folder.mkdir(mode=0o755)
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(f"{folder}/docker.sock")
            server.listen()
            (folder / "docker.sock").chmod(0o600)
            found = _cause_for_nobody(f"unix://{folder}/docker.sock")
    finally:
        shutil.rmtree(folder)
    assert re.match(r"Cause\(name='permission', .*docker", found), found


def _cause_for_nobody(url: str) -> str:
    """What the check says of a daemon's address, as a user who has no right to it. It imports before it changes user."""
    program = f"""
import os, docker
from bootstrap.checks import docker as check
from bootstrap.smoke.diagnosis import diagnose
docker.APIClient  # imported
os.setuid(65534)
try:
    with check._daemon(check.Params(image="any", docker_url={url!r})) as daemon:
        daemon.version()
except Exception as err:
    print(diagnose(err, check))
"""
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout


def test_an_expectation_needs_a_command() -> None:
    with pytest.raises(ValidationError, match="needs a `command`"):
        check.Params(image=LOCAL, expect="text")
