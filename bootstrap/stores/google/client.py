"""Google Secret Manager client: one gRPC channel, with deadlines, quotas and retries."""

from __future__ import annotations

import os
import threading
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeAlias

from bootstrap.errors import StoreError, Unavailable
from bootstrap.stores.base import Context
from bootstrap.stores.google.credentials import Bearer, load
from bootstrap.stores.google.errors import is_permanent, translated
from bootstrap.stores.google.options import Options
from bootstrap.stores.place import Place
from bootstrap.util import special_files
from bootstrap.util.retrying import GIVE_UP, TokenBucket, patience, retried

Kind: TypeAlias = Literal["access", "read", "write"]

TIMEOUT = 10.0  # seconds for one request
QUOTAS: dict[Kind, int] = {"access": 90_000, "read": 600, "write": 600}  # a minute, a project
ROOTS = "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"
_KINDS: dict[str, Kind] = {
    "access_secret_version": "access",
    "get_secret": "read",
    "get_secret_version": "read",
    "list_secrets": "read",
    "test_iam_permissions": "read",
}  # all others write
_CHANNEL = [
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2000),
    ("grpc.use_local_subchannel_pool", 1),  # a store's connection is its own
]


class Client:
    """The API's methods, for many threads; connects at the first request."""

    def __init__(self, options: Options, context: Context) -> None:
        self.options = options
        self.context = context
        self._bearer = Bearer(lambda: load(options.auth, context))
        self._buckets = {kind: _bucket(options.requests_per_minute or quota) for kind, quota in QUOTAS.items()}
        self._lock = threading.Lock()

    def place(self, path: str = "", version: str | None = None) -> Place:
        """What a request is about."""
        return Place(self.context.name, path, version, f"project {self.options.project}", self.options.project)

    def ask(self, place: Place, method: str, request: Any, *, let: tuple[type[Exception], ...] = ()) -> Any:
        """Send a request that may be sent again. Raises NotFound, Denied or Unavailable; Google's own exceptions in `let`."""
        try:
            return self.attempt(method, request)
        except let:
            raise
        except Exception as err:
            raise self.failure(place, err) from err

    def failure(self, place: Place, err: Exception) -> StoreError:
        """Which failure an exception of Google's is; raises any other."""
        if isinstance(err, StoreError):
            raise err
        from google.api_core.exceptions import GoogleAPICallError
        from google.auth.exceptions import GoogleAuthError

        if isinstance(err, GoogleAPICallError | GoogleAuthError):
            return translated(place, err)
        raise err

    def attempt(self, method: str, request: Any) -> Any:
        """As `ask`, with Google's own exceptions for what it answers."""
        self.require()
        return retried(lambda: self.once(method, request), patience(_retry_delay, _blip))

    def once(self, method: str, request: Any, timeout: float | None = None) -> Any:
        """Send a request once; its answer, or Google's own exception."""
        self._buckets[_KINDS.get(method, "write")].take()
        headers = self._bearer.metadata()
        with self._lock:
            service = self._connected
        return getattr(service, method)(request=request, metadata=headers, retry=None, timeout=timeout or TIMEOUT)

    def require(self) -> None:
        """Raises Unavailable where the packages that the store needs are missing."""
        try:
            import google.cloud.secretmanager_v1  # noqa: F401
            import google_crc32c  # noqa: F401
        except ImportError as err:
            message = f"store {self.context.name}: the Google client is not installed"
            raise Unavailable(message, "pip install google-cloud-secret-manager google-crc32c") from err

    @cached_property
    def _connected(self) -> Any:
        """Google's client over a channel of ours, which sends no credentials of its own."""
        import grpc  # type: ignore[import-untyped]
        from google.cloud.secretmanager_v1 import SecretManagerServiceClient
        from google.cloud.secretmanager_v1.services.secret_manager_service import transports

        host = self.options.host
        target = host if ":" in host else f"{host}:443"
        tls = grpc.ssl_channel_credentials(root_certificates=self._roots())
        channel = grpc.secure_channel(target, tls, options=_CHANNEL)
        return SecretManagerServiceClient(transport=transports.SecretManagerServiceGrpcTransport(channel=channel))

    def _roots(self) -> bytes | None:
        """Whom to trust. gRPC reads the file once per process, whatever the variable says later."""
        file = os.environ.get(ROOTS)
        if not file:
            return None
        try:
            return special_files.read(Path(file))
        except OSError as err:
            message = f"store {self.context.name}: can't read {file}: {err.strerror}"
            raise Unavailable(message, f"correct or unset ${ROOTS}") from err


def _bucket(per_minute: int) -> TokenBucket:
    """No more than `per_minute` in any minute: what is left of it after the burst comes evenly."""
    burst = max(1, per_minute // 6)
    return TokenBucket(per_minute=max(1, per_minute - burst), burst=burst)


def _blip(err: BaseException) -> float | None:
    from google.api_core import exceptions as api

    blip = isinstance(err, api.ServiceUnavailable | api.InternalServerError | api.Aborted)
    return 0.0 if blip and not is_permanent(err) else None


def _retry_delay(err: Any) -> float | None:
    """What Google asks to wait where a quota is used up; None if that is longer than anybody here would."""
    from google.api_core.exceptions import TooManyRequests

    if not isinstance(err, TooManyRequests):
        return None
    delays = [item.retry_delay for item in err.details or () if hasattr(item, "retry_delay")]
    seconds = max((delay.seconds + delay.nanos / 1e9 for delay in delays), default=0.0)
    return seconds if seconds < GIVE_UP else None
