"""AWS's regions: which one a connection asks, and which failures come of asking the wrong one.

What a region does not have, it answers like what is nowhere (docs.aws.amazon.com/general/latest/gr/rande.html); a bucket is one for
all regions, but is to be asked in its own (docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html).
"""

from __future__ import annotations

import os
from typing import Any

from bootstrap.checks.base import Cause, CheckParams, Place, Run, connection
from bootstrap.domain.secret import foreign

_CORRECT = "correct region_name in the connection's extra"
_WRONG = {"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "301"}
_WRONG_SCOPE = "Credential should be scoped to a valid region"
_KEY_UNKNOWN = ("InvalidClientTokenId", "UnrecognizedClientException")


def of(extra: Any) -> str:
    """The region that a connection's extra names, else botocore's variable; '' if neither does."""
    return str(extra.get("region_name") or os.environ.get("AWS_DEFAULT_REGION") or "")


def address(service: str, region: str) -> str:
    """The service's own URL in a region."""
    host = f"api.{service}" if service == "sagemaker" else service
    return f"https://{host}.{region}.amazonaws.com{'.cn' if region.startswith('cn-') else ''}"


def wrong(error: Any, code: str, said: str) -> Cause | None:
    """The cause of an error by which AWS says that it was asked in another region than the right one."""
    headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})  # to HEAD, only a header can say it
    right = headers.get("x-amz-bucket-region") or error.response["Error"].get("Region")
    if code in _WRONG or (code == "400" and right):
        where = f"in {foreign(right)}" if right else "elsewhere"
        return Cause("check_error", said, f"{_CORRECT}, and endpoint_url if it names one: the bucket is {where}")
    if _WRONG_SCOPE in said:
        return Cause("check_error", said, f"{_CORRECT}, and endpoint_url if it names one: they must agree")
    return None


def place(conn_id: str, params: CheckParams, run: Run, found: Cause) -> Place | None:  # noqa: ARG001
    """The region that was asked, where a failure may come of it; None for one that another region would answer alike."""
    region = of(connection(conn_id).extra_dejson)
    if not region:
        from botocore.session import Session

        region = str(Session().get_config_variable("region") or "none")
    region = foreign(region)
    if found.hint.startswith(_CORRECT):
        return Place("region", region)
    if found.name in ("not_found", "permission") or (found.name == "dns" and ".amazonaws.com" in found.message):
        return Place("region", region, _CORRECT)
    if found.name == "auth" and found.message.startswith(_KEY_UNKNOWN):
        return Place("region", region, f"{_CORRECT}: a region that its account has not enabled knows no key")
    return None


def place_of_bucket(conn_id: str, params: CheckParams, run: Run, found: Cause) -> Place | None:
    """The same for S3: a bucket that is in another region is not missing, nor is it refused for that."""
    return None if found.name in ("not_found", "permission") else place(conn_id, params, run, found)
