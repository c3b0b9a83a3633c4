"""`.airflowignore` means here what it means to Airflow."""

import importlib.util
import random
import warnings
from pathlib import Path
from typing import Any

import pytest

from bootstrap.scan.model import Skipped
from bootstrap.scan.sources.files import collect
from bootstrap.scan.sources.ignore import Syntax

NAMES = ("a", "b", "dags", "utils", "a.b")
LINES = {
    "glob": ("a", "a/", "!a", "/a", "*.py", "!b.py", "dags/**", "**/utils", "a/*.py", "/", "  ", "# all", "b # no", "!dags/", "a?b", "[ab].py", "utils/b.py", "!a/b.py"),
    "regexp": ("a", "a/b", r"dags/.*\.py", "^utils", "b.py$", "# all", "a  # no", "(", "   ", "a.b", "utils/a"),
}  # fmt: skip


def tree(folder: Path, drawn: random.Random, syntax: Syntax) -> None:
    """A random DAG folder with some ignore files."""
    folders = [folder]
    for _ in range(6):
        below = drawn.choice(folders) / drawn.choice(NAMES)
        below.mkdir(exist_ok=True)
        folders.append(below)
    for each in folders:
        for name in NAMES:
            (each / f"{name}.py").touch()
        if drawn.random() < 0.4 or each == folder:
            (each / ".airflowignore").write_text("\n".join(drawn.choices(LINES[syntax], k=3)))


def airflows() -> Any:
    """Airflow's own module, without importing Airflow."""
    package = importlib.util.find_spec("airflow")
    folder = Path((package.submodule_search_locations or [""])[0] if package else "")
    file = folder / "_shared" / "module_loading" / "file_discovery.py"
    spec = importlib.util.spec_from_file_location("file_discovery", file)
    if not file.is_file() or spec is None or spec.loader is None:
        pytest.skip("Airflow 2 has it in a module that imports Airflow")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("syntax", ["glob", "regexp"])
def test_the_same_files_are_ignored_as_by_airflow(tmp_path: Path, syntax: Syntax) -> None:
    module = airflows()
    drawn = random.Random(11)
    for number in range(60):
        folder = tmp_path / str(number)
        folder.mkdir()
        tree(folder, drawn, syntax)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its name for pathspec's class is an old one
            theirs = module.find_path_from_directory(folder, ".airflowignore", syntax)
            wanted = sorted(Path(each).relative_to(folder).as_posix() for each in theirs)
        assert [file.path for file in collect(folder, syntax).files] == wanted, folder


def test_a_line_that_is_no_pattern_is_said_with_its_number(tmp_path: Path) -> None:
    (tmp_path / ".airflowignore").write_text("# fine\n(\nb\n")
    (tmp_path / "a.py").touch()
    (tmp_path / "b.py").touch()
    found = collect(tmp_path, "regexp")
    assert [file.path for file in found.files] == ["a.py"]
    assert found.skipped == [Skipped(".airflowignore", "line 2 is no regexp pattern; Airflow leaves it out, too")]


def test_a_glob_that_airflow_fails_at_is_said(tmp_path: Path) -> None:
    (tmp_path / ".airflowignore").write_text("\\#x\n")
    assert collect(tmp_path).skipped == [Skipped(".airflowignore", "line 1 is no glob pattern; Airflow fails at it")]


def test_an_ignored_folder_is_not_listed(tmp_path: Path) -> None:
    (tmp_path / ".airflowignore").write_text("old/\n")
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "loop").symlink_to(tmp_path)
    assert collect(tmp_path).skipped == []
