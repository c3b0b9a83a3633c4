"""One Airflow home for all checks that a worker tests, and both ways to run them."""

from __future__ import annotations

import pytest

from bootstrap.airflow.session import AirflowSession
from tests.checks.bench import Bench

_WAYS = {
    "forked": [],
    "isolated": [pytest.mark.slow, pytest.mark.timeout(2400)],  # every cell with a start of its own
    "isolated-sample": [pytest.mark.timeout(600)],  # of cells that end at one step, one
}


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory, _worker_airflow: AirflowSession) -> Bench:
    return Bench(tmp_path_factory.mktemp("bench"), _worker_airflow)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Both ways to run checks must agree: `http` shows it in every run, each check in a slow one."""
    if "isolated" in metafunc.fixturenames:
        ways = _WAYS if metafunc.module.__name__.endswith("test_http") else ["forked", "isolated"]
        metafunc.parametrize("isolated", [pytest.param(way, id=way, marks=_WAYS[way]) for way in ways], indirect=True)


@pytest.fixture
def isolated(request: pytest.FixtureRequest, bench: Bench) -> bool:
    """Whether each check is run in an Airflow of its own, instead of a fork."""
    bench.sample = request.param == "isolated-sample"
    return str(request.param) != "forked"
