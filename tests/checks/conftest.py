"""One Airflow home for all checks that a worker tests."""

from __future__ import annotations

import pytest

from tests.checks.bench import Bench


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("bench"))


@pytest.fixture(
    params=[
        pytest.param(False, id="forked"),
        pytest.param(True, id="isolated", marks=[pytest.mark.isolated, pytest.mark.timeout(1200)]),
    ]
)
def isolated(request: pytest.FixtureRequest) -> bool:
    """Both ways to run checks: they must agree."""
    return bool(request.param)
