from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bootstrap.checks import sagemaker
from tests.checks.aws import BUCKET, Aws, running, unreachable
from tests.checks.bench import Bench, Cell, passed_steps

pytestmark = pytest.mark.airflow

ROLE = "arn:aws:iam::123456789012:role/runs"
CHECK = {"sagemaker": {"endpoint": "scoring"}}


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    with running(tmp_path_factory.mktemp("moto")) as started:
        _deploy(started.server.client("sagemaker"))
        yield started


def _deploy(client: Any) -> None:
    image = "1.dkr.ecr.us-east-1.amazonaws.com/image"
    client.create_model(ModelName="churn", PrimaryContainer={"Image": image}, ExecutionRoleArn=ROLE)
    variant = {
        "VariantName": "all",
        "ModelName": "churn",
        "InitialInstanceCount": 1,
        "InstanceType": "ml.m5.large",
        "InitialVariantWeight": 1.0,
    }
    client.create_endpoint_config(EndpointConfigName="scoring", ProductionVariants=[variant])
    client.create_endpoint(EndpointName="scoring", EndpointConfigName="scoring")
    client.create_training_job(
        TrainingJobName="nightly",
        AlgorithmSpecification={"TrainingImage": image, "TrainingInputMode": "File"},
        RoleArn=ROLE,
        OutputDataConfig={"S3OutputPath": f"s3://{BUCKET}/out"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 60},
    )


def test_sagemaker(bench: Bench, aws: Aws, isolated: bool, tmp_path: Path) -> None:  # noqa: FBT001  a fixture
    good, canary = aws.connection("good"), bench.canary.value
    with unreachable(good, CHECK, tmp_path, canary) as others:
        results = bench.hold(
            {
                "endpoint": Cell(good, CHECK),
                "model": Cell(good, {"sagemaker": {"model": "churn"}}),
                "training_job": Cell(good, {"sagemaker": {"training_job": "nightly"}}),
                "lists": Cell(good, "sagemaker"),
                "no_endpoint": Cell(good, {"sagemaker": {"endpoint": "nope"}}, "access", "not_found", says="nope"),
                "no_model": Cell(good, {"sagemaker": {"model": "nope"}}, "access", "not_found", says="nope"),
                "no_job": Cell(good, {"sagemaker": {"training_job": "nope"}}, "access", "not_found", says="nope"),
                "denied": Cell(
                    aws.connection("denied", "sagemaker:DescribeEndpoint"),
                    CHECK,
                    "access",
                    "permission",
                    hint="grant sagemaker:DescribeEndpoint",
                ),
                "denied_listing": Cell(
                    aws.connection("denied_listing", "sagemaker:ListEndpoints"),
                    "sagemaker",
                    "access",
                    "permission",
                    hint="grant sagemaker:ListEndpoints",
                ),
                "wrong_secret": Cell({**good, "password": canary}, CHECK, "authenticate", "auth", says="Signature"),
                "unknown_key": Cell({**good, "login": "AKIANOBODY"}, CHECK, "authenticate", "auth", hint="store put"),
                **others,
            },
            keep=("endpoint",),
            isolated=isolated,
        )
    assert passed_steps(results["endpoint"]) == ["resolve", "reach", "authenticate", "access"]


def test_one_thing_at_a_time() -> None:
    with pytest.raises(ValidationError, match="name one of"):
        sagemaker.Params(endpoint="a", model="b")
