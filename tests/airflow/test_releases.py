"""Where versions differ stands in one place."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import bootstrap

ROOT = Path(bootstrap.__file__).parent
HERE = {"airflow/compat.py", "airflow/releases.py"}
COMPARED = re.compile(
    r"AIRFLOW_V_|startswith\(\(?[\"'][23]\.|(?<!version_info )(?<!version_info [<>=])[<>=]=? ?\([23], \d+"
)


def _airflow_imports(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for node in body:
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if any(name.split(".")[0] == "airflow" and not name.startswith("airflow.providers") for name in names):
            yield node


def guesses(text: str) -> list[int]:
    """Lines that try an import of Airflow's to see whether this release has it."""
    trials = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Try))
    caught = (node for node in trials if any("ImportError" in ast.unparse(it.type) for it in node.handlers if it.type))
    return [found.lineno for node in caught for found in _airflow_imports(node.body)]


def test_nobody_else_asks_for_a_version() -> None:
    for file in ROOT.rglob("*.py"):
        name, text = str(file.relative_to(ROOT)), file.read_text()
        if name not in HERE:
            assert not [line for line in text.splitlines() if COMPARED.search(line)], name
            assert guesses(text) == [], name


def test_the_search_can_find_something() -> None:
    assert guesses((ROOT / "airflow" / "compat.py").read_text())
    for line in ('version.startswith("2.")', "if AIRFLOW_V_3_0_PLUS:", "found >= (3, 1)"):
        assert COMPARED.search(line)
