"""Connection types and the extra's keys are read on every release that is supported."""

from __future__ import annotations

from pathlib import Path

import pytest

from bootstrap.domain.connection import Connection
from bootstrap.providers.facts import known
from bootstrap.validation.check import check

pytestmark = pytest.mark.contract("connection types")


def test_airflows_own_types_and_a_providers_are_known(tmp_path: Path) -> None:
    found = known(["fs", "generic", "google_cloud_platform"], tmp_path)
    assert {"generic", "email", "fs", "package_index", "google_cloud_platform"} <= set(found.types)
    assert found.complete
    assert "path" in found.extras["fs"].keys
    assert {"keyfile_dict", "project", "num_retries"} <= found.extras["google_cloud_platform"].keys
    assert "port" in found.extras["google_cloud_platform"].ignored


def test_a_misspelt_key_is_told_of(tmp_path: Path) -> None:
    (problem,) = check({"cloud": Connection("google_cloud_platform", extra={"keyflie_dict": "x"})}, tmp_path)["cloud"]
    assert problem.hint == "did you mean 'keyfile_dict'?"
