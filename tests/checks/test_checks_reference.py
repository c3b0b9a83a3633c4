"""The page of checks is what the code says."""

from __future__ import annotations

import pytest

from bootstrap import plugins
from bootstrap.checks.base import CheckParams
from bootstrap.checks.kind import CheckKind, Cleans, Documented
from bootstrap.providers import installed
from tests.project import ROOT
from tools.checks_reference import generated


def test_the_page_is_current() -> None:
    assert (ROOT / "docs" / "checks.md").read_text() == generated(), "make schema"


@pytest.mark.parametrize("name", plugins.CHECKS.names())
def test_every_check_says_what_it_needs(name: str) -> None:
    kind = plugins.CHECKS.get(name, CheckKind)
    assert issubclass(kind.Params, CheckParams)
    assert (kind.__doc__ or "").partition(":")[0]
    assert kind.PERMISSIONS
    documented = plugins.CHECKS.get(name, Documented)
    assert f"- **compares**: {documented.COMPARES}\n" in generated()
    assert f"\n## {name}\n" in generated()
    known = set(installed.conn_types().values())
    assert {it for it in kind.PROVIDERS if it.startswith("apache-airflow-providers")} <= known | {
        "apache-airflow-providers-common-sql"
    }
    if isinstance(kind, Cleans) or "write" in kind.STEPS:
        assert documented.CREATES
