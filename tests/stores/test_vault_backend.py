"""How Airflow is told to read a Vault: no credential stands in the keyword arguments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bootstrap.stores import vault
from bootstrap.stores.base import AirflowBackend, BackendPaths, Context

PATHS = BackendPaths(connections="connections", variables=None, config="config")
COMMON = {
    "connections_path": "connections",
    "variables_path": None,
    "config_path": "config",
    "url": "https://vault.example.com",
    "mount_point": "airflow",
    "kv_engine_version": 2,
}


def backend(auth: dict[str, Any], folder: Path) -> AirflowBackend:
    options = vault.Options.model_validate(
        {"kind": "vault", "url": "https://vault.example.com", "mount": "airflow", "auth": auth}
    )
    found = vault.airflow_backend(options, PATHS, Context("team", folder))
    assert found.backend_class == "airflow.providers.hashicorp.secrets.vault.VaultBackend"
    return found


@pytest.mark.parametrize(
    ("written", "absolute"),
    [("token", "/project/token"), ("/etc/token", "/etc/token"), ("~/.vault-token", "/home/etl/.vault-token")],
)
def test_a_token_file_is_named(written: str, absolute: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/etl")
    found = backend({"method": "token", "token": {"file": written}}, Path("/project"))
    assert found.kwargs == COMMON | {"auth_type": "token", "token_path": absolute}
    assert found.environment == {}
    assert found.advice == ()


def test_a_token_from_the_environment_stays_there() -> None:
    found = backend({"method": "token", "token": {"env": "TEAM_TOKEN"}}, Path("/project"))
    assert found.kwargs == COMMON | {"auth_type": "token"}
    assert {name: source.env for name, source in found.environment.items()} == {"VAULT_TOKEN": "TEAM_TOKEN"}
    assert "VAULT_TOKEN" in found.advice[0]


def test_an_approle_gets_its_secret_id_through_the_environment() -> None:
    auth = {"method": "approle", "role_id": "1b2c", "secret_id": {"file": "secret_id"}, "mount": "etl"}
    found = backend(auth, Path("/project"))
    assert found.kwargs == COMMON | {"auth_type": "approle", "role_id": "1b2c", "auth_mount_point": "etl"}
    variable = "AIRFLOW__SECRETS__BACKEND_KWARG__SECRET_ID"
    assert {name: source.file for name, source in found.environment.items()} == {variable: "secret_id"}
    assert variable in found.advice[0]
