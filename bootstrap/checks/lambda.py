"""AWS Lambda: reads the configuration of `function`, or lists functions. Invokes none."""
# ruff: noqa: N999  the file has the name that the manifest uses, and AWS

from __future__ import annotations

from functools import partial
from typing import Any

from bootstrap.checks import _aws
from bootstrap.checks.base import CheckParams, Endpoint, Run


class Params(CheckParams):
    """`function` is the name or ARN of a function that must be there."""

    function: str | None = None


CONN_TYPES = ()  # an AWS connection is for many services
PROVIDERS = (_aws.PROVIDER,)
PERMISSIONS = ("lambda:GetFunctionConfiguration on `function`", "without it lambda:ListFunctions")
CREATES = ""
STEPS = ("authenticate", "access")
authenticate = _aws.login_if_told
cause = _aws.cause


def endpoint(conn: Any) -> Endpoint | None:
    """The connection's endpoint_url, else Lambda's address in its region."""
    return _aws.service_endpoint(conn, "lambda")


def task(conn_id: str, params: Params, run: Run) -> Any:
    """LambdaHook describes, or lists."""
    return run.task(partial(_read, conn_id, params.function))


def _read(conn_id: str, function: str | None) -> None:
    from airflow.providers.amazon.aws.hooks.lambda_function import LambdaHook

    client = LambdaHook(aws_conn_id=conn_id).get_conn()
    if function is None:
        client.list_functions(MaxItems=1)
    else:
        client.get_function_configuration(FunctionName=function)
