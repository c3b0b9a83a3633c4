"""What is read from the providers' source is what Airflow itself finds by importing them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bootstrap.desired.resolve import SecretReader
from bootstrap.manifest.loader import load
from bootstrap.providers import installed
from bootstrap.providers.facts import known
from bootstrap.util import distributions
from bootstrap.util.nearest import nearest
from bootstrap.validation import uris
from bootstrap.validation.hooks import install_command
from tests.project import ROOT
from tools.provider_tables import generated_conn_types

MANAGER = """
import json
from airflow.providers_manager import ProvidersManager
manager = ProvidersManager()
types = {name: getattr(hook, "package_name", None) for name, hook in manager.hooks.items()}
print(json.dumps([types, list(manager.connection_form_widgets)]))
"""


@pytest.mark.airflow
def test_airflow_finds_the_same(tmp_path: Path) -> None:
    environment = {"AIRFLOW_HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, "-c", MANAGER], env=environment, capture_output=True, text=True, timeout=120, check=True
    )
    types, widgets = json.loads(done.stdout.splitlines()[-1])
    found = known(types, tmp_path)
    assert set(found.types) == set(types)
    assert {name: found.types[name] for name, package in types.items() if package} == {
        name: package for name, package in types.items() if package
    }
    assert widgets
    for widget in widgets:
        _, conn_type, key = widget.split("__", 2)
        assert key in found.extras[conn_type].keys, widget


def test_keys_that_a_hook_reads_and_does_not_declare_are_known(tmp_path: Path) -> None:
    found = known(["aws", "postgres", "ssh", "http", "spark", "google_cloud_platform"], tmp_path)
    for conn_type, keys in {
        "aws": {"region_name", "aws_session_token", "assume_role_kwargs", "config_kwargs"},
        "postgres": {"iam", "cluster-identifier", "sqlalchemy_query"},
        "ssh": {"private_key", "no_host_key_check", "host_key"},
        "http": {"proxies", "verify", "trust_env"},
        "spark": {"deploy-mode", "queue"},
        "google_cloud_platform": {"keyfile_dict", "project", "idp_issuer_url"},
    }.items():
        assert keys <= found.extras[conn_type].keys


def test_a_key_like_no_other_has_no_nearest() -> None:
    keys = {"keyfile_dict", "ssl_keyfile", "project"}
    assert nearest("keyflie_dict", keys) == "keyfile_dict"
    assert nearest("KeyFileDict", keys) == "keyfile_dict"
    assert [nearest(name, keys) for name in ("ssl_key", "project_label", "db", "")] == [None] * 4


def test_the_table_is_current() -> None:
    assert (ROOT / "templates" / "conn_types.json").read_text() == generated_conn_types(), "make schema"


def test_a_row_of_the_table_stays_when_its_provider_is_not_installed() -> None:
    assert installed.conn_types()["snowflake"] == "apache-airflow-providers-snowflake"
    assert distributions.version("apache-airflow-providers-snowflake") is None


def test_the_command_leaves_airflow_where_it_is() -> None:
    found = distributions.version("apache-airflow")
    packages = ["apache-airflow-providers-snowflake", "apache-airflow-providers-http"]
    assert install_command(packages) == f'pip install "apache-airflow=={found}" {" ".join(sorted(packages))}'
    assert install_command(["pyspark"]) == "pip install pyspark"


def test_a_connection_that_a_store_keeps_as_a_uri_is_looked_at_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A", "postgres://etl:#x@db")
    monkeypatch.setenv("B", '{"conn_uri": "postgres://b"}')
    monkeypatch.setenv("C", '{"conn_type": "postgres"}')
    (tmp_path / "bootstrap.yaml").write_text(
        "version: 1\nstores: {here: {kind: env}}\nconnections:\n"
        + "".join(f'  {name}: {{from: {{secret: "here:{name.upper()}"}}}}\n' for name in "abc")
        + "  d: {conn_type: http}\n"
    )
    manifest = load(tmp_path / "bootstrap.yaml")
    texts = uris.stored(manifest, SecretReader(manifest), manifest.connections)
    assert texts == {"a": "postgres://etl:#x@db", "b": "postgres://b"}
