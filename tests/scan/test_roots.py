from pathlib import Path

import pytest

from bootstrap.scan.sources.roots import find_module, find_template, project_roots


def put(folder: Path, name: str, text: str = "") -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """As Astro lays one out."""
    for name in (
        "dags/team/load.py",
        "dags/utils.py",
        "plugins/hooks/own.py",
        "include/helpers/__init__.py",
        "src/lib.py",
    ):
        put(tmp_path, name)
    put(tmp_path, "pyproject.toml")
    return tmp_path


@pytest.mark.parametrize(
    ("module", "path"),
    [
        ("utils", "utils.py"),
        ("team.load", "team/load.py"),
        ("hooks.own", "../plugins/hooks/own.py"),
        ("include.helpers", "../include/helpers/__init__.py"),
        ("helpers", "../include/helpers/__init__.py"),
        ("lib", "../src/lib.py"),
        ("dags.utils", "../dags/utils.py"),
        ("os", None),
        ("team", None),  # a folder without __init__.py is no file
        ("..evil", None),
        ("", None),
    ],
)
def test_a_module_is_found_where_airflow_and_astro_would(project: Path, module: str, path: str | None) -> None:
    found = find_module(module, project_roots(project / "dags"))
    assert (found.path if found else None) in {path, (path or "").removeprefix("../dags/") or None}


def test_in_a_repository_with_several_dag_folders_the_files_own_comes_first(tmp_path: Path) -> None:
    for chapter in ("one", "two"):
        put(tmp_path, f"{chapter}/dags/load.py")
        put(tmp_path, f"{chapter}/dags/utils.py", f"NAME = '{chapter}'\n")
    found = find_module("utils", project_roots(tmp_path, "two/dags/load.py"), tmp_path)
    assert found is not None
    assert (found.path, found.read()) == ("two/dags/utils.py", b"NAME = 'two'\n")


def test_folders_above_the_project_are_not_searched(project: Path) -> None:
    put(project.parent, "above.py")
    try:
        assert find_module("above", project_roots(project / "dags")) is None
    finally:
        (project.parent / "above.py").unlink()


def test_a_module_that_cant_be_read_is_none(project: Path) -> None:
    put(project, "dags/big.py", "#" * 5_000_001)
    (project / "dags" / "gone.py").symlink_to("nowhere")
    roots = project_roots(project / "dags")
    assert [find_module(name, roots) for name in ("big", "gone")] == [None, None]


def test_a_template_is_found_beside_its_dag(project: Path) -> None:
    put(project, "dags/team/sql/load.sql", "SELECT 1")
    dags = project / "dags"
    found = find_template("sql/load.sql", [dags / "team", dags], dags)
    assert found is not None
    assert (found.path, found.read()) == ("team/sql/load.sql", b"SELECT 1")
    assert find_template("x\0", [dags], dags) is None
    assert find_template("no.sql", [dags], dags) is None
