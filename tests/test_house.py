"""`make house`: what runs upwards and what goes in circles is seen, and there is none of it here."""

from __future__ import annotations

import subprocess
import sys

import grimp
import pytest

from tests.project import ROOT
from tools import house


def imports(*edges: tuple[str, str]) -> grimp.ImportGraph:
    graph = grimp.ImportGraph()
    for importer, imported in edges:
        graph.add_import(importer=f"bootstrap.{importer}", imported=f"bootstrap.{imported}")
    return graph


@pytest.mark.parametrize(
    ("importer", "imported", "up"),
    [
        ("cli", "stores.base", False),
        ("stores.vault.store", "stores.base", False),
        ("stores.base", "cli", True),
        ("smoke.run", "rotation.engine", True),
        ("smoke.run", "smoke.dag", False),
    ],
)
def test_an_import_upwards_or_sideways_is_seen(importer: str, imported: str, up: bool) -> None:  # noqa: FBT001
    floors = [["cli"], ["smoke", "rotation"], ["stores"]]
    found = house.upwards(imports((importer, imported)), floors)
    assert found == ([(f"bootstrap.{importer}", f"bootstrap.{imported}")] if up else [])


def test_a_circle_is_seen_however_long_it_is() -> None:
    edges = {"a": ["b"], "b": ["c"], "c": ["a", "d"], "d": [], "e": ["a"], "x": ["y"], "y": ["x"]}
    assert house.circles(edges) == [["a", "b", "c"], ["x", "y"]]


def test_rooms_are_the_folders() -> None:
    graph = imports(("cli", "stores.base"), ("stores.base", "stores.vault.store"), ("smoke.run", "stores.vault"))
    assert house.between_rooms(graph) == {"cli": {"stores"}, "smoke": {"stores"}, "stores": set()}


def test_the_house_has_no_import_upwards_and_no_circle() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tools.house"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120
    )
    figures = dict(line.rsplit(maxsplit=1) for line in done.stdout.splitlines() if not line.startswith("  "))
    assert [figures[name] for name in ("imports upwards", "circles, rooms", "circles, modules")] == ["0"] * 3
