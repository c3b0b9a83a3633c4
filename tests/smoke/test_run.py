from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from bootstrap import plugins
from bootstrap.airflow.environment import locate, require_airflow
from bootstrap.checks.base import CheckParams
from bootstrap.checks.kind import CheckKind
from bootstrap.errors import AirflowError, BootstrapError
from bootstrap.explain.registered import elsewhere
from bootstrap.manifest.loader import CheckSpec, Manifest, load
from bootstrap.register.drift import Drift
from bootstrap.smoke import run
from bootstrap.smoke.run import packages_missing_for, require_known, select, unchecked
from bootstrap.smoke.verdict import missing_provider

MANIFEST = """
version: 1
airflow: {home: airflow}
connections:
  warehouse: {conn_type: postgres, host: db, checks: [postgres, hook]}
  stock: {conn_type: postgres, host: db}
  api: {conn_type: http, host: api}
  odd: {conn_type: no_such_type, host: x}
  boat: {conn_type: oracle, host: x}
"""


def _kind(name: str) -> CheckKind:
    return plugins.CHECKS.get(name, CheckKind)


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    file = tmp_path / "bootstrap.yaml"
    file.write_text(MANIFEST)
    return load(file)


@pytest.mark.parametrize(
    ("selectors", "ids"),
    [
        ([], ["warehouse.postgres", "warehouse.hook", "stock.postgres", "api.http", "odd.hook", "boat.hook"]),
        (["warehouse"], ["warehouse.postgres", "warehouse.hook"]),
        (["warehouse.hook"], ["warehouse.hook"]),
        (["postgres"], ["warehouse.postgres", "stock.postgres"]),
        (["*ware*.p*", "api"], ["warehouse.postgres", "api.http"]),
        (["nothing"], []),
    ],
)
def test_a_selector_is_a_connection_an_id_a_check_or_a_glob(
    manifest: Manifest, selectors: list[str], ids: list[str]
) -> None:
    assert [spec.id for spec in select(manifest, selectors)] == ids


@pytest.mark.parametrize(
    ("selectors", "hint"),
    [
        (["warehous"], "did you mean 'warehouse'?"),
        (
            ["warehouse", "zzz"],
            "there are: api, api.http, boat, boat.hook, odd, odd.hook, stock, ",
        ),  # beside one that is
        (["zzz*"], "there are: api, api.http, boat, "),
    ],
)
def test_a_selector_that_means_nothing_is_an_error_with_the_names(
    manifest: Manifest, selectors: list[str], hint: str
) -> None:
    with pytest.raises(BootstrapError) as caught:
        require_known(manifest, selectors)
    assert (caught.value.exit_code, caught.value.hint[: len(hint)]) == (1, hint)
    require_known(manifest, ["warehouse", "*.hook", "http", "b?at"])


def test_connections_without_a_check_are_known(tmp_path: Path) -> None:
    file = tmp_path / "bootstrap.yaml"
    file.write_text(MANIFEST + "  archive: {conn_type: generic, checks: []}\n")
    found = load(file)
    assert [unchecked(found, selectors) for selectors in ([], ["arch*"], ["api"])] == [("archive",), ("archive",), ()]
    require_known(found, ["archive"])


def test_a_missing_provider_is_known_before_the_run(manifest: Manifest) -> None:
    missing = {spec.id: packages_missing_for(manifest, spec) for spec in select(manifest, [])}
    assert missing["boat.hook"] == ["apache-airflow-providers-oracle"]
    assert missing["warehouse.postgres"] == []
    assert missing["odd.hook"] == []  # nobody knows its package; Airflow will say so


@pytest.mark.parametrize("name", [name for name in plugins.CHECKS.names() if _kind(name).PROVIDERS])
def test_each_check_names_the_packages_that_it_lacks(
    manifest: Manifest, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "providers", dict)  # nothing can be uninstalled from under other tests
    spec = CheckSpec(f"warehouse.{name}", "warehouse", name, CheckParams())
    missing = packages_missing_for(manifest, spec)
    assert missing == list(_kind(name).PROVIDERS)
    result = missing_provider(spec, missing)
    assert (result.cause, result.hint) == ("provider_missing", f"pip install {' '.join(missing)}")


@pytest.mark.parametrize(
    ("register", "statuses"),
    [
        ("[api: {url: 'http://127.0.0.1:9', token: {env: T}}]", ["unproven"]),
        ("[kubernetes, api: {url: 'http://127.0.0.1:9', token: {env: T}}]", ["unproven"]),
    ],
)
def test_what_only_another_airflow_has_is_unproven(tmp_path: Path, register: str, statuses: list[str]) -> None:
    file = tmp_path / "bootstrap.yaml"
    file.write_text(f"version: 1\nregister: {register}\nconnections: {{web: {{conn_type: http, host: h}}}}\n")
    found = load(file)
    report = run.smoke(
        found, locate(found), select(found, []), run.Settings(1), drift=Drift(), on_result=lambda *_: None
    )
    assert [check.status for check in report.checks] == statuses
    assert "the Airflow on this machine can't look" in report.checks[0].message


@pytest.mark.parametrize("register", ["[env]", "[metadata]", "[env, kubernetes]", "[]"])
def test_what_this_airflow_may_have_is_proven_here(tmp_path: Path, register: str) -> None:
    file = tmp_path / "bootstrap.yaml"
    file.write_text(f"version: 1\nregister: {register}\nconnections: {{web: {{conn_type: http, host: h}}}}\n")
    assert elsewhere(load(file)) == ""


def test_smoke_without_an_airflow_home_is_an_airflow_error(manifest: Manifest) -> None:
    with pytest.raises(AirflowError, match="there is no") as caught:
        require_airflow(locate(manifest))
    assert caught.value.exit_code == 4
    assert caught.value.hint == "airflow-bootstrap up"


def _nothing() -> Generator[None, None, None]:
    yield from ()


def test_a_check_without_an_outcome_is_a_failure(manifest: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "_results", lambda *_: _nothing())  # no runner loses an outcome, as far as we know
    chosen = run.select(manifest, ["api"])
    report = run.smoke(manifest, locate(manifest), chosen, run.Settings(1), drift=Drift(), on_result=lambda *_: None)
    assert [check.message for check in report.checks] == ["it was never run"]
    assert report.exit_code == 1
