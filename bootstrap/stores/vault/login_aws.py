"""AWS IAM login to a Vault: a signed STS request, which the server sends to learn who signed it.

Facts: developer.hashicorp.com/vault/api-docs/auth/aws (login), /vault/docs/auth/aws (the IAM method).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from bootstrap.domain.secret import foreign
from bootstrap.errors import Denied
from bootstrap.stores.base import Context
from bootstrap.stores.vault.auth import AssumeRole, AwsIamAuth
from bootstrap.stores.vault.errors import no_package

_URL = "https://sts.amazonaws.com/"
_BODY = "Action=GetCallerIdentity&Version=2011-06-15"
_HEADERS = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8", "Host": "sts.amazonaws.com"}


def payload(auth: AwsIamAuth, context: Context) -> Mapping[str, Any]:
    """What is posted to log in. Raises Denied, Unavailable."""
    try:
        import boto3  # noqa: F401
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError as err:
        raise no_package(f"store {context.name}", "aws_iam", "boto3") from err
    try:
        headers = _signed(_credentials(auth, context), auth.region)
    except (BotoCoreError, ClientError) as err:
        said = " ".join(foreign(err).split())[:300]
        raise Denied(f"store {context.name}: no credentials of AWS's to log in with: {said}", _HINT) from err
    body = {
        "iam_http_request_method": "POST",
        "iam_request_url": _encoded(_URL),
        "iam_request_body": _encoded(_BODY),
        "iam_request_headers": _encoded(json.dumps({name: [value] for name, value in headers.items()})),
    }
    return body | ({"role": auth.role} if auth.role is not None else {})


_HINT = "aws configure, or set the auth's access_key_id and secret_access_key"


def assume_role_arguments(role: AssumeRole) -> dict[str, str]:
    """The arguments of STS's AssumeRole."""
    external = {"ExternalId": role.external_id} if role.external_id is not None else {}
    return {"RoleArn": role.arn, "RoleSessionName": role.session_name, **external}


def _credentials(auth: AwsIamAuth, context: Context) -> Any:
    import boto3
    from botocore.credentials import Credentials
    from botocore.exceptions import NoCredentialsError

    if auth.access_key_id is not None and auth.secret_access_key is not None:
        return Credentials(auth.access_key_id, auth.secret_access_key.read(context.name, context.folder).reveal())
    session = boto3.Session(region_name=auth.region)
    if auth.assume_role is not None:
        answer = session.client("sts").assume_role(**assume_role_arguments(auth.assume_role))["Credentials"]
        return Credentials(answer["AccessKeyId"], answer["SecretAccessKey"], answer["SessionToken"])
    found = session.get_credentials()
    if found is None:
        raise NoCredentialsError
    return found.get_frozen_credentials()


def _signed(credentials: Any, region: str) -> dict[str, str]:
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest

    request = AWSRequest("POST", _URL, data=_BODY, headers=_HEADERS)
    SigV4Auth(credentials, "sts", region).add_auth(request)
    return dict(request.headers)


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
