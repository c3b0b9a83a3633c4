"""docs/compatibility.md shows each contract of tests/compat on each release that is supported, and nothing that failed."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from bootstrap.airflow.releases import RELEASES
from tests.compat.contracts import CONTRACTS
from tests.project import ROOT
from tools.compatibility import PAGE, generated


def rows(page: str) -> list[list[str]]:
    """The table's cells, its head first."""
    lines = re.findall(r"^\| (.*) \|$", page, re.MULTILINE)
    return [line.split(" | ") for line in lines if not line.startswith("---")]


def pinned(file: Path) -> str:
    [version] = re.findall(r"^apache-airflow==([\d.]+)", file.read_text(), re.MULTILINE)
    return str(version)


def test_each_contract_has_a_test() -> None:
    text = "".join(file.read_text() for file in (ROOT / "tests" / "compat").glob("test_*.py"))
    assert set(re.findall(r"mark\.contract\(\"(.*?)\"\)", text)) == set(CONTRACTS)


def test_the_page_shows_each_contract_on_each_release() -> None:
    """Out of date? `make compat-all` writes it anew."""
    page = PAGE.read_text()
    head, *table = rows(page)
    assert [row[:2] for row in table] == [list(item) for item in CONTRACTS.items()]
    requirements = ROOT / "requirements"
    files = [*requirements.glob("airflow-*.in"), requirements / "quickstart.txt"]
    assert sorted(head[2:]) == sorted(map(pinned, files))
    assert {tuple(map(int, version.split(".")[:2])) for version in head[2:]} == RELEASES.keys()
    assert {cell for row in table for cell in row[2:]} == {"passed", "n/a"}
    for name, _, *cells in table:
        for release, cell in zip(head[2:], cells, strict=True):
            reason = re.search(rf"^- n/a: {name} \(.*\b{re.escape(release)}\b.*\): .+$", page, re.MULTILINE)
            assert bool(reason) == (cell == "n/a"), (name, release)


def run(airflow: str, **outcomes: Any) -> str:
    found = {name: {"outcome": "passed", "tests": 1, "reason": ""} for name in CONTRACTS} | outcomes
    return json.dumps({"airflow": airflow, "python": "3.12.1", "contracts": found})


def test_a_page_of_a_run(tmp_path: Path) -> None:
    missing = {"outcome": "not applicable", "tests": 0, "reason": "there are none"}
    files = [tmp_path / "new.json", tmp_path / "old.json", tmp_path / "python-3.13.xml"]
    files[0].write_text(run("3.10.0", verdict={"outcome": "failed", "tests": 2, "reason": ""}, deadlines=None))
    files[1].write_text(run("3.9.1", teams=missing))
    suite = '<testsuite name="test" tests="1009" failures="1" skipped="2" errors="1"/>'
    files[2].write_text(f"<testsuites>{suite}</testsuites>")
    page = generated(files)
    head, *table = rows(page)
    assert head == ["contract", "what holds", "3.9.1", "3.10.0"]
    cells = {name: row for name, _, *row in table}
    assert list(cells) == list(CONTRACTS)
    assert cells["verdict"] == ["passed", "**failed**"]
    assert cells["deadlines"] == ["passed", "**not run**"]
    assert cells["teams"] == ["n/a", "passed"]
    assert "- n/a: teams (3.9.1): there are none\n" in page
    assert "- Airflow 3.9.1, 3.10.0 ran on Python 3.12.1.\n" in page
    assert "- `make test` on Python 3.13: 1,005 tests passed, 2 skipped, **2 failed**.\n" in page
