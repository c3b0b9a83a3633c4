"""The page of checks is what the code says."""

from __future__ import annotations

from typing import Any

import pytest

from bootstrap import plugins
from bootstrap.checks.base import CheckParams
from bootstrap.providers import conn_types
from tests.project import ROOT
from tools.checks_reference import generated


def test_the_page_is_current() -> None:
    assert (ROOT / "docs" / "checks.md").read_text() == generated(), "make schema"


@pytest.mark.parametrize("name", plugins.CHECKS.names())
def test_every_check_says_what_it_needs(name: str) -> None:
    module: Any = plugins.CHECKS.find(name)
    assert issubclass(module.Params, CheckParams)
    assert module.__doc__.partition(":")[0]
    assert module.PERMISSIONS
    assert f"- **compares**: {module.COMPARES}\n" in generated()
    assert f"\n## {name}\n" in generated()
    known = set(conn_types.shipped().values())
    assert {it for it in module.PROVIDERS if it.startswith("apache-airflow-providers")} <= known | {
        "apache-airflow-providers-common-sql"
    }
    if hasattr(module, "clean") or "write" in module.STEPS:
        assert module.CREATES
