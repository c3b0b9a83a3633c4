"""Asking AWS's IAM as the admin, and what its refusals mean.

Codes: docs.aws.amazon.com/IAM/latest/APIReference (each action's errors, and CommonErrors).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bootstrap.domain.connection import Connection
from bootstrap.domain.reference import Reference
from bootstrap.domain.secret import foreign
from bootstrap.errors import IssuerDenied, IssuerError, IssuerUnavailable
from bootstrap.issuers.base import Surroundings
from bootstrap.util.retrying import retried
from bootstrap.util.urls import is_here

GONE = "NoSuchEntity"
FULL = "LimitExceeded"
PATIENCE = 15.0  # seconds from the first try of a request to the last
_CONNECT, _READ = 5, 10  # seconds
_FAILED = 500  # and above: HTTP statuses of a server that failed
_PASSING = {
    "ConcurrentModification", "EntityTemporarilyUnmodifiable", "InternalFailure", "PriorRequestNotComplete",
    "RequestLimitExceeded", "ServiceFailure", "ServiceUnavailable", "Throttling", "ThrottlingException",
}  # fmt: skip
_FORBIDDEN = {"AccessDenied", "AccessDeniedException"}
_KEY_REFUSED = {
    "ExpiredToken", "IncompleteSignature", "InvalidClientTokenId", "MissingAuthenticationToken", "NotAuthorized",
    "OptInRequired", "RequestExpired", "SignatureDoesNotMatch",
}  # fmt: skip
_NO_CREDENTIAL = {  # botocore's exceptions, none of which was sent
    "ConfigNotFound", "ConfigParseError", "CredentialRetrievalError", "InvalidConfigError", "NoCredentialsError",
    "PartialCredentialsError", "ProfileNotFound", "SSOError", "TokenRetrievalError",
}  # fmt: skip
_OTHER_WAYS = ("role_arn", "profile_name", "assume_role_method", "session_kwargs")  # in extra, of Airflow's AWS hook
_ADMIN = "store one of type aws: login is the id of an access key that may change the user's keys, password its secret"
# How botocore finds a setting: its name in the file, its variables, its default, its type.
_NO_PROFILE: dict[str, tuple[None, list[str], None, None]] = {"profile": (None, [], None, None)}


@dataclass
class Iam:
    """IAM, as the admin asks it. `where` names it in messages; `user` is whose keys it is asked about."""

    where: str
    user: str
    region: str
    endpoint_url: str | None
    admin: Reference | None
    surroundings: Surroundings
    _client: Any = None
    _admin: Connection | None = None

    def ask(self, method: str, **request: str) -> Mapping[str, Any]:
        """The answer to what may be asked twice. Raises IssuerError, StoreError."""
        return retried(
            lambda: self.once(method, **request),
            lambda err: 0.0 if isinstance(err, IssuerUnavailable) else None,
            give_up=PATIENCE,
        )

    def once(self, method: str, **request: str) -> Mapping[str, Any]:
        """The answer to one request. Raises IssuerError, StoreError."""
        from botocore.exceptions import BotoCoreError, ClientError
        from botocore.parsers import ResponseParserError

        try:
            send: Callable[..., Mapping[str, Any]] = getattr(self._connected(), method)
            return send(**request)
        except ClientError as err:
            raise self._answered(err, method) from err
        except BotoCoreError as err:
            raise self._unanswered(err) from err
        except ResponseParserError as err:
            raise self.not_aws(method) from err

    def not_aws(self, method: str) -> IssuerUnavailable:
        """Something answers, and it is not AWS."""
        message = f"{self.where}: {method}: the answer is not that of AWS"
        return IssuerUnavailable(message, "check endpoint_url and proxy")

    def _connected(self) -> Any:
        """The client of the admin as it is now: its key may be the one that is rotated."""
        admin = self.surroundings.whole(self.admin) if self.admin is not None else None
        if self._client is None or admin != self._admin:
            self._client, self._admin = self._opened(admin), admin
        return self._client

    def _opened(self, admin: Connection | None) -> Any:
        try:
            import boto3
            import botocore.session
            from botocore.config import Config
        except ImportError as err:
            raise IssuerDenied(f"{self.where}: boto3 is not installed", "pip install 'airflow-bootstrap[aws]'") from err
        keys = self._keys(admin) if admin is not None else {}
        own = botocore.session.Session(_NO_PROFILE) if keys else None  # $AWS_PROFILE has no say in it
        extra = admin.extra if admin is not None else None
        url = self.endpoint_url or (extra or {}).get("endpoint_url")
        config = Config(
            connect_timeout=_CONNECT,
            read_timeout=_READ,
            retries={"total_max_attempts": 1},  # a key that is made twice is one too many
            proxies={} if url and is_here(url) else None,
        )
        try:
            session = boto3.Session(botocore_session=own, **keys)
            return session.client("iam", region_name=self.region, endpoint_url=url, config=config)
        except ValueError as err:
            raise IssuerDenied(f"{self.where}: {foreign(err)}", "correct endpoint_url or region") from err

    def _keys(self, admin: Connection) -> Mapping[str, str | None]:
        other = [name for name in _OTHER_WAYS if (admin.extra or {}).get(name)]
        if admin.conn_type != "aws" or not admin.login or not admin.password or other:
            what = f"has {', '.join(other)}" if other else "is no connection of type aws with a login and a password"
            raise IssuerDenied(f"{self.where}: the admin's connection {self.admin} {what}", _ADMIN)
        return {
            "aws_access_key_id": admin.login,
            "aws_secret_access_key": admin.password,
            "aws_session_token": (admin.extra or {}).get("aws_session_token"),
        }

    def _answered(self, err: Any, method: str) -> IssuerError:
        said = code(err)
        status = err.response.get("ResponseMetadata", {}).get("HTTPStatusCode") or 0
        text = err.response.get("Error", {}).get("Message") or ""
        what = f"{self.where}: {method}: {said}: {' '.join(foreign(text).split())}"
        if status >= _FAILED or said in _PASSING:
            return IssuerUnavailable(what, "run this again later; see https://health.aws.amazon.com")
        if not said or said.isdigit():
            return self.not_aws(method)
        return IssuerDenied(what, self._hint(said, str(text), method))

    def _hint(self, said: str, text: str, method: str) -> str:
        if said in _FORBIDDEN:
            return f"allow iam:{''.join(part.title() for part in method.split('_'))} on the user {self.user}"
        if said in _KEY_REFUSED:
            if said == "RequestExpired" or "Signature expired" in text or "not yet current" in text:
                return "set this machine's clock: AWS takes no request that is minutes off"
            return "check `admin` of this connection's `rotate:`; its key may be deleted, inactive or expired"
        return "check `user` of this connection's `rotate:`, and that `admin` is of the same AWS account"

    def _unanswered(self, err: BaseException) -> IssuerError:
        what = f"{self.where}: {' '.join(foreign(err).split())}"
        if {kind.__name__ for kind in type(err).__mro__} & _NO_CREDENTIAL:
            return IssuerDenied(what, "give `admin`, or log in: aws configure, aws sso login")
        return IssuerUnavailable(what, "check the network, its proxy, `region` and `endpoint_url`")


def code(err: BaseException | None) -> str:
    """What AWS calls the error; '' for one that is none of its answers."""
    response = getattr(err, "response", None) or {}
    return foreign(response.get("Error", {}).get("Code", ""))
