from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bootstrap.manifest.kinds import default_checks
from tests.checks.aws import Aws, running, unreachable
from tests.checks.bench import Bench, Cell, passed_steps

pytestmark = pytest.mark.airflow

ACCOUNT = "123456789012"


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    with running(tmp_path_factory.mktemp("moto")) as started:
        yield started


def test_sts(bench: Bench, aws: Aws, isolated: bool, tmp_path: Path) -> None:  # noqa: FBT001  a fixture
    good, canary = aws.connection("good"), bench.canary.value
    quickstart = {**good, "extra": {**good["extra"], "service_config": {"sts": {"endpoint_url": aws.server.url}}}}
    arn = f"arn:aws:iam::{ACCOUNT}:user/good"
    others_arn = {"sts": {"arn": f"arn:aws:iam::{ACCOUNT}:user/other"}}
    with unreachable(good, "sts", tmp_path, canary) as others:
        results = bench.hold(
            {
                "tells": Cell(good, "sts"),
                "quickstart": Cell(quickstart, "sts"),
                "expected": Cell(good, {"sts": {"account": ACCOUNT, "arn": arn}}),
                "may_nothing": Cell(aws.connection("may_nothing", "*"), "sts"),
                "other_account": Cell(
                    good,
                    {"sts": {"account": "000000000001"}},
                    "authenticate",
                    "check_error",
                    says=f"account {ACCOUNT}; the manifest says 000000000001",
                    hint="right account",
                ),
                "other_user": Cell(good, others_arn, "authenticate", "check_error", says=f"{arn}; the manifest says"),
                "wrong_secret": Cell(
                    {**good, "password": canary}, "sts", "authenticate", "auth", says="Signature", hint="store put"
                ),
                "unknown_key": Cell(
                    {**good, "login": "AKIANOBODY"}, "sts", "authenticate", "auth", says="InvalidClientTokenId"
                ),
                "no_key": Cell({**good, "login": None, "password": None}, "sts", "authenticate", "auth", hint="login"),
                **others,
            },
            keep=("tells",),
            isolated=isolated,
            env={"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null"},
        )
    assert passed_steps(results["tells"]) == ["resolve", "reach", "authenticate"]
    assert results["tells"].steps[2].detail == f"account {ACCOUNT}, {arn}"


def test_it_is_the_default_of_aws() -> None:
    assert list(default_checks("aws")) == ["sts"]
