"""The main job with its secrets in a cloud's store: up, what a refusal looks like, and the canary nowhere else."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.project import Canary, Project, leaks, steps, watched_processes
from tests.systems import faulty, moto, require, secret_manager
from tests.systems.server import write_private

pytestmark = [pytest.mark.airflow, pytest.mark.usefixtures("warm_command_line")]

MANIFEST = """
version: 1
airflow: {{home: airflow}}
stores: {{prod: {store}}}
backend: {{store: prod, connections: {paths}connections, variables: {paths}variables, config: {paths}config}}
connections:
  api: {{conn_type: http, host: "{url}", login: etl, password: {{secret: "prod:api-password"}}}}
"""


@dataclass(frozen=True)
class Cloud:
    """A store as the manifest has it, the environment that leads to it, and how its credential loses the right to read."""

    store: Mapping[str, Any]
    environment: Mapping[str, str]
    paths: str
    deny: Callable[[], None]


@contextmanager
def google(folder: Path) -> Iterator[Cloud]:
    require("google.cloud.secretmanager_v1", "make test")
    with secret_manager.running() as server:
        write_private(folder / "key.json", json.dumps(server.service_account()))
        auth = {"method": "key_file", "file": "key.json"}
        store = {"kind": "google_secret_manager", "project": "proj", "auth": auth}
        yield Cloud(store, server.environment, "airflow-", lambda: server.deny("secretmanager.versions.access"))


@contextmanager
def aws(folder: Path, kind: str, action: str) -> Iterator[Cloud]:
    require("moto", "make test")
    with moto.running(folder / "moto") as server:
        allowed = {"Effect": "Allow", "Action": "*", "Resource": "*"}
        key_id, secret = server.mint("airflow", [allowed])
        auth = {"method": "keys", "access_key_id": key_id, "secret_access_key": {"env": "TEAM_KEY"}}
        store = {"kind": kind, "region": "eu-west-1", "endpoint_url": server.url, "auth": auth}
        denied = {"Effect": "Deny", "Action": action, "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed, denied]})
        yield Cloud(
            store,
            {"TEAM_KEY": secret},
            "airflow/",
            lambda: server.client("iam").put_user_policy(UserName="airflow", PolicyName="all", PolicyDocument=policy),
        )


CLOUDS: dict[str, Callable[[Path], Any]] = {
    "google_secret_manager": google,
    "aws_secrets_manager": lambda folder: aws(folder, "aws_secrets_manager", "secretsmanager:GetSecretValue"),
    "aws_parameter_store": lambda folder: aws(folder, "aws_parameter_store", "ssm:GetParameter"),
}


@pytest.mark.parametrize("kind", [*CLOUDS][:2] + [pytest.param(kind, marks=pytest.mark.slow) for kind in [*CLOUDS][2:]])
def test_up_with_secrets_in_a_cloud(tmp_path: Path, template: Path, kind: str) -> None:
    project, canary = Project(tmp_path / "user").with_airflow(template), Canary()
    work = project.manifest.parent
    with ExitStack() as stack:
        host, port = stack.enter_context(faulty.plain_http())
        cloud = stack.enter_context(CLOUDS[kind](work))
        store, url = json.dumps(cloud.store), f"http://{host}:{port}"
        project.write(MANIFEST.format(store=store, paths=cloud.paths, url=url))
        done = project.run("doctor", **cloud.environment)
        assert (done.code, "store put prod:api-password" in done.out) == (1, True), done.text
        with watched_processes(canary) as seen:
            # without what HTTP can't send: it knows Latin-1 only
            done = project.run(
                "store", "put", "prod:api-password", stdin=canary.value.replace("€", ""), **cloud.environment
            )
            assert done.code == 0, done.text
            done = project.run("store", "get", "prod:api-password", **cloud.environment)
            assert done.out.startswith("prod:api-password: ***, version "), done.text
            done = project.run("up", "--yes", **cloud.environment)
            assert done.code == 0, done.text
            assert "created at prod:" in done.out
        assert not seen
        done = project.run("register", "--check", **cloud.environment)
        assert done.code == 0, done.text
        done = project.run("store", "list", "prod", **cloud.environment)
        separator = cloud.paths[-1]
        below = f"prod:{cloud.paths}connections{separator}"
        assert done.out.splitlines() == [f"{below}airflow_bootstrap_index", f"{below}api", "prod:api-password"]

        cloud.deny()
        code, checks, _ = project.smoke(**cloud.environment)
        assert (code, checks["api.http"]["cause"], steps(checks["api.http"])["resolve"]) == (
            3,
            "store_denied",
            "failed",
        )
        done = project.run("plan", **cloud.environment)
        assert (done.code, f"{below}airflow_bootstrap_index: " in done.err) == (3, True), done.text
    # Google's client would wait for more than a minute
    code, checks, _ = project.smoke("--timeout", "10", **cloud.environment)
    assert (code, checks["api.http"]["cause"]) == (3, "store_unreachable")
    assert not [result for result in project.transcript if canary.found_in(result.text.encode())]
    assert leaks(tmp_path, canary, leave_out=work / "moto") == []
