"""The boto3 session of a store, with the credential that its `auth` names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bootstrap.stores.aws.options import AssumeRoleAuth, AwsOptions, KeysAuth, ProfileAuth, Source
from bootstrap.stores.base import Context
from bootstrap.util.urls import is_here

CONNECT_TIMEOUT, READ_TIMEOUT = 5, 10  # seconds
_SESSION_NAME = "airflow-bootstrap"  # what CloudTrail shows
# How botocore finds a setting: its name in the file, its variables, its default, its type.
_NO_PROFILE: dict[str, tuple[None, list[str], None, None]] = {"profile": (None, [], None, None)}


def config(endpoint_url: str | None, connections: int = 1) -> Any:
    """How a client behaves. No proxy gets to see what is meant for this machine; trying again is our business."""
    from botocore.config import Config

    local = endpoint_url is not None and is_here(endpoint_url)
    return Config(
        connect_timeout=CONNECT_TIMEOUT,
        read_timeout=READ_TIMEOUT,
        retries={"total_max_attempts": 1},
        max_pool_connections=connections,
        proxies={} if local else None,
    )


def session(options: AwsOptions, context: Context) -> Any:
    """The session; a role is taken on at the first request, and again before it expires. Raises botocore's errors, Denied."""
    if isinstance(options.auth, AssumeRoleAuth):
        return _as_role(options.auth, options.region, context)
    return _plain(options.auth, context)


def _plain(auth: Source, context: Context) -> Any:
    import boto3
    import botocore.session

    if isinstance(auth, ProfileAuth):
        return boto3.Session(profile_name=auth.profile)
    if not isinstance(auth, KeysAuth):
        return boto3.Session()
    token = auth.session_token.read(context.name, context.folder).reveal() if auth.session_token else None
    return boto3.Session(
        botocore_session=botocore.session.Session(_NO_PROFILE),  # $AWS_PROFILE has no say in it
        aws_access_key_id=auth.access_key_id,
        aws_secret_access_key=auth.secret_access_key.read(context.name, context.folder).reveal(),
        aws_session_token=token,
    )


def _as_role(auth: AssumeRoleAuth, region: str, context: Context) -> Any:
    import boto3
    import botocore.session
    from botocore.credentials import AssumeRoleCredentialFetcher, CredentialResolver, DeferredRefreshableCredentials
    from botocore.exceptions import NoCredentialsError

    source = _plain(auth.source, context)
    credentials = source.get_credentials()
    if credentials is None:
        raise NoCredentialsError

    def sts(service: str, **keys: Any) -> Any:
        settings = config(auth.endpoint_url)
        return source.client(service, region_name=region, endpoint_url=auth.endpoint_url, config=settings, **keys)

    extra = {"RoleSessionName": _SESSION_NAME}
    if auth.external_id is not None:
        extra["ExternalId"] = auth.external_id
    fetcher = AssumeRoleCredentialFetcher(sts, credentials, auth.role_arn, extra_args=extra)
    role = _Provider(DeferredRefreshableCredentials(fetcher.fetch_credentials, _Provider.METHOD))
    found = botocore.session.Session(_NO_PROFILE)
    found.register_component("credential_provider", CredentialResolver([role]))
    return boto3.Session(botocore_session=found)


@dataclass
class _Provider:
    """Where botocore finds the role's credentials."""

    credentials: Any
    METHOD = "assume-role"

    def load(self) -> Any:
        """The credentials."""
        return self.credentials
