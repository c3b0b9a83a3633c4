"""What every test gets: an environment without this machine's Airflow and Vault, and its own memory of secrets."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from filelock import FileLock

from bootstrap import plugins
from bootstrap.airflow.environment import locate
from bootstrap.airflow.home import database_template
from bootstrap.airflow.session import AirflowSession
from bootstrap.checks.kind import imports
from bootstrap.domain import secret
from bootstrap.manifest.loader import load
from bootstrap.util import children

if TYPE_CHECKING:
    from tests.warm_cli import WarmCommandLine

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # as of what a shell runs in the background: tests send ^C
    signal.signal(signal.SIGINT, signal.default_int_handler)

FOREIGN = ("AIRFLOW", "VAULT_", "BAO_", "PG", "AWS_", "GOOGLE_", "NO_COLOR", "GITHUB_")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(FOREIGN) and name != "AWS_CA_BUNDLE":
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _forget_secrets() -> Iterator[None]:
    before = set(secret._known.values), list(secret._known.trusted)
    yield
    children._hidden.clear()
    secret._known = secret._Known(*before)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty metadata database, for a copy: it takes Airflow seconds to make one, so that all workers share it."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "migrated"
    folder.mkdir(exist_ok=True)
    manifest = folder / "bootstrap.yaml"
    with FileLock(folder / "lock"):
        manifest.write_text("version: 1\nairflow: {home: airflow}\n")
        return database_template(locate(load(manifest)))


@pytest.fixture(scope="session")
def _worker_airflow() -> Iterator[AirflowSession]:
    """Started when it is first needed; `restarts`, as tests differ in more than runs of one command do."""
    session = AirflowSession(restarts=1000)
    yield session
    session.close()


@pytest.fixture(scope="session")
def checks_airflow() -> Iterator[AirflowSession]:
    """As `airflow_session`, for `Bench`: what checks import is imported already."""
    session = AirflowSession(imports(plugins.CHECKS.names()), restarts=1000)
    yield session
    session.close()


@pytest.fixture(scope="module")
def airflow_session(_worker_airflow: AirflowSession) -> Iterator[AirflowSession]:
    """One Airflow for all that this test process runs in itself, as `smoke`, `explain` or `prepare_home`: not for commands that it starts."""
    yield _worker_airflow.__enter__()
    _worker_airflow.leave()


@pytest.fixture(scope="session")
def _warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmCommandLine]:
    from tests import warm_cli
    from tests.project import Project

    folder = tmp_path_factory.mktemp("warm")
    with warm_cli.running(folder, Project(folder).environment()) as made:
        yield made


@pytest.fixture(scope="module")
def warm_command_line(_warm: WarmCommandLine) -> Iterator[None]:
    """`Project.run` forks a process that has imported the command line, and which has an Airflow for all."""
    from tests.project import commands_run_in

    with commands_run_in(_warm):
        yield
