"""AWS client: one for all threads of a store, logged in once, with retries."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, Literal, TypeAlias

from bootstrap.errors import Denied, StoreError
from bootstrap.stores.aws.errors import (
    FAILED,
    THROTTLED,
    Told,
    is_missing_permission,
    no_package,
    not_aws,
    status,
    told,
    translated,
)
from bootstrap.stores.aws.options import AwsOptions
from bootstrap.stores.aws.session import config, session
from bootstrap.stores.base import Context
from bootstrap.stores.place import Place
from bootstrap.util.retrying import GIVE_UP, patience, retried

Service: TypeAlias = Literal["secretsmanager", "ssm"]
Request: TypeAlias = Mapping[str, Any]

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
            if not is_missing_permission(err.__cause__):
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
            raise no_package(self.context.name) from err
        url = self.options.endpoint_url
        settings = config(url, self.context.concurrency)
        return session(self.options, self.context).client(
            self.service, region_name=self.options.region, endpoint_url=url, config=settings
        )

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
    return 0.0 if told(err)[0] in THROTTLED else None


def _blip(err: BaseException) -> float | None:
    blip = told(err)[0] in FAILED or status(err) >= 500 or type(err).__name__ in _CUT_OFF  # noqa: PLR2004  HTTP's
    return 0.0 if blip else None
