"""Finding the module of a kind, ours or another package's, and what it has to have."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Protocol, runtime_checkable

import hvac
import pytest
from botocore.exceptions import ProfileNotFound
from google.api_core.exceptions import Unauthenticated
from typing_extensions import get_protocol_members

from bootstrap import plugins
from bootstrap.checks import kind as check_kind
from bootstrap.checks._errors import store_cause
from bootstrap.errors import PluginError
from bootstrap.explain.registered import expecting, place
from bootstrap.issuers import (
    aws_access_key,
    command,
    google_service_account_key,
    mysql_password,
    postgres_password,
    vault_approle_secret_id,
    vault_token,
)
from bootstrap.issuers import kind as issuer_kind
from bootstrap.issuers import random as random_secret
from bootstrap.manifest import kinds
from bootstrap.manifest import secret_variables as target_variables
from bootstrap.manifest.kinds import CheckParams, SuitsConnTypes, default_checks
from bootstrap.manifest.loader import load
from bootstrap.plugins import Registry
from bootstrap.stores import env as env_store
from bootstrap.stores import file as file_store
from bootstrap.stores import kind as store_kind
from bootstrap.stores.aws import parameter_store, secrets_manager
from bootstrap.stores.embedded import store as embedded
from bootstrap.stores.google import secret_manager
from bootstrap.stores.vault import store as vault
from bootstrap.targets import env as env_target
from bootstrap.targets import file as file_target
from bootstrap.targets import kind as target_kind
from bootstrap.targets.backend import target as backend
from bootstrap.targets.kubernetes import target as kubernetes
from bootstrap.targets.metadata import target as metadata
from bootstrap.targets.rest_api import target as rest_api

GROUP = "airflow_bootstrap.tests"
REGISTRY = Registry(noun="test", group=GROUP, builtin={"json": "json", "csv": "csv"})

# mypy compares each with its Protocol, argument for argument
STORES: Mapping[str, store_kind.StoreKind] = {
    "aws_parameter_store": parameter_store,
    "aws_secrets_manager": secrets_manager,
    "embedded": embedded,
    "env": env_store,
    "file": file_store,
    "google_secret_manager": secret_manager,
    "vault": vault,
}
TARGETS: Mapping[str, target_kind.TargetKind] = {
    "api": rest_api,
    "backend": backend,
    "env": env_target,
    "file": file_target,
    "kubernetes": kubernetes,
    "metadata": metadata,
}
ISSUERS: Mapping[str, issuer_kind.IssuerKind] = {
    "aws_access_key": aws_access_key,
    "command": command,
    "google_service_account_key": google_service_account_key,
    "mysql_password": mysql_password,
    "postgres_password": postgres_password,
    "random": random_secret,
    "vault_approle_secret_id": vault_approle_secret_id,
    "vault_token": vault_token,
}


OURS: list[tuple[Registry, type]] = [
    (plugins.STORES, store_kind.StoreKind),
    (plugins.TARGETS, target_kind.TargetKind),
    (plugins.ISSUERS, issuer_kind.IssuerKind),
    (plugins.CHECKS, check_kind.CheckKind),
]
POWERS = [
    shape
    for module in (kinds, target_variables, store_kind, target_kind, issuer_kind, check_kind)
    for shape in vars(module).values()
    if inspect.isclass(shape) and getattr(shape, "_is_runtime_protocol", False)
]


@runtime_checkable
class Kind(Protocol):
    """As a plugin's."""

    @property
    def Params(self) -> type[CheckParams]:  # noqa: N802
        """A class."""
        ...

    @property
    def NAME(self) -> str:  # noqa: N802
        """A constant."""
        ...

    def run(self) -> None:
        """A function."""
        ...


@runtime_checkable
class Anything(Protocol):
    """Asks for nothing but a name."""

    __name__: str


WHOLE = """
from bootstrap.checks.base import CheckParams
class Params(CheckParams): pass
NAME = "theirs"
def run(): pass
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A distribution on the path, as pip installs one, with three entry points; its module."""
    metadata = tmp_path / "another-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: another\nVersion: 1.0\n")
    entries = f"[{GROUP}]\nanother = another_kind\nelsewhere = another_kind:no_such_name\njson = csv\n"
    (metadata / "entry_points.txt").write_text(f"{entries}\n[airflow_bootstrap.checks]\nanother = another_kind\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "another_kind", raising=False)
    module = tmp_path / "another_kind.py"
    module.write_text(WHOLE)
    return module


def test_a_kind_is_found_by_its_name() -> None:
    found = REGISTRY.find("json", Anything)
    assert found is not None
    assert found.__name__ == "json"


@pytest.mark.parametrize("name", ["jsno", None, 1, ["json"]])
def test_an_unknown_kind_is_none(name: object) -> None:
    assert REGISTRY.find(name, Anything) is None


def test_names_are_sorted() -> None:
    assert REGISTRY.names() == ["csv", "json"]
    assert not REGISTRY.extended


@pytest.mark.usefixtures("package")
def test_another_package_adds_a_kind() -> None:
    assert REGISTRY.names() == ["another", "csv", "elsewhere", "json"]
    assert REGISTRY.extended
    assert REGISTRY.get("another", Kind).NAME == "theirs"
    assert REGISTRY.find("other", Kind) is None


@pytest.mark.usefixtures("package")
def test_another_package_does_not_replace_a_kind_of_ours() -> None:
    assert REGISTRY.get("json", Anything).__name__ == "json"


@pytest.mark.parametrize(
    ("cut", "instead", "wrong"),
    [
        ('NAME = "theirs"', "", "it has no NAME"),
        ("def run(): pass", "", "it has no run"),
        ("def run(): pass", "run = 1", "its run is not a function"),
        ("class Params(CheckParams): pass", "", "it has no Params"),
        (
            "class Params(CheckParams): pass",
            "Params = {}",
            "its Params is not a CheckParams (bootstrap.manifest.kinds)",
        ),
        ("(CheckParams): pass", ": pass", "its Params is not a CheckParams (bootstrap.manifest.kinds)"),
        (
            "def run(): pass",
            "import no_such_sdk",
            "can't be imported: ModuleNotFoundError: No module named 'no_such_sdk'",
        ),
        ("def run(): pass", "1 / 0", "can't be imported: ZeroDivisionError: division by zero"),
    ],
)
def test_a_kind_that_does_not_fit_is_an_error_that_names_the_package(
    package: Path, cut: str, instead: str, wrong: str
) -> None:
    assert cut in WHOLE
    package.write_text(WHOLE.replace(cut, instead))
    with pytest.raises(PluginError) as caught:
        REGISTRY.find("another", Kind)
    assert caught.value.exit_code == 2
    assert caught.value.message.startswith("the test 'another' of the package another ")
    assert caught.value.message.endswith(wrong)
    assert caught.value.hint == "pip install --upgrade another, or pip uninstall another"


def test_all_that_is_missing_is_said_at_once(package: Path) -> None:
    package.write_text("")
    with pytest.raises(PluginError, match="it has no NAME, it has no Params, it has no run"):
        REGISTRY.find("another", Kind)


@pytest.mark.usefixtures("package")
def test_an_entry_point_that_leads_nowhere_is_an_error() -> None:
    with pytest.raises(PluginError, match=r"'elsewhere' of the package another can't be imported: AttributeError"):
        REGISTRY.find("elsewhere", Kind)


def test_a_kind_whose_package_is_gone_is_an_error() -> None:
    with pytest.raises(PluginError, match="there is no test 'another'"):
        REGISTRY.get("another", Kind)


@pytest.mark.parametrize("conn_types", ['("acme",)', '("acme", "postgres")'])
def test_a_check_of_another_package_is_a_default_by_its_conn_types(package: Path, conn_types: str) -> None:
    package.write_text(f"{WHOLE}CONN_TYPES = {conn_types}\n")
    assert list(default_checks("acme")) == ["another"]
    assert list(default_checks("postgres")) == (["another", "postgres"] if "postgres" in conn_types else ["postgres"])
    assert list(default_checks("no_such_type")) == ["hook"]


def test_a_check_without_conn_types_is_an_error_when_defaults_are_looked_for(package: Path) -> None:
    assert package.exists()
    with pytest.raises(PluginError, match=r"the check 'another' of the package another .* it has no CONN_TYPES"):
        list(default_checks("acme"))


@pytest.mark.parametrize(
    ("registry", "shape", "name"),
    [
        pytest.param(registry, shape, name, id=f"{registry.noun}-{name}")
        for registry, shape in OURS
        for name in registry.builtin
    ],
)
def test_each_of_ours_fits_its_protocol_and_those_of_its_powers(registry: Registry, shape: type, name: str) -> None:
    kind: object = registry.get(name, shape)
    for power in POWERS:
        for part in get_protocol_members(power) if isinstance(kind, power) else ():
            asked, given = getattr(power, part, None), getattr(kind, part)
            if inspect.isfunction(asked):
                inspect.signature(given).bind(*list(inspect.signature(asked).parameters)[1:])  # without self


def test_every_store_that_airflow_reads_is_known_in_its_process() -> None:
    """Its refusals are told from an outage, and its place from another one's."""
    for name, kind in STORES.items():
        assert isinstance(kind, store_kind.ReadByAirflow) == isinstance(kind, store_kind.KnownInAirflow), name
    refused = Unauthenticated("no")  # type: ignore[no-untyped-call]  # of a library without types
    for error in (hvac.exceptions.Forbidden(), refused, ProfileNotFound(profile="x")):
        assert store_cause(error, "team").name == "store_denied"
    assert place({"url": "u", "project_id": "p", "region_name": "r", "connections_path": "c"}) == {
        **dict.fromkeys(("mount_point", "namespace", "endpoint_url")),
        "url": "u",
        "project_id": "p",
        "region_name": "r",
    }


@pytest.mark.parametrize(
    ("register", "sources"),
    [
        ("[env]", ["environment"]),
        ("[file, metadata]", ["backend", "database"]),
        ("[kubernetes, env]", ["environment"]),
        ("[acme]", ["environment"]),
    ],
)
def test_where_airflow_finds_what_a_target_has_is_told_by_its_power(
    register: str, sources: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = {**plugins.TARGETS.builtin, "acme": "tests.plugins_example.acme_bootstrap.json_variables"}
    monkeypatch.setattr(plugins, "TARGETS", replace(plugins.TARGETS, builtin=ours))
    file = tmp_path / "bootstrap.yaml"
    file.write_text(f"version: 1\nregister: {register}\n")
    assert expecting(load(file), {}, {}, "key")["sources"] == sources


def test_those_that_mypy_has_compared_are_all() -> None:
    compared: list[tuple[Mapping[str, object], Registry]] = [
        (STORES, plugins.STORES),
        (TARGETS, plugins.TARGETS),
        (ISSUERS, plugins.ISSUERS),
    ]
    for modules, registry in compared:
        assert modules == {name: registry.get(name, Anything) for name in registry.builtin}


def test_no_plugin_of_ours_is_taken_for_what_it_is_not() -> None:
    assert isinstance(vault, store_kind.WritesPolicy)
    assert not isinstance(env_store, store_kind.WritesPolicy)
    assert isinstance(plugins.CHECKS.get("gcs", SuitsConnTypes), check_kind.Sweeps)
