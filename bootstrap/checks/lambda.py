"""AWS Lambda: reads the configuration of `function`, or lists functions. Invokes none."""
# ruff: noqa: N999  the file has the name that the manifest uses, and AWS

from __future__ import annotations

from functools import partial
from typing import Any

from bootstrap.checks import _aws
from bootstrap.checks.base import CheckParams, Run


class Params(CheckParams):
    """`function` is the name or ARN of a function that must be there."""

    function: str | None = None


CONN_TYPES = ()  # an AWS connection is for many services
PROVIDERS = (_aws.PROVIDER,)
PERMISSIONS = ("lambda:GetFunctionConfiguration on `function`", "without it lambda:ListFunctions")
COMPARES = "the ARN that Lambda gives for `function`; without it, that the answer is a list of functions"
CREATES = ""
IMPORTS = ("airflow.providers.amazon.aws.hooks.lambda_function",)
STEPS = ("authenticate", "access")
cause = _aws.cause
place = _aws.place
endpoint = partial(_aws.service_endpoint, service="lambda")


def authenticate(conn_id: str, params: Params, run: Run) -> str:
    """Whose key it is, or whether Lambda asks for one."""
    ask = partial(_ask, function=params.function)
    return _aws.login_if_told(conn_id, params, run, partial(_aws.stranger, conn_id, "lambda", ask))


def task(conn_id: str, params: Params, run: Run) -> Any:
    """LambdaHook describes, or lists."""
    from airflow.providers.amazon.aws.hooks.lambda_function import LambdaHook

    return run.task(lambda: _ask(LambdaHook(aws_conn_id=conn_id).get_conn(), params.function))


def _ask(client: Any, function: str | None) -> None:
    """Raises Diagnosed where the answer has no list, or is of another function."""
    if function is None:
        answer = client.list_functions(MaxItems=1)
        _aws.require(answer, "Functions", isinstance(answer.get("Functions"), list), "Lambda")
        return
    answer = client.get_function_configuration(FunctionName=function)
    arn = str(answer.get("FunctionArn")).split(":")  # arn:aws:lambda:REGION:ACCOUNT:function:NAME[:VERSION]
    name = function.rpartition("function:")[2].partition(":")[0]  # of NAME, NAME:VERSION, ACCOUNT:function:NAME, an ARN
    _aws.require(answer, "FunctionArn", arn[0] == "arn" and name in arn[6:7], f"the function {function}")
