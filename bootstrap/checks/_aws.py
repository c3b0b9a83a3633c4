"""What the checks of AWS's services have in common."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import Any

from bootstrap.checks import base
from bootstrap.checks.base import Asked, Cause, CauseName, CheckParams, Diagnosed, Endpoint, Run
from bootstrap.domain.secret import foreign

CONN_TYPE = "aws"
PROVIDER = "apache-airflow-providers-amazon"
_PATIENCE = {
    "connect_timeout": 10,
    "retries": {"total_max_attempts": 2},
}  # a login asks no more often, nor waits longer
_LOGIN = "put login and password, the access key's id and its secret, into the connection"
_ENDPOINT = "correct endpoint_url in the connection's extra"
_GLOBAL = ("s3", "sts")  # services with an address that has no region
_KEY_REFUSED = re.compile(
    r"InvalidAccessKeyId|InvalidClientTokenId|UnrecognizedClientException|InvalidToken|InvalidSignatureException|"
    r"IncompleteSignature|MissingAuthenticationToken|AuthFailure|NotSignedUp|ExpiredToken|ExpiredTokenException"
)
_SIGNATURE = "SignatureDoesNotMatch"
_CLOCK = {"RequestTimeTooSkewed", "RequestExpired"}
_BUSY = {"SlowDown", "Throttling", "ThrottlingException", "TooManyRequestsException", "RequestLimitExceeded"}
_DENIED = {"AccessDenied", "AccessDeniedException", "AllAccessDisabled", "UnauthorizedOperation", "403"}
_MISSING = {"NoSuchBucket", "NoSuchKey", "ResourceNotFoundException", "ResourceNotFound", "404"}
_BY_TYPE: dict[str, tuple[CauseName, str]] = {  # botocore.exceptions; the first of an error's own classes decides
    "SSLError": ("tls", ""),
    "ConnectTimeoutError": ("timeout", ""),
    "ReadTimeoutError": ("timeout", ""),
    "NoCredentialsError": ("auth", _LOGIN),
    "PartialCredentialsError": ("auth", _LOGIN),
    "NoRegionError": ("check_error", "set region_name in the connection's extra"),
    "ConnectionClosedError": ("unreachable", ""),
    "ProxyConnectionError": ("unreachable", ""),
    "ResponseParserError": ("check_error", _ENDPOINT),
    "InvalidRegionError": ("check_error", "correct region_name in the connection's extra"),
}
_ACTION = re.compile(r"not authorized to perform: ([a-z0-9-]+:\w+)")
_XML_CODE, _XML_MESSAGE = re.compile(r"<Code>(\w+)</Code>"), re.compile(r"<Message>([^<]+)</Message>")
_ACTIONS = {  # of S3, whose refusals may name none; by the operation of its API
    **dict.fromkeys(("ListObjects", "ListObjectsV2", "HeadBucket"), "ListBucket"),
    **dict.fromkeys(("HeadObject", "GetObject"), "GetObject"),
    **dict.fromkeys(("CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload", "PutObject"), "PutObject"),
    **dict.fromkeys(("DeleteObject", "DeleteObjects"), "DeleteObject"),
}
# A region answers for what it does not have like for what is nowhere (docs.aws.amazon.com/general/latest/gr/rande.html); a bucket is one for
# all regions, but is to be asked in its own (docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html).
_CORRECT = "correct region_name in the connection's extra"
_WRONG_REGION = {"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "301"}
_WRONG_SCOPE = "Credential should be scoped to a valid region"
_KEY_UNKNOWN = ("InvalidClientTokenId", "UnrecognizedClientException")


def service_endpoint(conn: Any, service: str) -> Endpoint | None:
    """Where the hook's client of `service` connects to, looked up as the hook and botocore do it.

    None where that can't be told from here: no region is known, or the hook will say that there is none.
    """
    extra = conn.extra_dejson
    verify = extra.get("verify")
    own = (extra.get("service_config") or {}).get(service) or {}
    url = own.get("endpoint_url") or extra.get("endpoint_url")
    url = url or os.environ.get(f"AWS_ENDPOINT_URL_{service.upper()}") or os.environ.get("AWS_ENDPOINT_URL")
    region = _region(extra)
    if not url and (region or service in _GLOBAL):
        url = _address(service, region) if region else f"https://{service}.amazonaws.com"
    return base.url_endpoint(str(url), verify=True if verify is None else verify) if url else None


def require(answer: Mapping[str, Any], field: str, named: bool, what: str) -> None:  # noqa: FBT001
    """Raises Diagnosed unless the answer's field is `named`, as only `what` would: botocore takes any page with status 200 for an answer."""
    if not named:
        said = "names another" if answer.get(field) else f"has no {field}"
        raise Diagnosed(Cause("check_error", f"what answers {said}: it is not {what}", _ENDPOINT))


def identity(conn_id: str) -> dict[str, str]:
    """What STS says whose key it is: `Account`, `Arn`, `UserId`. Any key may ask. Raises botocore's errors and Diagnosed."""
    from airflow.providers.amazon.aws.hooks.sts import StsHook
    from botocore.config import Config

    hook = StsHook(aws_conn_id=conn_id)
    answer: dict[str, str] = hook.get_client_type(config=hook.config.merge(Config(**_PATIENCE))).get_caller_identity()
    require(answer, "Account", re.fullmatch(r"\d{12}", str(answer.get("Account"))) is not None, "STS")
    require(answer, "Arn", str(answer.get("Arn")).startswith("arn:"), "STS")
    return answer


def login(conn_id: str, params: CheckParams, run: Run) -> str:  # noqa: ARG001
    """Ask STS whose key it is, which proves the key."""
    return told(identity(conn_id))


def login_if_told(
    conn_id: str, params: CheckParams, run: Run, stranger: Callable[[], Asked] = lambda: "unknown"
) -> str:
    """The same where STS is there to ask: stores that speak S3 often have none, and private networks don't reach it.

    Else `stranger` asks the service itself without a key. Raises for a key that is surely wrong.
    """
    try:
        return login(conn_id, params, run)
    except Exception as err:
        found = cause(err)
        if found and found.name == "auth":
            asked = service_endpoint(base.connection(conn_id), "sts")
            is_amazon = asked is None or asked.host.endswith((".amazonaws.com", ".amazonaws.com.cn"))
            if code_of(err) != _SIGNATURE or is_amazon:  # others may refuse the signature of any request to STS
                raise
        return base.login_proof(run, stranger(), "STS does not tell whose key it is")


def stranger(conn_id: str, service: str, ask: Callable[[Any], object]) -> Asked:
    """Whether the service refuses `ask`, which gets a client of boto3's, to somebody who has no key."""
    from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook
    from botocore import UNSIGNED
    from botocore.config import Config

    hook = AwsBaseHook(aws_conn_id=conn_id, client_type=service)
    try:
        ask(hook.get_client_type(config=hook.config.merge(Config(signature_version=UNSIGNED, **_PATIENCE))))
    except Exception as err:
        found = cause(err)
        return "asked" if found and found.name in ("auth", "permission") else "unknown"
    return "unasked"


def told(answer: dict[str, str]) -> str:
    """Account and ARN, for the report."""
    return f"account {foreign(answer.get('Account'))}, {foreign(answer.get('Arn'))}"


def cause(error: BaseException) -> Cause | None:
    """What AWS says of a refused key or call, and botocore of one that it could not make."""
    if isinstance(error, RecursionError) and base.frames_of(error, "botocore"):  # it asks whoever redirects where to go
        return Cause("check_error", "what answers redirects everywhere: it is not S3", _ENDPOINT)
    if getattr(error, "operation_name", None) and code_of(error):
        return _refusal(code_of(error), error)
    for kind in type(error).__mro__:
        if not kind.__module__.startswith("botocore"):
            continue
        if kind.__name__ == "EndpointConnectionError":
            return Cause(_why_unconnected(error))
        if kind.__name__ in _BY_TYPE:
            name, hint = _BY_TYPE[kind.__name__]
            return Cause(name, "", hint)
    return None


def code_of(error: BaseException) -> str:
    """The code of AWS's own error, '' if it isn't one. To HEAD it answers without a body: the code is the status.

    Emulators answer in XML where botocore expects JSON, and then the status is the code, too.
    """
    response = getattr(error, "response", None)
    told = (response.get("Error") or {}) if isinstance(response, dict) else {}
    code = str(told.get("Code", ""))
    inside = _XML_CODE.search(str(told.get("Message", ""))) if code.isdigit() else None
    return foreign(inside[1] if inside else code)


def _why_unconnected(error: BaseException) -> CauseName:
    """Botocore calls everything before TLS the same; urllib3, from which it comes, tells."""
    text = str(getattr(error, "kwargs", {}).get("error", "")).lower()
    if "refused" in text:
        return "connection_refused"
    return "dns" if "resol" in text or "name or service" in text else "unreachable"


def _refusal(code: str, error: BaseException) -> Cause | None:
    told = error.response["Error"]  # type: ignore[attr-defined]  # a botocore ClientError
    said = str(told.get("Message") or error)
    if inside := _XML_MESSAGE.search(said):
        said = inside[1]
    said = foreign(error) if code.isdigit() else f"{code}: {foreign(said)}"
    if resource := told.get("BucketName") or told.get("Key"):
        said = f"{said} ({foreign(resource)})"
    if elsewhere := _wrong_region(error, code, said):
        return elsewhere
    if _KEY_REFUSED.fullmatch(code) or code == _SIGNATURE:
        return Cause("auth", said)
    return _other_refusal(code, said, foreign(error.operation_name))  # type: ignore[attr-defined]


def _other_refusal(code: str, said: str, operation: str) -> Cause | None:
    if code in _CLOCK:
        return Cause("auth", said, "set this machine's clock: AWS takes no request that is minutes off")
    if code in _BUSY:
        return Cause("check_error", said, "AWS limits the rate of requests: try again later, or with --jobs 1")
    if code in _DENIED:
        named = _ACTION.search(said)
        action = named[1] if named else f"s3:{_ACTIONS[operation]}" if operation in _ACTIONS else ""
        return Cause("permission", said, f"grant {action} to the key's user or role" if action else "")
    if code in _MISSING or code.startswith("NoSuch") or "Could not find" in said or "Cannot find" in said:
        return Cause("not_found", said)
    return Cause("check_error", said, _ENDPOINT if code.isdigit() else "")  # of an HTTP status: AWS gives a code


def _region(extra: Any) -> str:
    """The region that a connection's extra names, else botocore's variable; '' if neither does."""
    return str(extra.get("region_name") or os.environ.get("AWS_DEFAULT_REGION") or "")


def _address(service: str, region: str) -> str:
    """The service's own URL in a region."""
    host = f"api.{service}" if service == "sagemaker" else service
    return f"https://{host}.{region}.amazonaws.com{'.cn' if region.startswith('cn-') else ''}"


def _wrong_region(error: Any, code: str, said: str) -> Cause | None:
    """The cause of an error by which AWS says that it was asked in another region than the right one."""
    headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})  # to HEAD, only a header can say it
    right = headers.get("x-amz-bucket-region") or error.response["Error"].get("Region")
    if code in _WRONG_REGION or (code == "400" and right):
        where = f"in {foreign(right)}" if right else "elsewhere"
        return Cause("check_error", said, f"{_CORRECT}, and endpoint_url if it names one: the bucket is {where}")
    if _WRONG_SCOPE in said:
        return Cause("check_error", said, f"{_CORRECT}, and endpoint_url if it names one: they must agree")
    return None


def place(conn_id: str, params: CheckParams, run: Run, found: Cause) -> base.Place | None:  # noqa: ARG001
    """The region that was asked, where a failure may come of it; None for one that another region would answer alike."""
    region = _region(base.connection(conn_id).extra_dejson)
    if not region:
        from botocore.session import Session

        region = str(Session().get_config_variable("region") or "none")
    region = foreign(region)
    if found.hint.startswith(_CORRECT):
        return base.Place("region", region)
    if found.name in ("not_found", "permission") or (found.name == "dns" and ".amazonaws.com" in found.message):
        return base.Place("region", region, _CORRECT)
    if found.name == "auth" and found.message.startswith(_KEY_UNKNOWN):
        return base.Place("region", region, f"{_CORRECT}: a region that its account has not enabled knows no key")
    return None


def place_of_bucket(conn_id: str, params: CheckParams, run: Run, found: Cause) -> base.Place | None:
    """The same for S3: a bucket that is in another region is not missing, nor is it refused for that."""
    return None if found.name in ("not_found", "permission") else place(conn_id, params, run, found)
