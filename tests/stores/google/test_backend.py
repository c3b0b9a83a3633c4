"""How Airflow is told to read a Google Secret Manager, and that its backend, unmodified, reads what our store wrote."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bootstrap.domain.connection import Connection
from bootstrap.domain.secret import Secret
from bootstrap.errors import ManifestError
from bootstrap.stores.base import AirflowBackend, BackendPaths, Context
from bootstrap.stores.google import secret_manager as gsm
from tests.stores.contract import variables_of, whole
from tests.stores.google.bench import Opened, opened, server
from tests.systems.google_federation import SUBJECT_TOKEN
from tests.systems.secret_manager import REGION, SecretManager
from tests.systems.server import write_private

__all__ = ["opened", "server"]  # fixtures

PATHS = BackendPaths(connections="airflow-connections", variables="airflow-variables", config=None)
COMMON = {
    "connections_prefix": "airflow-connections",
    "variables_prefix": "airflow-variables",
    "config_prefix": None,
    "project_id": "proj",
    "sep": "-",
}
READER = "reader@proj.iam.gserviceaccount.com"
KEY_VARIABLE = "AIRFLOW__SECRETS__BACKEND_KWARG__GCP_CREDENTIAL_CONFIG_FILE"


def backend(folder: Path, paths: BackendPaths = PATHS, **options: Any) -> AirflowBackend:
    given = {"kind": "google_secret_manager", "project": "proj", **options}
    return gsm.airflow_backend(gsm.Options.model_validate(given), paths, Context("team", folder))


@pytest.mark.parametrize(
    ("auth", "kwargs"),
    [
        ({"method": "default"}, {}),
        ({"method": "key_file", "file": "key.json"}, {"gcp_key_path": "/project/key.json"}),
        ({"method": "key_file", "file": "/etc/key"}, {"gcp_credential_config_file": "/etc/key"}),
        ({"method": "key", "key": {"file": "key.json"}}, {"gcp_key_path": "/project/key.json"}),
        ({"method": "federation", "file": "wif.json"}, {"gcp_credential_config_file": "/project/wif.json"}),
        ({"method": "default", "impersonate": ["a@b", "c@d"]}, {"impersonation_chain": ["a@b", "c@d"]}),
        ({"method": "default", "scopes": ["s"]}, {"gcp_scopes": ["s"]}),
    ],
)
def test_a_credential_is_named_and_not_written(auth: dict[str, Any], kwargs: dict[str, Any]) -> None:
    found = backend(Path("/project"), auth=auth)
    assert found.kwargs == COMMON | kwargs
    assert variables_of(found) == {}
    assert bool(found.advice) == (auth["method"] == "default")


def test_a_key_in_the_environment_stays_there() -> None:
    found = backend(Path("/project"), auth={"method": "key", "key": {"env": "TEAM_KEY"}})
    assert found.kwargs == COMMON
    assert {name: source.env for name, source in variables_of(found).items()} == {KEY_VARIABLE: "TEAM_KEY"}


def test_what_airflow_can_not_read_is_refused() -> None:
    with pytest.raises(ManifestError, match="location"):
        backend(Path(), location=REGION)
    for wrong in ("airflow/connections", "", "ü"):
        with pytest.raises(ManifestError, match="begin with"):
            backend(Path(), BackendPaths(connections=wrong, variables=None, config=None))
    with pytest.raises(ManifestError, match="Vault only"):
        backend(Path(), BackendPaths(connections=("a", "b"), variables=None, config=None))


def test_an_endpoint_that_airflow_does_not_know_is_told_of() -> None:
    assert any("private.example" in line for line in backend(Path(), endpoint="private.example").advice)


ASKS = """
import json, os, sys

from airflow.configuration import get_custom_secret_backend

for backend, environment in json.load(sys.stdin):
    os.environ["AIRFLOW__SECRETS__BACKEND"] = backend["class"]
    os.environ["AIRFLOW__SECRETS__BACKEND_KWARGS"] = json.dumps(backend["kwargs"])
    os.environ.update(environment)
    asked = get_custom_secret_backend()
    found = asked.get_connection("warehouse")
    fields = found and [found.conn_type, found.host, found.port, found.login, found.password, found.schema]
    print(json.dumps([found and {"fields": fields, "extra": found.extra_dejson, "read": asked.get_variable("limit")}]))
    for name in environment:
        del os.environ[name]
"""
WAREHOUSE = Connection(
    conn_type="postgres",
    host="db.internal",
    port=5432,
    login="etl",
    password='pä"ss\n密码 🔑 \\ % $HOME',
    schema="analytics",
    extra={"nested": {"list": [1, "00123", None], "quote": 'it\'s "so"\n'}, "sslmode": "require"},
)
LIMIT = "  drei\nZeilen\n ü "
EXPECTED = {
    "fields": ["postgres", "db.internal", 5432, "etl", WAREHOUSE.password, "analytics"],
    "extra": WAREHOUSE.extra,
    "read": LIMIT,
}


@pytest.mark.airflow
def test_airflows_own_backend_reads_what_the_store_wrote(opened: Opened, server: SecretManager, tmp_path: Path) -> None:
    store = opened()
    store.write("airflow-connections-warehouse", WAREHOUSE.as_fields(), expect=None)
    store.write("airflow-variables-limit", Secret(LIMIT), expect=None)
    auths = _auths(tmp_path, server)
    for name, auth in auths.items():  # our own store gets in by the same ways
        assert whole(opened(auth=auth), "airflow-variables-limit") == LIMIT, name
        assert (server.requests[-1][0] == READER) == (name == "impersonate")
    off = BackendPaths(connections=None, variables="airflow-variables", config=None)
    backends = {name: backend(tmp_path, auth=auth) for name, auth in auths.items()}
    backends["no connections"] = backend(tmp_path, off, auth=auths["key_file"])
    found = dict(zip(backends, _asked_of_airflow(list(backends.values()), server, tmp_path), strict=True))
    assert found.pop("no connections") is None
    for name, read in found.items():
        assert read == EXPECTED, name


def _auths(folder: Path, server: SecretManager) -> dict[str, dict[str, Any]]:
    """Every way to get in, by its files in `folder`."""
    key = json.dumps(server.service_account())
    for name in ("key.json", "key.txt", "in-the-environment"):
        write_private(folder / name, key)
    write_private(folder / "subject", SUBJECT_TOKEN)
    federation = {
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/ci",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": "https://sts.googleapis.com/v1/token",
        "credential_source": {"file": str(folder / "subject")},
    }
    write_private(folder / "federation.json", json.dumps(federation))
    key_file = {"method": "key_file", "file": "key.json"}
    return {
        "key_file": key_file,
        "a file with another name": {**key_file, "file": "key.txt"},
        "key": {"method": "key", "key": {"file": "in-the-environment"}},
        "scopes": {**key_file, "scopes": ["https://www.googleapis.com/auth/cloud-platform"]},
        "impersonate": {**key_file, "impersonate": ["between@proj.iam.gserviceaccount.com", READER]},
        "federation": {"method": "federation", "file": "federation.json"},
    }


def _asked_of_airflow(backends: list[AirflowBackend], server: SecretManager, folder: Path) -> list[Any]:
    variables: list[dict[str, str]] = [{} for _ in backends] + [
        {KEY_VARIABLE: (folder / "in-the-environment").read_text()}
    ]
    given = [
        ({"class": each.backend_class, "kwargs": each.kwargs}, env)
        for each, env in zip(backends, variables, strict=False)
    ]
    in_environment = backend(folder, auth={"method": "key", "key": {"env": "TEAM_KEY"}})
    given.append(({"class": in_environment.backend_class, "kwargs": in_environment.kwargs}, variables[-1]))
    clean = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    env = {**clean, "HOME": str(folder), "AIRFLOW_HOME": str(folder / "airflow"), **server.environment}
    done = subprocess.run(
        [sys.executable, "-c", ASKS],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        env=env,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    answers = [json.loads(line)[0] for line in done.stdout.splitlines() if line.startswith("[{") or line == "[null]"]
    last = answers.pop()
    assert last == EXPECTED  # by the key in the environment
    return answers
