"""One Airflow home for all checks that a worker tests, and both ways to run them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bootstrap import plugins
from bootstrap.airflow.session import AirflowSession
from bootstrap.checks.kind import imports
from tests.checks.bench import Bench

_WAYS = {
    "forked": [],
    "isolated": [pytest.mark.slow, pytest.mark.timeout(2400)],  # every cell with a start of its own
    "isolated-sample": [pytest.mark.timeout(600)],  # of cells that end at one step, one
}
# Google's libraries read variables while they are imported that these modules set: that would make another Airflow each time.
_GOOGLE = ("test_bigquery", "test_gcs", "test_gcs_to_bigquery", "test_secret_manager", "test_transfers")


@pytest.fixture(scope="session")
def _plain(tmp_path_factory: pytest.TempPathFactory, _worker_airflow: AirflowSession) -> Bench:
    return Bench(tmp_path_factory.mktemp("plain"), _worker_airflow)


@pytest.fixture(scope="session")
def _quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """What checks import is imported already."""
    session = AirflowSession(imports(plugins.CHECKS.names()), restarts=1000)
    yield Bench(tmp_path_factory.mktemp("bench"), session)
    session.close()


@pytest.fixture(scope="module")
def bench(request: pytest.FixtureRequest) -> Bench:
    google = request.module.__name__.rpartition(".")[2] in _GOOGLE
    found: Bench = request.getfixturevalue("_plain" if google else "_quick")
    return found


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
