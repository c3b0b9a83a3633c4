"""What was found of a backend's arguments is believed for as long as the class's files are the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from bootstrap.render.backend_kwargs import check as reading
from bootstrap.render.backend_options import cached_check
from bootstrap.util.distributions import version

BACKEND = """
class Backend:
    def __init__(self, path: str = "", {more}):
        pass
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "modules"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    file = folder / "mine.py"
    file.write_text(BACKEND.format(more="token: str = ''"))
    return file


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The classes that were read."""
    seen: list[str] = []
    check = reading.check

    def counting(name: str, *arguments: object) -> reading.Checked:
        seen.append(name)
        return check(name, *arguments)  # type: ignore[arg-type]  # they are check's own

    monkeypatch.setattr(reading, "check", counting)
    return seen


def test_it_is_read_once(module: Path, reads: list[str], tmp_path: Path) -> None:
    assert module.exists()
    first = cached_check("mine.Backend", {"path": "x"}, (), tmp_path)
    assert "mine" in first.source
    again = cached_check("mine.Backend", {"path": "x"}, (), tmp_path)
    assert (again.problems, again.warnings, again.source) == ((), first.warnings, first.source)
    assert reads == ["mine.Backend"]
    (kept,) = tmp_path.glob("*.json")
    assert kept.stat().st_mode & 0o777 == 0o600


def test_another_question_is_another_answer(module: Path, reads: list[str], tmp_path: Path) -> None:
    assert module.exists()
    for kwargs, elsewhere in (({"path": "x"}, ()), ({"path": 1}, ()), ({"path": "x"}, ("token",))):
        cached_check("mine.Backend", kwargs, elsewhere, tmp_path)
    assert len(reads) == 3


def test_a_class_that_changed_is_read_again(module: Path, reads: list[str], tmp_path: Path) -> None:
    assert cached_check("mine.Backend", {"token": "x"}, (), tmp_path).problems == ()
    module.write_text(BACKEND.format(more="*, way: str = 'longer'"))
    (problem,) = cached_check("mine.Backend", {"token": "x"}, (), tmp_path).problems
    assert problem.kwarg == "token"
    module.unlink()
    assert cached_check("mine.Backend", {"token": "x"}, (), tmp_path).source == ""
    assert len(reads) == 3


def test_a_problem_is_told_each_time(module: Path, reads: list[str], tmp_path: Path) -> None:
    assert module.exists()
    for _ in range(2):
        (problem,) = cached_check("mine.Backend", {"paht": "x"}, (), tmp_path).problems
        assert "path" in problem.hint
    assert len(reads) == 2
    assert list(tmp_path.glob("*.json")) == []


def test_a_file_that_somebody_spoiled_is_no_harm(module: Path, tmp_path: Path) -> None:
    assert module.exists()
    (tmp_path / "backend-arguments.json").write_text("[")
    assert cached_check("mine.Backend", {"path": "x"}, (), tmp_path).problems == ()


@pytest.mark.parametrize("name", ["Some_Thing", "some-thing", "some.thing"])
def test_a_distributions_version_is_in_the_name_of_its_folder(name: str, tmp_path: Path) -> None:
    for folder in ("some_thing-1.2.3.dist-info", "some_thing_else-9.dist-info", "other-1.dist-info"):
        (tmp_path / folder).mkdir()
    assert version(name, [tmp_path / "none", tmp_path]) == "1.2.3"
    assert version("some", [tmp_path]) is None


def test_it_is_the_version_that_python_says() -> None:
    from importlib import metadata

    for name in ("apache-airflow-core", "apache-airflow-providers-hashicorp", "pytest"):
        assert version(name) == metadata.version(name)
    assert version("apache-airflow-providers-nobody") is None
