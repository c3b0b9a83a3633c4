import ast
import json
from pathlib import Path
from typing import Any

import pytest

from bootstrap.scan.model import Skipped
from bootstrap.scan.sources import notebooks
from bootstrap.scan.sources.files import collect
from bootstrap.scan.sources.source_file import Unreadable
from bootstrap.scan.sources.syntax import parse


def notebook(*cells: str, **more: Any) -> dict[str, Any]:
    made = [
        {"cell_type": "code", "metadata": {}, "outputs": [], "source": cell.splitlines(keepends=True)} for cell in cells
    ]
    return {"cells": [{"cell_type": "markdown", "source": ["# x = 1"]}, *made], "metadata": {}, "nbformat": 4, **more}


def code(made: object, indent: int | None = 1) -> str:
    return notebooks.source(json.dumps(made, indent=indent).encode()).decode()


def test_a_line_of_code_has_the_line_that_it_has_in_the_file() -> None:
    made = notebook("import a\nb = a.Op(\n  conn_id='é')\n", "c = 1")
    lines = json.dumps(made, indent=1).split("\n")
    source = code(made).split("\n")
    assert [line for line in source if line] == ["import a", "b = a.Op(", "  conn_id='é')", "c = 1"]
    for number, line in enumerate(source):
        assert not line or json.dumps(line)[1:-1] in lines[number]


def test_without_line_breaks_in_the_file_each_line_follows_the_one_before() -> None:
    assert code(notebook("a = 1\nb = 2\n", "c = 3"), indent=None) == "a = 1\nb = 2\nc = 3\n"


def test_a_cell_that_is_one_string_is_read(tmp_path: Path) -> None:
    made = {"cells": [{"cell_type": "code", "source": "a = 1\nb = 2"}], "nbformat": 4}
    (tmp_path / "a.ipynb").write_text(json.dumps(made))
    (file,) = collect(tmp_path).files
    assert (file.kind, file.read(), file.might_hold_dag) == ("notebook", b"a = 1\nb = 2\n", False)


def test_the_cells_of_format_3_are_read() -> None:
    assert (
        code({"nbformat": 3, "worksheets": [{"cells": [{"cell_type": "code", "input": ["a = 1"]}]}]}).strip() == "a = 1"
    )


def test_what_is_for_ipython_is_left_blank() -> None:
    source = code(
        notebook("%matplotlib inline\n!pip install x\na = !ls\nb = %time f()\nc?\n?d\ne = 'x%s' \\\n  % (f !=\n  g)\nif h:\n  %run i\n  j", "%%bash\nrm k", "%%time\nl = 1")
    )  # fmt: skip
    parsed = parse(source.encode())
    assert parsed.errors == ()
    wanted = "a = None\nb = None\ne = 'x%s' % (f != g)\nif h:\n    j\nl = 1"
    assert ast.unparse(parsed.tree) == wanted


@pytest.mark.parametrize("data", [b"", b"{", b"[1]", b"\xff\xfe", b'{"a":' * 100_000, b"null"])
def test_what_is_no_notebook_is_said(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.ipynb").write_bytes(data)
    assert [each.reason.startswith("no notebook") for each in collect(tmp_path).skipped] == [True]


def test_odd_cells_are_left_out() -> None:
    assert (
        code({"cells": [1, None, {"cell_type": "code"}, {"cell_type": "code", "source": [1, "a = 1"]}]}).strip()
        == "a = 1"
    )


def test_a_notebook_in_another_language_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.ipynb").write_text(json.dumps(notebook("x <- 1", metadata={"kernelspec": {"language": "R"}})))
    assert collect(tmp_path).skipped == [Skipped("a.ipynb", "a notebook in another language than Python")]
    with pytest.raises(Unreadable):
        code(notebook("x", metadata={"language_info": {"name": "scala"}}))
