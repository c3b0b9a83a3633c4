"""Lists that grow in branches: the same work however often, and what they hold is still known."""

from __future__ import annotations

from pathlib import Path

import pytest

from bootstrap.scan.code.interpreter import Interpreter
from bootstrap.scan.code.project import Project
from bootstrap.scan.sources.files import collect

HEAD = "from airflow.providers.standard.operators.bash import BashOperator\nitems = []\n"


def held(folder: Path, source: str) -> list[str]:
    (folder / "d.py").write_text(f"{HEAD}{source}BashOperator(task_id='t', env=items)\n")
    collected = collect(folder)
    interpreter = Interpreter(Project(collected))
    interpreter.run(Project(collected).module(collected.files[0]))
    (call,) = interpreter.calls
    return [text for value in call.keywords["env"].elements() for text in value.texts()]


@pytest.mark.timeout(20)
def test_a_list_that_grows_in_branches_holds_each_part_once(tmp_path: Path) -> None:
    source = "".join(f"if x{number}:\n    items += ['{number}']\n" for number in range(60))
    assert set(held(tmp_path, source)) == {str(number) for number in range(60)}


def test_a_list_that_is_certain_keeps_what_it_has_twice(tmp_path: Path) -> None:
    assert held(tmp_path, "items = ['a'] + ['b'] + ['a']\n") == ["a", "b", "a"]
