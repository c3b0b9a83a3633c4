"""Amazon SageMaker: describes an endpoint, a model or a training job, or lists endpoints. Starts nothing."""

from __future__ import annotations

from functools import partial
from typing import Any

from pydantic import model_validator

from bootstrap.checks import _aws
from bootstrap.checks.base import CheckParams, Endpoint, Run


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
CREATES = ""
STEPS = ("authenticate", "access")
authenticate = _aws.login_if_told
cause = _aws.cause


def endpoint(conn: Any) -> Endpoint | None:
    """The connection's endpoint_url, else SageMaker's address in its region."""
    return _aws.service_endpoint(conn, "sagemaker")


def task(conn_id: str, params: Params, run: Run) -> Any:
    """SageMakerHook describes, or lists."""
    return run.task(partial(_read, conn_id, params))


def _read(conn_id: str, params: Params) -> None:
    from airflow.providers.amazon.aws.hooks.sagemaker import SageMakerHook

    hook = SageMakerHook(aws_conn_id=conn_id)
    if params.endpoint is not None:
        hook.describe_endpoint(params.endpoint)
    elif params.model is not None:
        hook.describe_model(params.model)
    elif params.training_job is not None:
        hook.describe_training_job(params.training_job)
    else:
        hook.get_conn().list_endpoints(MaxResults=1)
