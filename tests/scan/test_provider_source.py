"""Providers that the shipped table doesn't have, or not in this version, are read from their source."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bootstrap.scan.operators.installed import table
from bootstrap.scan.operators.provider_homes import homes
from bootstrap.scan.operators.rows import flat
from bootstrap.scan.operators.table import Operators, operators, shipped, shipped_hook

NOTHING = {**shipped(), "versions": {}}

HOOK = """
from airflow.providers.common.sql.hooks.sql import DbApiHook
from acme.defaults import PREFIX, CONN_ID

class AcmeHook(DbApiHook):
    conn_name_attr = "acme_conn_id"
    default_conn_name = CONN_ID
    conn_type = "acme"

class Client:
    def __init__(self, acme_conn_id=None, retries: int = 3 * 2):
        self.acme_conn_id = acme_conn_id or AcmeHook.default_conn_name
"""
OPERATORS = """
from airflow.providers.http.operators.http import HttpOperator
from airflow.models import BaseOperator
from acme.hooks import AcmeHook as Hook, Client

class AcmeBase(BaseOperator):
    def __init__(self, *, acme_conn_id: str = Hook.default_conn_name, wait_for_completion=True, **kwargs):
        super().__init__(**kwargs)
        self.conn = acme_conn_id

    def execute(self, context):
        from acme.hooks import AcmeHook
        return AcmeHook(self.conn)

class AcmeOperator(AcmeBase):
    def __init__(self, gate, *args, wait_for_completion=False, **kwargs):
        old = kwargs.pop("gate_connection_id", None)
        super().__init__(*args, wait_for_completion=wait_for_completion, **kwargs)

class FixedOperator(AcmeBase):
    def __init__(self, **kwargs):
        super().__init__(acme_conn_id="acme_fixed", **kwargs)

class AcmeHttp(HttpOperator):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)

class HelperOperator(BaseOperator):
    def __init__(self, gate_conn_id, **kwargs):
        super().__init__(**kwargs)
        self.client = Client(acme_conn_id=gate_conn_id)

class AcmeBroken(
"""


@pytest.fixture
def acme(tmp_path: Path) -> Path:
    """A provider that isn't Airflow's, as pip installs it."""
    folder = tmp_path / "site-packages"
    package = folder / "acme"
    info = folder / "acme_airflow-1.2.dist-info"
    package.mkdir(parents=True)
    info.mkdir()
    (info / "entry_points.txt").write_text(
        "[apache_airflow_provider]\nprovider_info = acme.get_provider_info:get_provider_info\n"
    )
    (info / "METADATA").write_text("Name: acme-airflow\nVersion: 1.2\n")
    (package / "__init__.py").write_text("from acme.operators import AcmeOperator\n")
    (package / "defaults.py").write_text('PREFIX = "x"\nCONN_ID = "acme_default"\n')
    (package / "hooks.py").write_text(HOOK)
    (package / "operators.py").write_text(OPERATORS.rpartition("class AcmeBroken")[0])
    (package / "broken.py").write_text(OPERATORS)
    (package / "get_provider_info.py").write_text(
        'def get_provider_info():\n    return {"connection-types": [{"connection-type": "acme", "hook-class-name": "acme.hooks.AcmeHook"}]}\n'
    )
    return folder


@pytest.fixture
def read(acme: Path) -> Operators:
    return Operators(table(shipped(), shipped_hook, None, [str(acme), *sys.path]), shipped())


def conns(read: Operators, name: str) -> list[tuple[str, str | None, str | None]]:
    operator = read.find(name)
    assert operator is not None, name
    return [(each.name, each.default, each.conn_type) for each in operator.connections]


def test_a_third_partys_operators_are_read_beside_a_file_that_cannot_be(read: Operators) -> None:
    operator = read.find("acme.AcmeOperator")
    assert operator is not None
    assert (operator.name, operator.kind, operator.package) == (
        "acme.operators.AcmeOperator",
        "operator",
        "acme-airflow",
    )
    assert conns(read, "acme.operators.AcmeOperator") == [
        ("gate_connection_id", None, None),
        ("acme_conn_id", "acme_default", "acme"),
    ]
    assert operator.defaults["wait_for_completion"] is False
    assert operator.positional == ("gate",)
    assert "execution_timeout" in operator.parameters


def test_a_third_partys_hook_is_known_by_its_type(read: Operators) -> None:
    hook = read.hook_of("acme")
    assert hook is not None
    assert hook.positional == ("acme_conn_id",)
    assert conns(read, hook.name) == [("acme_conn_id", "acme_default", "acme")]


def test_what_a_class_fills_in_for_its_user_is_needed(read: Operators) -> None:
    operator = read.find("acme.operators.FixedOperator")
    assert operator is not None
    assert conns(read, operator.name) == [("acme_conn_id", "acme_fixed", "acme")]
    assert "acme_conn_id" not in operator.parameters


def test_a_base_of_another_distribution_is_followed(read: Operators) -> None:
    assert conns(read, "acme.operators.AcmeHttp") == [("http_conn_id", "http_default", "http")]


def test_a_helper_between_operator_and_hook_is_followed(read: Operators) -> None:
    assert conns(read, "acme.operators.HelperOperator") == [("gate_conn_id", None, "acme")]


def test_installed_distributions_of_the_tables_own_versions_are_not_read() -> None:
    assert (
        table({**shipped(), "versions": {home.package: home.version for home in homes(sys.path)}}, shipped_hook, None)
        is None
    )


def test_what_is_read_of_a_provider_is_what_the_shipped_table_says(tmp_path: Path) -> None:
    ssh = next(home for home in homes(sys.path) if home.package == "apache-airflow-providers-ssh")
    others = {home.package: home.version for home in homes(sys.path) if home != ssh}
    assert shipped()["versions"][ssh.package] == ssh.version, "make schema with OPERATORS_FROM"
    rows = flat(table({**shipped(), "versions": others}, shipped_hook, tmp_path)["classes"])
    wanted = flat(shipped()["classes"])
    assert f"{ssh.module}.operators.ssh.SSHOperator" in rows
    assert rows == {name: wanted[name] for name in rows}


def test_what_was_read_is_kept_until_another_version_is_installed(acme: Path, tmp_path: Path) -> None:
    def read() -> Operators:
        return Operators(table(shipped(), shipped_hook, tmp_path, [str(acme), *sys.path]))

    assert read().find("acme.operators.AcmeOperator") is not None
    (acme / "acme" / "operators.py").write_text("")
    assert read().find("acme.operators.AcmeOperator") is not None
    (acme / "acme_airflow-1.2.dist-info").rename(acme / "acme_airflow-1.3.dist-info")
    from bootstrap.util import distributions

    distributions.metadata_folders.cache_clear()  # a process sees an installation as it was at its start
    assert read().find("acme.operators.AcmeOperator") is None


def test_operators_are_there_without_a_cache() -> None:
    operator = operators().find("airflow.providers.http.operators.http.HttpOperator")
    assert operator is not None
    assert operator.installed
