"""Access keys of an IAM user: docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_access-keys.html.

The admin must be allowed iam:ListAccessKeys, CreateAccessKey, UpdateAccessKey, DeleteAccessKey and GetAccessKeyLastUsed for the
user. A user has two keys at most, so that nobody else can make one while both of a rotation's work. A new key takes some
seconds until it is known everywhere. AWS tells a key's last use with a lag of minutes to hours.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field

from bootstrap.errors import IssuerDenied, IssuerError, IssuerUnavailable
from bootstrap.manifest_types import SecretRef
from bootstrap.rotation.durations import shown
from bootstrap.rotation.issuers.base import (
    WINDOW,
    Attempt,
    Issuer,
    IssuerOptions,
    Key,
    KeyFields,
    KeyInfo,
    Surroundings,
    Window,
)
from bootstrap.secret import Secret, redact

KEYLESS = (
    "On AWS, Airflow gets in as the role of its instance, task or pod (IRSA), and elsewhere by web identity: leave out login and "
    "password, or give role_arn in extra."
)
_CONNECT, _READ = 5, 10  # seconds
_TRIES = 3  # of a request that changes nothing, or that may be sent twice
_LIMIT = 2  # keys of a user
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_NO_ANSWER = ("ServiceFailure", "ServiceUnavailable", "InternalFailure", "Throttling", "RequestLimitExceeded")
_GONE = "NoSuchEntity"


class Options(IssuerOptions):
    """`user`: whose keys these are; `admin`: a connection of type aws that may change them, else what AWS's tools find."""

    issuer: Literal["aws_access_key"]
    user: Annotated[str, Field(pattern=r"^[\w+=,.@-]{1,64}$")]
    region: str = "us-east-1"
    endpoint_url: str | None = None
    admin: SecretRef | None = None


def fields(_options: Options) -> tuple[str, ...]:
    """The key's id and its secret."""
    return ("login", "password")


def open_issuer(options: Options, surroundings: Surroundings) -> Issuer:
    """Reads the admin's key; asks AWS at the first request. Raises StoreError, IssuerDenied."""
    return AccessKeys(options, _client(options, surroundings))


def _client(options: Options, surroundings: Surroundings) -> Any:
    try:
        import boto3
        from botocore.config import Config
    except ImportError as err:
        raise IssuerDenied("aws_access_key needs boto3", "pip install 'airflow-bootstrap[aws]'") from err
    keys: dict[str, str] = {}
    endpoint = options.endpoint_url
    if options.admin is not None:
        admin = surroundings.whole(options.admin)
        if not admin.login or not admin.password:
            raise IssuerDenied(
                f"{options.admin}: has no access key: login and password", "store a connection of type aws"
            )
        keys = {"aws_access_key_id": admin.login, "aws_secret_access_key": admin.password}
        endpoint = endpoint or (admin.extra or {}).get("endpoint_url")
    local = endpoint is not None and urlsplit(endpoint).hostname in _LOOPBACK
    config = Config(
        connect_timeout=_CONNECT,
        read_timeout=_READ,
        retries={"total_max_attempts": 1},
        proxies={} if local else None,
    )
    return boto3.Session(**keys).client("iam", region_name=options.region, endpoint_url=endpoint, config=config)


class AccessKeys:
    """The keys of one user."""

    def __init__(self, options: Options, client: Any) -> None:
        self.user = options.user
        self.account = f"IAM user {options.user}" + (f" at {options.endpoint_url}" if options.endpoint_url else "")
        self._client = client

    def issue(self, attempt: Attempt) -> Key:
        """One request, never repeated."""
        there = self.keys()
        if len(there) >= _LIMIT:
            raise self._full(there)
        if (datetime.now(timezone.utc) - attempt.since).total_seconds() > WINDOW:
            raise IssuerUnavailable(f"{self.account}: too slow to make a key safely; none was made", "run this again")
        made = self._once("create_access_key", UserName=self.user)["AccessKey"]
        secret = Secret(made["SecretAccessKey"])
        secret.reveal()
        return Key(made["AccessKeyId"], {"login": Secret(made["AccessKeyId"]), "password": secret}, made["CreateDate"])

    def lost(self, attempt: Attempt) -> Sequence[str]:
        """The one key that the attempt can have made. Raises IssuerDenied for more than one."""
        listed = self.keys()
        found = [key.id for key in listed if Window(attempt).holds(key)]
        if len(found) > 1:
            raise IssuerDenied(
                f"{self.account}: {', '.join(found)} were made when an earlier run made a key whose secret is lost",
                f"delete the one that nobody uses: aws iam delete-access-key --user-name {self.user} --access-key-id …",
            )
        return found

    def keys(self) -> Sequence[KeyInfo]:
        """One more request for each key's last use; unknown where that may not be asked."""
        listed = self._ask("list_access_keys", UserName=self.user)["AccessKeyMetadata"]
        return [self._info(each) for each in sorted(listed, key=lambda each: each["CreateDate"])]

    def identify(self, fields: KeyFields) -> str | None:
        """The id is the login."""
        return fields["login"].as_public() or None

    def disable(self, key_id: str) -> None:
        """Inactive."""
        self._change(key_id, "Inactive")

    def enable(self, key_id: str) -> None:
        """Active."""
        if not self._change(key_id, "Active"):
            raise IssuerDenied(
                f"{self.account}: the key {key_id} is gone", "airflow-bootstrap rotate makes another one"
            )

    def destroy(self, key_id: str) -> None:
        """Deleted."""
        self._unless_gone("delete_access_key", UserName=self.user, AccessKeyId=key_id)

    def _change(self, key_id: str, status: str) -> bool:
        return self._unless_gone("update_access_key", UserName=self.user, AccessKeyId=key_id, Status=status)

    def _unless_gone(self, method: str, **request: str) -> bool:
        """False if there is no such key. A user that is gone is an error: nothing is known of its keys then."""
        try:
            self._ask(method, **request)
        except IssuerDenied as err:
            if _code(err.__cause__) != _GONE or any(key.id == request["AccessKeyId"] for key in list(self.keys())):
                raise
            return False
        return True

    def _info(self, about: Any) -> KeyInfo:
        key_id = about["AccessKeyId"]
        try:
            used = self._ask("get_access_key_last_used", AccessKeyId=key_id)["AccessKeyLastUsed"].get("LastUsedDate")
        except IssuerDenied:
            used = None
        return KeyInfo(
            key_id, "enabled" if about["Status"] == "Active" else "disabled", about["CreateDate"], last_used=used
        )

    def _full(self, there: Sequence[KeyInfo]) -> IssuerDenied:
        now = datetime.now(timezone.utc)
        lines = [
            f"  {key.id}: {key.state}, made {shown(now - key.created) if key.created else '?'} ago, "
            + (f"used {shown(now - key.last_used)} ago" if key.last_used else "no known use")
            for key in there
        ]
        return IssuerDenied(
            "\n".join([f"{self.account}: has {len(there)} keys, and AWS allows no more:", *lines]),
            f"delete one that nobody uses: aws iam delete-access-key --user-name {self.user} --access-key-id …",
        )

    def _ask(self, method: str, **request: str) -> Any:
        """Again after a failure: it does no harm to do these twice."""
        for again in range(_TRIES):
            try:
                return self._once(method, **request)
            except IssuerUnavailable:
                if again == _TRIES - 1:
                    raise
                time.sleep(2.0**again)
        raise AssertionError  # the loop returns or raises

    def _once(self, method: str, **request: str) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError

        send: Callable[..., Any] = getattr(self._client, method)
        try:
            return send(**request)
        except ClientError as err:
            raise self._translated(err, method) from err
        except BotoCoreError as err:
            raise self._unsent(err) from err

    def _translated(self, err: Any, method: str) -> IssuerError:
        said = err.response.get("Error", {})
        status = err.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        what = redact(f"{self.account}: {method}: {said.get('Code')}: {said.get('Message', '')}")
        if status >= 500 or said.get("Code") in _NO_ANSWER:  # noqa: PLR2004
            return IssuerUnavailable(what, "run this again later")
        if said.get("Code") in {"AccessDenied", "AccessDeniedException"}:
            action = "".join(part.title() for part in method.split("_"))
            return IssuerDenied(what, f"allow iam:{action} on the user {self.user}")
        return IssuerDenied(what, "check `user` and `admin` of this connection's `rotate:`")

    def _unsent(self, err: Exception) -> IssuerError:
        from botocore.exceptions import NoCredentialsError, PartialCredentialsError

        what = redact(f"{self.account}: {err}")
        if isinstance(err, NoCredentialsError | PartialCredentialsError):
            return IssuerDenied(what, "give `admin`, or log in: aws configure")
        return IssuerUnavailable(what, "check the network and endpoint_url")


def _code(error: BaseException | None) -> str:
    response = getattr(error, "response", {})
    return str(response.get("Error", {}).get("Code", ""))
