"""The pages for maintainers: generated parts are up to date, links lead somewhere, `make` and pre-commit run the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from bootstrap.airflow.releases import RELEASES
from bootstrap.manifest.loader import load
from tests.project import ROOT
from tools import architecture, house

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])


def test_the_rooms_on_the_page_are_those_of_the_contract() -> None:
    assert architecture.PAGE.read_text() == architecture.generated(), "make schema"


def test_every_room_has_a_subject() -> None:
    rooms = {room for floor in house.layers() for room in floor}
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", architecture.PAGE.read_text(), re.MULTILINE))
    assert rows.keys() == rooms
    assert all(rows.values())


@pytest.mark.parametrize(
    ("row", "attribute"),
    [
        ("`[workers] secrets_backend`", "workers"),
        ("a variable for each backend argument (`AIRFLOW__SECRETS__BACKEND_KWARG__NAME`)", "kwarg_variables"),
        ("teams (`[core] multi_team`)", "teams"),
        ("a task asks the Execution API for what its own sources lack", "execution_api"),
    ],
)
def test_the_versions_on_the_page_are_those_of_the_table(row: str, attribute: str) -> None:
    page = architecture.PAGE.read_text()
    [versions] = re.findall(r"^\| \| (2\.11 .*) \|$", page, re.MULTILINE)
    [cells] = [line for line in page.splitlines() if line.startswith(f"| {row} |")]
    shown = dict(zip(versions.split(" | "), cells.split("|")[2:-1], strict=True))
    known = {".".join(map(str, version)): getattr(found, attribute) for version, found in RELEASES.items()}
    assert {version: "yes" in cell for version, cell in shown.items()} == known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        file, _, heading = target.partition("#")
        if file.startswith(("http:", "https:", "mailto:")):
            continue
        found = page.parent / file if file else page
        assert found.exists(), target
        assert not heading or heading in _anchors(found), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_make_is_told_to_do_it_can(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    code = re.findall(r"`make ([a-z-]+)|^\$ make ([a-z-]+)|^make ([a-z-]+)", page.read_text(), re.MULTILINE)
    assert {name for names in code for name in names if name} <= targets


def test_pre_commit_runs_what_make_check_runs() -> None:
    recipes = re.findall(r"^(?:lint|types):.*\n\t@(.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    commands = {re.sub(r" \.$", "", command) for recipe in recipes for command in recipe.split(" && ")}
    [repo] = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    entries = {hook["entry"].replace(".venv/bin", "$(BIN)").replace(" --force-exclude", "") for hook in repo["hooks"]}
    assert commands == entries


@pytest.mark.parametrize("name", ["pyproject.toml", "acme_bootstrap/gateway.py"])
def test_the_plugin_that_is_shown_is_the_one_that_a_test_installs(name: str) -> None:
    text = (ROOT / "tests" / "plugins_example" / name).read_text()
    shown = re.findall(r"```(?:toml|python)\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)
    assert any(text.endswith(block) for block in shown)


def test_the_plugins_manifest_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    entries = re.findall(r'^\[project.entry-points."(\S+)"\]\n(\w+) = "(\S+)"', text, re.MULTILINE)
    installed = tmp_path / "acme_bootstrap-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-bootstrap\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text("".join(f"[{group}]\n{name} = {at}\n" for group, name, at in entries))
    for folder in (ROOT / "tests" / "plugins_example", tmp_path):
        monkeypatch.syspath_prepend(str(folder))
    [manifest] = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    (tmp_path / "bootstrap.yaml").write_text(manifest)
    found = load(tmp_path / "bootstrap.yaml")
    assert [spec.name for spec in found.checks["gateway"]] == ["acme_gateway"]
    assert [target.name for target in found.register] == ["acme_json"]


def _anchors(page: Path) -> set[str]:
    """As GitHub makes them: small letters and digits, and a hyphen for each space."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
