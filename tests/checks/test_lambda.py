from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.checks.aws import Aws, running, unreachable
from tests.checks.bench import Bench, Cell, passed_steps

pytestmark = pytest.mark.airflow

CHECK = {"lambda": {"function": "orders"}}


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    with running(tmp_path_factory.mktemp("moto")) as started:
        role = started.server.client("iam").create_role(RoleName="runs", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        started.server.client("lambda").create_function(
            FunctionName="orders", Runtime="python3.11", Role=role, Handler="main.handler", Code={"ZipFile": code()}
        )
        yield started


def code() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("main.py", "def handler(event, context): ...")
    return packed.getvalue()


def test_lambda(bench: Bench, aws: Aws, isolated: bool, tmp_path: Path) -> None:  # noqa: FBT001  a fixture
    good, canary = aws.connection("good"), bench.canary.value
    elsewhere = aws.connection("elsewhere", region_name="eu-west-1")
    with unreachable(good, CHECK, tmp_path, canary) as others:
        results = bench.hold(
            {
                "describes": Cell(good, CHECK),
                "lists": Cell(good, "lambda"),
                "no_function": Cell(
                    good, {"lambda": {"function": "nope"}}, "access", "not_found", says="nope", hint="manifest"
                ),
                "elsewhere": Cell(
                    elsewhere,
                    CHECK,
                    "access",
                    "not_found",
                    says="eu-west-1",
                    hint="or correct region_name in the connection's extra",
                ),
                "denied": Cell(
                    aws.connection("denied", "lambda:GetFunctionConfiguration"),
                    CHECK,
                    "access",
                    "permission",
                    hint="grant lambda:GetFunctionConfiguration",
                ),
                "denied_listing": Cell(
                    aws.connection("denied_listing", "lambda:ListFunctions"),
                    "lambda",
                    "access",
                    "permission",
                    hint="grant lambda:ListFunctions",
                ),
                "may_not_invoke": Cell(aws.connection("may_not_invoke", "lambda:InvokeFunction"), CHECK),
                "wrong_secret": Cell({**good, "password": canary}, CHECK, "authenticate", "auth", says="Signature"),
                "unknown_key": Cell({**good, "login": "AKIANOBODY"}, CHECK, "authenticate", "auth", hint="store put"),
                **others,
            },
            keep=("describes",),
            isolated=isolated,
        )
    assert passed_steps(results["describes"]) == ["resolve", "reach", "authenticate", "access"]
