"""How Airflow is told to read AWS's stores, that its unmodified backends read what ours wrote, and what a refusal is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bootstrap.airflow.session import AirflowSession
from bootstrap.domain.connection import Connection
from bootstrap.domain.secret import Secret
from bootstrap.errors import ManifestError
from bootstrap.plugins import STORES
from bootstrap.stores.base import AirflowBackend, BackendPaths, Context
from bootstrap.stores.kind import ReadByAirflow, StoreKind
from tests.checks.bench import Bench, Cell, outcome
from tests.stores.aws.bench import ACCOUNT, BOTH, Front, Opened, api, front, key, opened, refusal, region, server
from tests.systems import faulty, moto

if TYPE_CHECKING:
    from bootstrap.smoke.verdict import CheckResult

__all__ = ["front", "key", "opened", "region", "server"]  # fixtures

SECRETS, PARAMETERS = BOTH
both = pytest.mark.parametrize("kind", BOTH)
PATHS = BackendPaths(connections="airflow/connections", variables="airflow/variables", config=None)
MODULE = "airflow.providers.amazon.aws.secrets"
CLASSES = {
    SECRETS: f"{MODULE}.secrets_manager.SecretsManagerBackend",
    PARAMETERS: f"{MODULE}.systems_manager.SystemsManagerParameterStoreBackend",
}
COMMON: dict[str, dict[str, Any]] = {
    SECRETS: {
        "connections_prefix": "airflow/connections",
        "variables_prefix": "airflow/variables",
        "config_prefix": None,
        "sep": "/",
        "region_name": "eu-west-1",
    },
    PARAMETERS: {
        "connections_prefix": "/airflow/connections",
        "variables_prefix": "/airflow/variables",
        "config_prefix": None,
        "region_name": "eu-west-1",
    },
}
KEYS = {"method": "keys", "access_key_id": "AKIAEXAMPLEEXAMPLE99", "secret_access_key": {"env": "TEAM_KEY"}}
ROLE = {"method": "assume_role", "role_arn": f"arn:aws:iam::{ACCOUNT}:role/airflow"}


def backend(kind: str, paths: BackendPaths = PATHS, **options: Any) -> AirflowBackend:
    given = STORES.get(kind, StoreKind).Options.model_validate({"kind": kind, "region": "eu-west-1", **options})
    found = STORES.get(kind, ReadByAirflow).airflow_backend(given, paths, Context("team", Path("/project")))
    assert found.backend_class == CLASSES[kind]
    return found


@both
@pytest.mark.parametrize(
    ("options", "kwargs"),
    [
        ({}, {}),
        ({"auth": {"method": "profile", "profile": "team"}}, {"profile_name": "team"}),
        ({"auth": ROLE}, {"role_arn": ROLE["role_arn"]}),
        (
            {"auth": {**ROLE, "external_id": "team-7", "endpoint_url": "https://sts.example"}},
            {
                "role_arn": ROLE["role_arn"],
                "assume_role_kwargs": {"ExternalId": "team-7"},
                "service_config": {"sts": {"endpoint_url": "https://sts.example"}},
            },
        ),
        (
            {"auth": {**ROLE, "source": {"method": "profile", "profile": "team"}}},
            {"role_arn": ROLE["role_arn"], "profile_name": "team"},
        ),
        ({"endpoint_url": "https://vpce.example"}, {"endpoint_url": "https://vpce.example"}),
    ],
)
def test_a_credential_is_named_and_not_written(kind: str, options: dict[str, Any], kwargs: dict[str, Any]) -> None:
    found = backend(kind, **options)
    assert found.kwargs == COMMON[kind] | kwargs
    assert found.environment == {}
    own = any("credentials of their own" in line for line in found.advice)
    assert own == ("profile_name" not in kwargs)


@both
@pytest.mark.parametrize("auth", [KEYS, {**ROLE, "source": KEYS}], ids=["keys", "role"])
def test_keys_go_through_the_environment(kind: str, auth: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEAM_KEY", "the-secret")
    found = backend(kind, auth={**auth})
    assert "AKIA" not in json.dumps(dict(found.kwargs))
    read = {name: source.read("team", Path()).unmasked() for name, source in found.environment.items()}
    assert read == {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLEEXAMPLE99", "AWS_SECRET_ACCESS_KEY": "the-secret"}
    assert "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY" in found.advice[0]
    temporary = backend(kind, auth={**KEYS, "session_token": {"file": "token"}})
    assert temporary.environment["AWS_SESSION_TOKEN"].file == "token"


def test_what_airflow_can_not_read_is_told() -> None:
    assert any("description" in line for line in backend(SECRETS).advice)
    assert not any("description" in line for line in backend(PARAMETERS).advice)
    for kind, wrong in (
        (SECRETS, "ü"),
        (SECRETS, "a b"),
        (PARAMETERS, "aws/x"),
        (PARAMETERS, "a//b"),
        (PARAMETERS, ""),
    ):
        with pytest.raises(ManifestError, match="can begin with"):
            backend(kind, BackendPaths(connections=wrong, variables=None, config=None))
    with pytest.raises(ManifestError, match="Vault only"):
        backend(SECRETS, BackendPaths(connections=("a", "b"), variables=None, config=None))


ASKS = """
import json, os, sys

from airflow.configuration import get_custom_secret_backend

for backend, conn_ids in json.load(sys.stdin):
    os.environ["AIRFLOW__SECRETS__BACKEND"] = backend["class"]
    os.environ["AIRFLOW__SECRETS__BACKEND_KWARGS"] = json.dumps(backend["kwargs"])
    asked = get_custom_secret_backend()
    found = {"limit": asked.get_variable("limit")}
    for conn_id in conn_ids:
        conn = asked.get_connection(conn_id)
        names = ("conn_type", "description", "host", "login", "password", "schema", "port")
        found[conn_id] = {name: getattr(conn, name) for name in names} | {"extra": conn.extra_dejson or None}
    print("found:" + json.dumps(found))
"""
CONNECTIONS = {
    "warehouse": Connection(
        conn_type="postgres",
        description="The warehouse",
        host="db.internal",
        port=5432,
        login="etl",
        password='pä"ss\n密码 🔑 \\ % $HOME',
        schema="analytics",
        extra={"nested": {"list": [1, "00123", None], "quote": 'it\'s "so"\n'}, "sslmode": "require"},
    ),
    "bare": Connection(conn_type="http"),
    "zeros": Connection(conn_type="http", host="user", login="00123", password="null", extra={"key": "k", "user": "u"}),
}
LIMIT = "  drei\nZeilen\n ü "


@pytest.mark.airflow
def test_airflows_own_backends_read_what_the_stores_wrote(
    opened: Opened, server: moto.Moto, key: tuple[str, str], region: str, tmp_path: Path
) -> None:
    for kind in BOTH:
        store = opened(kind)
        store.write("airflow/variables/limit", Secret(LIMIT), expect=None)
        for conn_id, connection in CONNECTIONS.items():
            first = store.write(f"airflow/connections/{conn_id}", Connection("ftp").as_fields(), expect=None)
            store.write(f"airflow/connections/{conn_id}", connection.as_fields(), expect=first)
    found = asked_of_airflow([{**COMMON[kind]} for kind in BOTH], server, key, region, tmp_path)
    for kind, read in zip(BOTH, found, strict=True):
        assert read.pop("limit") == LIMIT
        for conn_id, connection in CONNECTIONS.items():
            expected = asdict(connection)
            if kind == SECRETS:
                expected["description"] = None  # as the backend's advice says
            assert read[conn_id] == expected, (kind, conn_id)


def asked_of_airflow(
    kwargs: list[dict[str, Any]], server: moto.Moto, key: tuple[str, str], region: str, folder: Path
) -> list[dict[str, Any]]:
    here = {"region_name": region, "endpoint_url": server.url}
    given = [
        ({"class": CLASSES[kind], "kwargs": {**each, **here}}, list(CONNECTIONS))
        for kind, each in zip(BOTH, kwargs, strict=True)
    ]
    clean = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    keys = {"AWS_ACCESS_KEY_ID": key[0], "AWS_SECRET_ACCESS_KEY": key[1]}
    done = subprocess.run(
        [sys.executable, "-c", ASKS],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        env={**clean, **keys, "HOME": str(folder), "AIRFLOW_HOME": str(folder / "airflow")},
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads(line.partition(":")[2]) for line in done.stdout.splitlines() if line.startswith("found:")]


@dataclass
class Checked:
    """Checks in an Airflow whose backend is the store."""

    bench: Bench
    server: moto.Moto
    region: str
    key: tuple[str, str]

    def connection(self) -> dict[str, Any]:
        """One that passes its check, with the canary in it."""
        extra = {
            "region_name": "us-east-1",
            "endpoint_url": self.server.url,
            "note": {"token": self.bench.canary.value},
        }
        return {"conn_type": "aws", "login": self.key[0], "password": self.key[1], "extra": extra}

    def env(self, kind: str, key: tuple[str, str] | None, url: str = "", **kwargs: Any) -> dict[str, str]:
        """For a backend with this key."""
        given = {**COMMON[kind], "region_name": self.region, "endpoint_url": url or self.server.url, **kwargs}
        keys = {"AWS_ACCESS_KEY_ID": key[0], "AWS_SECRET_ACCESS_KEY": key[1]} if key else {}
        return {
            "AWS_EC2_METADATA_DISABLED": "true",  # no role of the machine is asked for
            "AIRFLOW__SECRETS__BACKEND": CLASSES[kind],
            "AIRFLOW__SECRETS__BACKEND_KWARGS": json.dumps(given),
            **keys,
        }

    def run(self, env: Mapping[str, str], **cells: Cell) -> dict[str, CheckResult]:
        results = self.bench.run(cells, env=env, timeout=60)
        assert not self.bench.canary.found_in(self.bench.story.encode())
        return results

    def fails(self, env: Mapping[str, str], cause: str, says: str = "") -> None:
        """The environment has the connection too; it is never come to."""
        result = self.run(env, own=Cell(self.connection(), "sts"))["own"]
        assert self.bench.report is not None
        assert (outcome(result), self.bench.report.exit_code) == (("resolve", cause), 3), result
        assert says in result.message
        assert "airflow-bootstrap" in result.hint


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, template: Path, checks_airflow: AirflowSession) -> Bench:
    return Bench.at_home(tmp_path_factory.mktemp("bench"), template, checks_airflow)


@pytest.fixture
def checked(server: moto.Moto, region: str, key: tuple[str, str], bench: Bench) -> Checked:
    return Checked(bench, server, region, key)


@pytest.mark.airflow
@both
def test_what_is_there_is_found_and_what_is_not_is_missing(kind: str, checked: Checked, opened: Opened) -> None:
    store = opened(kind)
    store.write("airflow/connections/own", checked.connection(), expect=None)
    nothing = Cell(None, "sts", conn_type="aws")
    cells = {"own": nothing, "elsewhere": Cell(checked.connection(), "sts"), "nowhere": nothing, "unasked": nothing}
    if kind == SECRETS:
        client = api(checked.server, kind, checked.region)
        binary: dict[str, Any] = {"SecretBinary": b"{}"}
        for name, value in {
            "deleted": {"SecretString": "x"},
            "valueless": {},
            "binary": binary,
            "unasked": binary,
        }.items():
            client.create_secret(Name=f"airflow/connections/{name}", **value)
            cells[name] = nothing
        client.delete_secret(SecretId="airflow/connections/deleted")
    results = checked.run(checked.env(kind, checked.key, connections_lookup_pattern="(?!unasked)"), **cells)
    found = {name: result.cause for name, result in results.items()}
    sources = {name: results[name].steps[0].detail for name in ("own", "elsewhere")}
    assert sources == {"own": CLASSES[kind].rpartition(".")[2], "elsewhere": "environment"}
    assert [found.pop("own"), found.pop("elsewhere")] == [None, None]
    assert found.pop("binary", "secret_malformed") == "secret_malformed"
    assert set(found.values()) == {"secret_missing"}


@pytest.mark.airflow
@both
def test_a_denied_permission_is_not_a_missing_secret(kind: str, checked: Checked) -> None:
    nobody = checked.server.mint(f"nobody-{kind[4:9]}", [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}])
    checked.fails(checked.env(kind, nobody), "store_denied", "is not authorized to perform")


@pytest.mark.airflow
@pytest.mark.parametrize(
    ("kind", "given", "kwargs"),
    [
        (SECRETS, ("AKIAEXAMPLEEXAMPLE99", "x"), {}),
        (PARAMETERS, None, {}),
        (SECRETS, None, {"profile_name": "no-such-profile"}),
    ],
    ids=["wrong key", "no key", "no profile"],
)
def test_a_refused_credential_is_the_stores_failure(
    kind: str, given: tuple[str, str] | None, kwargs: dict[str, Any], checked: Checked
) -> None:
    checked.fails(checked.env(kind, given, **kwargs), "store_denied")


@pytest.mark.airflow
def test_a_store_out_of_reach_is_the_stores_failure(checked: Checked) -> None:
    with faulty.refused() as (host, port):
        checked.fails(checked.env(SECRETS, checked.key, f"http://{host}:{port}"), "store_unreachable")


@pytest.mark.airflow
@pytest.mark.parametrize("code", ["DecryptionFailure", "InternalServiceError"])
def test_what_airflows_backend_keeps_to_itself_is_seen(code: str, checked: Checked, front: Front) -> None:
    front.faults.append(lambda _operation: refusal(code, "no"))
    checked.fails(checked.env(SECRETS, checked.key, front.url), "store_unreachable", code)
