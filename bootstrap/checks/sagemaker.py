"""Amazon SageMaker: describes an endpoint, a model or a training job, or lists endpoints. Starts nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from pydantic import model_validator

from bootstrap.checks import _aws
from bootstrap.checks.base import CheckParams, Run


class Params(CheckParams):
    """At most one of `endpoint`, `model` and `training_job`: the name of what must be there."""

    endpoint: str | None = None
    model: str | None = None
    training_job: str | None = None

    @model_validator(mode="after")
    def _one(self) -> Params:
        if len(self.model_fields_set) > 1:
            raise ValueError("name one of `endpoint`, `model` and `training_job`; make more checks for more")
        return self


CONN_TYPES = ()  # an AWS connection is for many services
PROVIDERS = (_aws.PROVIDER,)
PERMISSIONS = (
    "sagemaker:DescribeEndpoint, sagemaker:DescribeModel or sagemaker:DescribeTrainingJob on what is named",
    "sagemaker:ListEndpoints where nothing is",
)
COMPARES = "name and ARN of what is named; without one, that the answer is a list of endpoints"
CREATES = ""
IMPORTS = ("airflow.providers.amazon.aws.hooks.sagemaker",)
STEPS = ("authenticate", "access")
cause = _aws.cause
place = _aws.place
endpoint = partial(_aws.service_endpoint, service="sagemaker")


def authenticate(conn_id: str, params: Params, run: Run) -> str:
    """Whose key it is, or whether SageMaker asks for one."""
    ask = partial(_ask, params=params)
    return _aws.login_if_told(conn_id, params, run, partial(_aws.stranger, conn_id, "sagemaker", ask))


def task(conn_id: str, params: Params, run: Run) -> Any:
    """SageMakerHook describes, or lists."""
    from airflow.providers.amazon.aws.hooks.sagemaker import SageMakerHook

    return run.task(lambda: _ask(SageMakerHook(aws_conn_id=conn_id).get_conn(), params))


def _ask(client: Any, params: Params) -> None:
    """Raises Diagnosed where the answer has no list, or is of something else than what is named."""
    if params.endpoint is not None:
        _describe("Endpoint", client.describe_endpoint, params.endpoint)
    elif params.model is not None:
        _describe("Model", client.describe_model, params.model)
    elif params.training_job is not None:
        _describe("TrainingJob", client.describe_training_job, params.training_job)
    else:
        answer = client.list_endpoints(MaxResults=1)
        _aws.require(answer, "Endpoints", isinstance(answer.get("Endpoints"), list), "SageMaker")


def _describe(kind: str, describe: Callable[..., Mapping[str, Any]], name: str) -> None:
    answer = describe(**{f"{kind}Name": name})
    _aws.require(answer, f"{kind}Name", answer.get(f"{kind}Name") == name, f"SageMaker's {name}")
    _aws.require(answer, f"{kind}Arn", str(answer.get(f"{kind}Arn")).startswith("arn:"), f"SageMaker's {name}")
