"""The classes of Airflow's secrets backends are read on every release that is supported."""

from __future__ import annotations

from importlib.metadata import version

import pytest

from bootstrap.airflow.environment import installed_version
from bootstrap.render.backend_kwargs.check import check
from bootstrap.render.backend_kwargs.rules import RULES

pytestmark = pytest.mark.contract("backend classes")


def test_a_providers_class_is_read() -> None:
    google = next(name for name in RULES if name.endswith("CloudSecretManagerBackend"))
    answer = check(google, {"conections_prefix": "x"})
    assert [problem.hint for problem in answer.problems] == ["did you mean connections_prefix?"]
    package = "apache-airflow-providers-google"
    assert answer.source == f"{package} {version(package)} (installed)"


def test_a_class_of_airflows_own_is_read() -> None:
    files = "airflow.secrets.local_filesystem.LocalFilesystemBackend"
    answer = check(files, {"connections_file_path": "c.yaml"})
    assert answer.problems == ()
    assert f"{installed_version()} (installed)" in answer.source
