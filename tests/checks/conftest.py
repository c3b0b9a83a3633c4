"""One Airflow home for all checks that a worker tests, and both ways to run them."""

from __future__ import annotations

from pathlib import Path

import pytest

from bootstrap.airflow.session import AirflowSession
from tests.checks.bench import Bench

_WAYS = {
    "forked": [],
    "forked-sample": [],  # of cells that fail alike, one
    "isolated": [pytest.mark.slow, pytest.mark.timeout(2400)],  # every cell with a start of its own
    "isolated-sample": [pytest.mark.timeout(600)],  # two cells
}
# Where a cell costs little, or where no two cells fail in the same lines: all of them in every run.
_EVERY_CELL = (
    "test_http",
    "test_liars",
    "test_literal",
    "test_operator",
    "test_python",
    "test_secret_manager",
    "test_sqlite",
)
# Google's libraries read variables while they are imported that these modules set: that would make another Airflow each time.
_GOOGLE = ("test_bigquery", "test_gcs", "test_gcs_to_bigquery", "test_secret_manager", "test_transfers")


@pytest.fixture(scope="session")
def _plain(tmp_path_factory: pytest.TempPathFactory, template: Path, _worker_airflow: AirflowSession) -> Bench:
    return Bench.at_home(tmp_path_factory.mktemp("plain"), template, _worker_airflow)


@pytest.fixture(scope="session")
def _quick(tmp_path_factory: pytest.TempPathFactory, template: Path, checks_airflow: AirflowSession) -> Bench:
    return Bench.at_home(tmp_path_factory.mktemp("bench"), template, checks_airflow)


@pytest.fixture(scope="module")
def bench(request: pytest.FixtureRequest) -> Bench:
    google = request.module.__name__.rpartition(".")[2] in _GOOGLE
    found: Bench = request.getfixturevalue("_plain" if google else "_quick")
    return found


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Both ways to run checks must agree: `http` shows it in every run, each check in a slow one."""
    if "isolated" not in metafunc.fixturenames:
        return
    module = metafunc.module.__name__.rpartition(".")[2]
    marks = {way: list(each) for way, each in _WAYS.items()}
    if module != "test_http":
        del marks["isolated-sample"]
    if module in _EVERY_CELL:
        del marks["forked-sample"]
    else:
        marks["forked"].append(pytest.mark.slow)
    ways = [pytest.param(way, id=way, marks=each) for way, each in marks.items()]
    metafunc.parametrize("isolated", ways, indirect=True)


@pytest.fixture
def isolated(request: pytest.FixtureRequest, bench: Bench) -> bool:
    """Whether each check is run in an Airflow of its own, instead of a fork; of which cells is up to `Bench.hold`."""
    way = str(request.param)
    bench.sample = "" if "sample" not in way else "two" if "isolated" in way else "kinds"
    return way.startswith("isolated")
