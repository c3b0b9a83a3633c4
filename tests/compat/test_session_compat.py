"""One Airflow serves many runs, on every release where it takes long to start: a fork is what an Airflow of its own is."""

from __future__ import annotations

import pytest

from bootstrap.airflow.environment import installed_version
from bootstrap.airflow.releases import release
from tests.airflow import test_session
from tests.airflow.test_session import (
    _on_the_path,
    environment,
    test_the_tenth_fork_is_what_an_airflow_of_its_own_is,
)

__all__ = [
    "_on_the_path",
    "environment",
    "test_the_tenth_fork_is_what_an_airflow_of_its_own_is",
]
pytestmark = [
    *test_session.pytestmark,
    pytest.mark.contract("forks"),
    pytest.mark.skipif(
        not release(installed_version()).execution_api,
        reason="Airflow 2 starts in two seconds: each run has one of its own",
    ),
]
