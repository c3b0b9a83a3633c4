"""Finding the module of a kind."""

from __future__ import annotations

from pathlib import Path

import pytest

from bootstrap import plugins
from bootstrap.util.registry import Registry

GROUP = "airflow_bootstrap.tests"
REGISTRY = Registry(group=GROUP, builtin={"json": "json", "csv": "csv"})


@pytest.fixture
def _another_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A distribution on the path, as pip installs one, with two entry points."""
    metadata = tmp_path / "another-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: another\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[{GROUP}]\nanother = another_kind\njson = csv\n")
    (tmp_path / "another_kind.py").write_text("KIND = 'theirs'\n")
    monkeypatch.syspath_prepend(str(tmp_path))


def test_a_kind_is_found_by_its_name() -> None:
    found = REGISTRY.find("json")
    assert found is not None
    assert found.__name__ == "json"


def test_an_unknown_kind_is_none() -> None:
    assert REGISTRY.find("jsno") is None


def test_names_are_sorted() -> None:
    assert REGISTRY.names() == ["csv", "json"]
    assert not REGISTRY.extended


def test_whether_there_is_a_kind_is_known_without_importing_it() -> None:
    registry = Registry(group=GROUP, builtin={"broken": "bootstrap.no_such_module"})
    assert registry.has("broken")
    assert not registry.has("brokne")


@pytest.mark.usefixtures("_another_package")
def test_another_package_adds_a_kind() -> None:
    assert REGISTRY.names() == ["another", "csv", "json"]
    assert REGISTRY.extended
    assert REGISTRY.has("another")
    found = REGISTRY.find("another")
    assert found is not None
    assert found.KIND == "theirs"
    assert REGISTRY.find("other") is None


@pytest.mark.usefixtures("_another_package")
def test_another_package_does_not_replace_a_kind_of_ours() -> None:
    found = REGISTRY.find("json")
    assert found is not None
    assert found.__name__ == "json"


@pytest.mark.parametrize(
    ("registry", "name", "parts"),
    [
        *((plugins.STORES, name, ("Options", "open_store")) for name in plugins.STORES.names()),
        *((plugins.TARGETS, name, ("open_target",)) for name in plugins.TARGETS.names()),
        *((plugins.ISSUERS, name, ("Options", "open_issuer", "fields")) for name in plugins.ISSUERS.names()),
        *((plugins.CHECKS, name, ("Params", "CONN_TYPES", "endpoint", "task")) for name in plugins.CHECKS.names()),
    ],
)
def test_every_kind_there_is_has_what_its_interface_asks_for(
    registry: Registry, name: str, parts: tuple[str, ...]
) -> None:
    module = registry.find(name)
    assert [part for part in parts if not hasattr(module, part)] == []
