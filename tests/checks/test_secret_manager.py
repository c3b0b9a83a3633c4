from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.checks.bench import Bench, Cell, Connection, outcome, passed_steps
from tests.systems import faulty, secret_manager
from tests.systems.server import write_private

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.airflow
BACKEND = "airflow.providers.google.cloud.secrets.secret_manager.CloudSecretManagerBackend"
WAREHOUSE = {"conn_type": "http", "host": "warehouse.invalid"}


@dataclass
class Secrets:
    """Secret Manager, and the environment of an Airflow whose backend it is."""

    bench: Bench
    server: secret_manager.SecretManager
    folder: Path

    def env(self, key: dict[str, str] | None = None, **kwargs: Any) -> dict[str, str]:
        """For a backend with this key, which is in a file of its own.

        Whom to trust is one file in all tests: Airflow would be started anew for another.
        """
        file, trusted = self.folder / "key.json", self.bench.folder / "google.pem"
        write_private(file, json.dumps(key or self.server.service_account()))
        shutil.copy(self.server.environment["SSL_CERT_FILE"], trusted)
        trust = {name: str(trusted) for name, value in self.server.environment.items() if value.endswith("ca.pem")}
        return {
            **self.server.environment,
            **trust,
            "AIRFLOW__SECRETS__BACKEND": BACKEND,
            "AIRFLOW__SECRETS__BACKEND_KWARGS": json.dumps({"gcp_key_path": str(file), **kwargs}),
        }

    def connection(self) -> Connection:
        """What is in the backend for a connection, with the canary."""
        return {**WAREHOUSE, "password": self.bench.canary.value}

    def put(self, name: str, value: str) -> None:
        """Under its full name."""
        self.server.put("proj", name, value)


@pytest.fixture
def secrets(tmp_path: Path, bench: Bench) -> Iterator[Secrets]:
    with secret_manager.running() as server:
        made = Secrets(bench, server, tmp_path)
        for name in ("own", "named", "missing_variable", "missing_all"):
            made.put(f"airflow-connections-{name}", json.dumps(made.connection()))
        made.put("airflow-variables-limit", bench.canary.value)
        made.put("airflow-config-fernet", bench.canary.value)
        yield made


def check(**params: list[str]) -> dict[str, Any]:
    return {"secret_manager": params}


def test_what_is_there_is_read(secrets: Secrets, isolated: bool) -> None:  # noqa: FBT001  a fixture
    everything = check(connections=["own", "named"], variables=["limit"], config=["fernet"])
    nothing = check(connections=["nope"], variables=["no-limit", "limit"], config=["none"])
    cells = {
        "own": Cell(None, "secret_manager", conn_type="http"),
        "named": Cell(secrets.connection(), everything),
        "missing_variable": Cell(
            None,
            check(variables=["no-limit", "limit"]),
            "access",
            "not_found",
            says="variable 'no-limit': ",
            hint="create the secret airflow-variables-no-limit in project proj, or correct the name; or correct `project` of",
            conn_type="http",
        ),
        "missing_all": Cell(
            None, nothing, "access", "not_found", says="connection 'nope': Secret [projects/proj", conn_type="http"
        ),
        "bad_name": Cell(
            secrets.connection(), check(variables=["no such"]), "access", "check_error", says="variable 'no such': "
        ),
        "nowhere": Cell(
            None, "secret_manager", "resolve", "secret_missing", says="no such secret in project proj", conn_type="http"
        ),
    }
    results = secrets.bench.hold(cells, env=secrets.env(), keep=("own", "named", "missing_all"), isolated=isolated)
    assert passed_steps(results["own"]) == ["resolve", "reach", "authenticate", "access"]
    details = {name: {step.name: step.detail for step in results[name].steps} for name in ("own", "named")}
    assert details["own"]["resolve"] == "CloudSecretManagerBackend"
    assert (details["own"]["access"], details["named"]["access"]) == ("1 read", "4 read")
    message = results["missing_all"].message
    assert "variable 'no-limit': " in message
    assert "config 'none': " in message
    assert "'limit'" not in message


def test_a_denied_permission_is_not_a_missing_secret(secrets: Secrets) -> None:
    secrets.server.deny("secretmanager.versions.access")  # Airflow's backend only logs that, and answers None
    fails(secrets, secrets.env(), "store_denied")


def test_what_the_backend_is_told_not_to_ask_for_is_an_error(secrets: Secrets) -> None:
    says = "variable 'limit': the backend's variables_prefix is null"
    off = Cell(secrets.connection(), check(variables=["limit"]), "access", "check_error", says=says, hint="set variab")
    secrets.bench.hold({"own": off}, env=secrets.env(variables_prefix=None))


def test_another_backend_is_named(secrets: Secrets) -> None:
    other = "airflow.secrets.environment_variables.EnvironmentVariablesBackend"
    says = f"Airflow's secrets backend is not CloudSecretManagerBackend; configured is {other}"
    here = Cell(secrets.connection(), "secret_manager", "access", "check_error", says=says, hint="[secrets] backend")
    env = {name: value for name, value in secrets.env().items() if not name.startswith("AIRFLOW")}
    result = secrets.bench.hold({"own": here}, env={**env, "AIRFLOW__SECRETS__BACKEND": other})["own"]
    assert [step.status for step in result.steps if step.name == "reach"] == ["skipped"]
    none = Cell(here.connection, here.check, here.step, here.cause, says="configured is none")
    secrets.bench.hold({"own": none}, env=env)


@pytest.mark.parametrize(
    "kind",
    ["forged", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("no_file", "no_key"))],
)
def test_a_refused_credential_is_the_stores_failure(secrets: Secrets, kind: str) -> None:
    key = secrets.server.service_account()
    env = secrets.env({**key, "private_key": secrets.server.service_account()["private_key"]})
    if kind == "no_file":
        Path(json.loads(env["AIRFLOW__SECRETS__BACKEND_KWARGS"])["gcp_key_path"]).unlink()
    elif kind == "no_key":
        env = secrets.env({"type": "service_account", "private_key": secrets.bench.canary.value})
    fails(secrets, env, "store_denied")


def test_a_store_out_of_reach_is_the_stores_failure(secrets: Secrets) -> None:
    with faulty.refused() as (host, port):
        proxy = f"http://{host}:{port}"
        fails(secrets, {**secrets.env(), "https_proxy": proxy, "HTTPS_PROXY": proxy}, "store_unreachable", timeout=8)


def fails(secrets: Secrets, env: dict[str, str], cause: str, timeout: float = 15) -> None:
    """The environment has the connection too; it is never come to."""
    result = secrets.bench.run({"own": Cell(secrets.connection(), "secret_manager")}, env=env, timeout=timeout)["own"]
    assert secrets.bench.report is not None
    assert not secrets.bench.canary.found_in(secrets.bench.story.encode())
    assert (outcome(result), secrets.bench.report.exit_code) == (("resolve", cause), 3), result
    assert "airflow-bootstrap" in result.hint
