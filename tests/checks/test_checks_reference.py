"""The page of checks is what the code says."""

from __future__ import annotations

from typing import Any

import pytest

from bootstrap import checks
from bootstrap.airflow import conn_type_table
from bootstrap.checks.base import CheckParams
from tests.project import ROOT
from tools.checks_reference import generated


def test_the_page_is_current() -> None:
    assert (ROOT / "docs" / "checks.md").read_text() == generated(), "make schema"


@pytest.mark.parametrize("name", checks.KINDS.names())
def test_every_check_says_what_it_needs(name: str) -> None:
    module: Any = checks.KINDS.find(name)
    assert issubclass(module.Params, CheckParams)
    assert module.__doc__.partition(":")[0]
    assert module.PERMISSIONS
    assert f"- **compares**: {module.COMPARES}\n" in generated()
    assert f"\n## {name}\n" in generated()
    known = set(conn_type_table.shipped().values())
    assert {it for it in module.PROVIDERS if it.startswith("apache-airflow-providers")} <= known | {
        "apache-airflow-providers-common-sql"
    }
    if hasattr(module, "clean") or "write" in module.STEPS:
        assert module.CREATES
