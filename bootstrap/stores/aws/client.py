"""AWS client: one for all threads of a store, logged in once by the credential that its `auth` names, with retries."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeAlias

from bootstrap.errors import Denied, StoreError, Unavailable
from bootstrap.stores.aws.errors import DENIED, FAILED, THROTTLED, Told, is_one, not_aws, told, translated
from bootstrap.stores.aws.options import AssumeRoleAuth, AwsOptions, KeysAuth, ProfileAuth, Source
from bootstrap.stores.base import Context
from bootstrap.stores.place import Place
from bootstrap.util.retrying import GIVE_UP, patience, retried
from bootstrap.util.urls import is_here

Service: TypeAlias = Literal["secretsmanager", "ssm"]
Request: TypeAlias = Mapping[str, Any]

CONNECT_TIMEOUT, READ_TIMEOUT = 5, 10  # seconds
_SESSION_NAME = "airflow-bootstrap"  # what CloudTrail shows
# How botocore finds a setting: its name in the file, its variables, its default, its type.
_NO_PROFILE: dict[str, tuple[None, list[str], None, None]] = {"profile": (None, [], None, None)}
_UNEXPECTED = (AttributeError, KeyError, TypeError)  # botocore's parser expects what AWS answers
_CUT_OFF = ("ConnectionClosedError", "ResponseStreamingError")  # botocore's names for a connection that broke


class Client:
    """The API of one service, for many threads; logs in at the first request."""

    def __init__(self, service: Service, options: AwsOptions, context: Context) -> None:
        self.service = service
        self.options = options
        self.context = context
        self._lock = threading.Lock()

    def place(self, path: str = "", version: str | None = None) -> Place:
        """What a request is about."""
        return Place(self.context.name, path, version, f"region {self.options.region}")

    def ask(
        self, place: Place, method: str, request: Request, *, let: tuple[str, ...] = (), repeatable: bool = True
    ) -> dict[str, Any]:
        """Send a request. Raises NotFound, Denied, Malformed or Unavailable; Told for the codes in `let`.

        One that is not `repeatable` is sent again only where AWS says that it did nothing.
        """
        call = getattr(self._api(place), method)

        def send() -> dict[str, Any]:
            answer: dict[str, Any] = call(**request)
            return answer

        try:
            return retried(send, patience(_throttled, _blip if repeatable else lambda _: None), give_up=GIVE_UP)
        except _UNEXPECTED as err:
            raise not_aws(place, type(err).__name__) from err
        except Exception as err:
            code, said = told(err)
            if code in let:
                raise Told(code, said) from err
            raise self.failure(place, err) from err

    def pages(self, place: Place, method: str, request: Request, key: str) -> Iterator[dict[str, Any]]:
        """What is below `key` in all pages of an answer. Each page is a request of its own, with its own deadline."""
        more: dict[str, Any] = {}
        while True:
            answer = self.ask(place, method, {**request, **more})
            yield from needed(place, answer, key)
            if not answer.get("NextToken"):
                return
            more = {"NextToken": answer["NextToken"]}

    def ping(self, method: str, key: str) -> str:
        """Ask for one item of a list. Who may not list is known to AWS nevertheless. Returns the address."""
        place = self.place()
        try:
            needed(place, self.ask(place, method, {"MaxResults": 1}), key)
        except Denied as err:
            if err.__cause__ is None or not is_one(told(err.__cause__)[0], DENIED):
                raise
        return str(self._api(place).meta.endpoint_url)

    def _api(self, place: Place) -> Any:
        try:
            with self._lock:
                return self._connected
        except StoreError:
            raise
        except Exception as err:
            raise self.failure(place, err) from err

    @cached_property
    def _connected(self) -> Any:
        try:
            import boto3  # noqa: F401
        except ImportError as err:
            message = f"store {self.context.name}: the AWS client is not installed"
            raise Unavailable(message, "pip install boto3") from err
        region, url = self.options.region, self.options.endpoint_url
        made = session(self.options, self.context)
        settings = config(url, self.context.concurrency)
        return made.client(self.service, region_name=region, endpoint_url=url, config=settings)

    @staticmethod
    def failure(place: Place, err: BaseException) -> StoreError:
        """Which failure an exception of botocore's is, or an answer that was Told; raises any other."""
        from botocore.exceptions import BotoCoreError, ClientError
        from botocore.parsers import ResponseParserError

        cause = err.__cause__ if isinstance(err, Told) and err.__cause__ else err
        if isinstance(cause, BotoCoreError | ClientError | ResponseParserError):
            return translated(place, cause)
        raise err


def needed(place: Place, answer: Mapping[str, Any], key: str) -> Any:
    """What every answer of AWS's has. botocore takes a page without JSON for an empty answer."""
    if key not in answer:
        raise not_aws(place, f"there is no {key} in it")
    return answer[key]


def _throttled(err: BaseException) -> float | None:
    return 0.0 if is_one(told(err)[0], THROTTLED) else None


def _blip(err: BaseException) -> float | None:
    """A server that fails, or a connection that broke."""
    response: Any = getattr(err, "response", None) or {}
    status = int((response.get("ResponseMetadata") or {}).get("HTTPStatusCode") or 0)
    blip = is_one(told(err)[0], FAILED) or status >= 500 or type(err).__name__ in _CUT_OFF  # noqa: PLR2004  HTTP's
    return 0.0 if blip else None


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
