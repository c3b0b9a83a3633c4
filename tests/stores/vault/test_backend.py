"""How Airflow is told to read a Vault: no credential stands in the keyword arguments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bootstrap.errors import ManifestError
from bootstrap.stores.base import AirflowBackend, BackendPaths, Context
from bootstrap.stores.vault import store
from tests.stores.contract import variables_of

PATHS = BackendPaths(connections="connections", variables=None, config="config")
COMMON = {
    "connections_path": "connections",
    "variables_path": None,
    "config_path": "config",
    "url": "https://vault.example.com",
    "mount_point": "airflow",
    "kv_engine_version": 2,
}
VARIABLE = "AIRFLOW__SECRETS__BACKEND_KWARG__"
HERE = {"file": "credential"}
THERE = {"env": "TEAM_CREDENTIAL"}


def backend(
    auth: dict[str, Any] | None = None, folder: Path = Path("/project"), paths: BackendPaths = PATHS, **options: Any
) -> AirflowBackend:
    given = {"kind": "vault", "url": "https://vault.example.com", "mount": "airflow", **options}
    parsed = store.Options.model_validate(given | ({"auth": auth} if auth else {}))
    found = store.airflow_backend(parsed, paths, Context("team", folder))
    assert found.backend_class == "airflow.providers.hashicorp.secrets.vault.VaultBackend"
    return found


@pytest.mark.parametrize(
    ("written", "absolute"),
    [("token", "/project/token"), ("/etc/token", "/etc/token"), ("~/.vault-token", "/home/etl/.vault-token")],
)
def test_a_token_file_is_named(written: str, absolute: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/etl")
    found = backend({"method": "token", "token": {"file": written}})
    assert found.kwargs == COMMON | {"auth_type": "token", "token_path": absolute}
    assert variables_of(found) == {}
    assert found.advice == ()


METHODS: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, str]]] = {
    "token": ({"method": "token", "token": THERE}, {}, {"VAULT_TOKEN": "TEAM_CREDENTIAL"}),
    "approle": (
        {"method": "approle", "role_id": "1b2c", "secret_id": HERE, "mount": "etl"},
        {"role_id": "1b2c", "auth_mount_point": "etl"},
        {f"{VARIABLE}SECRET_ID": "credential"},
    ),
    "userpass": (
        {"method": "userpass", "username": "etl", "password": THERE},
        {"username": "etl", "auth_mount_point": "userpass"},
        {f"{VARIABLE}PASSWORD": "TEAM_CREDENTIAL"},
    ),
    "ldap": (
        {"method": "ldap", "username": "etl", "password": HERE, "mount": "corp"},
        {"username": "etl", "auth_mount_point": "corp"},
        {f"{VARIABLE}PASSWORD": "credential"},
    ),
    "github, whose token_path the class forgets": (
        {"method": "github", "token": HERE},
        {"auth_mount_point": "github"},
        {f"{VARIABLE}TOKEN": "credential"},
    ),
    "jwt in a file": (
        {"method": "jwt", "role": "ci", "token": HERE},
        {"jwt_role": "ci", "jwt_token_path": "/project/credential", "auth_mount_point": "jwt"},
        {},
    ),
    "jwt": (
        {"method": "jwt", "role": "ci"},
        {"jwt_role": "ci", "auth_mount_point": "jwt"},
        {f"{VARIABLE}JWT_TOKEN": "VAULT_ID_TOKEN"},
    ),
    "kubernetes": (
        {"method": "kubernetes", "role": "airflow"},
        {
            "kubernetes_role": "airflow",
            "kubernetes_jwt_path": "/var/run/secrets/kubernetes.io/serviceaccount/token",
            "auth_mount_point": "kubernetes",
        },
        {},
    ),
    "aws_iam": (
        {"method": "aws_iam", "role": "airflow"},
        {"role_id": "airflow", "region": "us-east-1", "auth_mount_point": "aws"},
        {},
    ),
    "aws_iam with a key": (
        {"method": "aws_iam", "region": "eu-west-1", "access_key_id": "AKIA", "secret_access_key": THERE},
        {"key_id": "AKIA", "region": "eu-west-1", "auth_mount_point": "aws"},
        {f"{VARIABLE}SECRET_ID": "TEAM_CREDENTIAL"},
    ),
    "aws_iam as a role": (
        {"method": "aws_iam", "assume_role": {"arn": "arn:aws:iam::1:role/a", "external_id": "x"}},
        {
            "region": "us-east-1",
            "auth_mount_point": "aws",
            "assume_role_kwargs": {"RoleArn": "arn:aws:iam::1:role/a", "RoleSessionName": "airflow", "ExternalId": "x"},
        },
        {},
    ),
    "gcp": (
        {"method": "gcp", "role": "airflow", "key": {"file": "key.json"}, "scopes": ["a", "b"]},
        {"role_id": "airflow", "gcp_scopes": "a,b", "gcp_key_path": "/project/key.json", "auth_mount_point": "gcp"},
        {},
    ),
    "gcp by default credentials": (
        {"method": "gcp", "role": "airflow"},
        {
            "role_id": "airflow",
            "gcp_scopes": "https://www.googleapis.com/auth/cloud-platform",
            "auth_mount_point": "gcp",
        },
        {},
    ),
}


@pytest.mark.parametrize(("auth", "kwargs", "environment"), METHODS.values(), ids=METHODS)
def test_a_method(auth: dict[str, Any], kwargs: dict[str, Any], environment: dict[str, str]) -> None:
    found = backend(auth)
    assert found.kwargs == COMMON | {"auth_type": auth["method"]} | kwargs
    assert {name: source.env or source.file for name, source in variables_of(found).items()} == environment


@pytest.mark.parametrize(
    ("auth", "hint"),
    [
        ({"method": "aws_iam"}, "credentials of AWS"),
        ({"method": "gcp", "role": "r"}, "Application Default Credentials"),
        ({"method": "gcp", "role": "r", "key": {"file": "key.json"}}, "apache-airflow-providers-google"),
    ],
)
def test_what_airflow_needs_besides_is_said(auth: dict[str, Any], hint: str) -> None:
    assert hint in " ".join(backend(auth).advice)


@pytest.mark.parametrize(
    ("auth", "said", "hint"),
    [
        ({"method": "kubernetes", "role": "r", "token": THERE}, "the token of this auth method from a file", "file"),
        ({"method": "gcp", "role": "r", "key": THERE}, "takes the key of this auth method from a file", "file"),
        ({"method": "gcp", "role": "r", "key": HERE}, "no file but NAME.json", "rename /project/credential"),
    ],
)
def test_what_airflow_cannot_do_is_refused(auth: dict[str, Any], said: str, hint: str) -> None:
    with pytest.raises(ManifestError, match=said) as caught:
        backend(auth)
    assert caught.value.message.startswith("store team: ")
    assert hint in caught.value.hint


def test_without_a_mount_conn_ids_would_need_it() -> None:
    with pytest.raises(ManifestError, match="wants the mount inside of each conn_id") as caught:
        backend(mount=None)
    assert caught.value.hint == "name the mount, for what Airflow reads itself"


def test_a_list_of_paths_stays_one() -> None:
    paths = BackendPaths(connections=("teams/etl", "common"), variables=("common",), config=None)
    found = backend(paths=paths).kwargs
    assert (found["connections_path"], found["variables_path"]) == (["teams/etl", "common"], ["common"])


def test_how_requests_travel_is_told_to_airflow() -> None:
    found = backend(
        namespace="teams/etl", ca_cert="ca.pem", client_cert="/etc/client.pem", proxy="http://proxy.example.com:3128"
    ).kwargs
    proxy = "http://proxy.example.com:3128"
    assert {name: found[name] for name in ("namespace", "verify", "cert", "proxies")} == {
        "namespace": "teams/etl",
        "verify": "/project/ca.pem",
        "cert": "/etc/client.pem",
        "proxies": {"http": proxy, "https": proxy},
    }


def test_no_proxy_is_told_of_this_machine() -> None:
    assert "proxies" not in backend(url="http://127.0.0.1:8200", proxy="http://proxy.example.com:3128").kwargs


def test_a_key_in_a_file_of_its_own_is_more_than_airflow_takes() -> None:
    with pytest.raises(ManifestError, match="from one file only") as caught:
        backend(client_cert="client.pem", client_key="client.key")
    assert caught.value.hint == "put both into the file of client_cert, and leave out client_key"
