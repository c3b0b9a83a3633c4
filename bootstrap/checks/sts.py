"""AWS STS: asks whose key it is (GetCallerIdentity), which proves the login; with `account` or `arn`, that it is the right one."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from pydantic import Field

from bootstrap.checks import _aws
from bootstrap.checks.base import Cause, CheckParams, Diagnosed, Run
from bootstrap.domain.secret import foreign


class Params(CheckParams):
    """`account` (twelve digits, in quotes) and `arn` are whose key it must be."""

    account: Annotated[str, Field(pattern=r"^\d{12}$")] | None = None
    arn: Annotated[str, Field(pattern=r"^arn:")] | None = None


CONN_TYPES = (_aws.CONN_TYPE,)
PROVIDERS = (_aws.PROVIDER,)
PERMISSIONS = ("none: any key may ask for its own identity",)
COMPARES = "the account and the ARN that STS names; `account` and `arn` say which"
CREATES = ""
IMPORTS = ("airflow.providers.amazon.aws.hooks.sts",)
STEPS = ("authenticate",)
place = _aws.place
endpoint = partial(_aws.service_endpoint, service="sts")
cause = _aws.cause


def task(conn_id: str, params: Params, run: Run) -> Any:  # noqa: ARG001
    """StsHook asks."""
    return run.task(partial(_aws.identity, conn_id))


def verify(conn_id: str, params: Params, run: Run, result: Any) -> str:  # noqa: ARG001
    """Tell whose key it is. Raises Diagnosed for another's than the manifest says."""
    for name, wanted, found in (("account", params.account, result["Account"]), ("ARN", params.arn, result["Arn"])):
        if wanted is not None and wanted != found:
            hint = "put a key of the right account into the store (store put), then airflow-bootstrap register"
            message = f"the key belongs to {name} {foreign(found)}; the manifest says {wanted}"
            raise Diagnosed(Cause("check_error", message, hint))
    return _aws.told(result)
