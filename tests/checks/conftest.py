"""One Airflow home for all checks that a worker tests, and how many are run both ways."""

from __future__ import annotations

import os

import pytest

from tests.checks.bench import Bench
from tests.conftest import DAY

# What an ordinary run does both ways: `http`, and a share of these that changes with the day. `make agree` does all.
_BY_TURNS = ("docker", "gcs", "gcs_to_bigquery", "postgres", "python", "s3", "vault")
BOTH_WAYS = {"http", *(_BY_TURNS[(int(os.environ[DAY]) + turn) % len(_BY_TURNS)] for turn in (0, 3))}


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


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out of an ordinary run what takes half an hour: an Airflow for each check of every system."""
    if os.environ.get("WHOLE_MATRIX"):
        return
    left_out = [
        item
        for item in items
        if item.get_closest_marker("isolated") and item.path.stem.removeprefix("test_") not in BOTH_WAYS
    ]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]
