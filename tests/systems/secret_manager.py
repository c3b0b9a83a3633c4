"""Google Secret Manager's stand-in, under its own name: for clients that take no other address."""

from __future__ import annotations

import contextlib
import ssl
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc  # type: ignore[import-untyped]
import trustme
from google.iam.v1 import iam_policy_pb2 as iam  # type: ignore[import-untyped]

from .connect_proxy import connect_proxy
from .google_accounts import TOKEN_URI, Accounts
from .google_federation import answer_impersonation, answer_sts
from .google_permissions import INVALID, MISSING
from .in_process import Answer, Request, http_server, json_answer, serving
from .process import HOST
from .secret_manager_api import METHODS, SERVICE, Refused, Secrets, resource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REGION = "europe-west1"
REGIONAL = f"secretmanager.{REGION}.rep.googleapis.com"
EMAIL = "airflow@proj.iam.gserviceaccount.com"
_OAUTH = "oauth2.googleapis.com"
_HTTP = (_OAUTH, "iamcredentials.googleapis.com", "sts.googleapis.com", "cloudresourcemanager.googleapis.com")
_PREFIX = "/google.cloud.secretmanager.v1.SecretManagerService/"


@dataclass
class SecretManager:
    """A running server. An account may do everything until it is denied something.

    `faults` are done before a request is answered, in order; one raises Refused, or returns to let the next have a say.
    The next answer to a method in `lost` never arrives; `garbage` is what arrives instead of any answer.
    """

    environment: dict[str, str] = field(default_factory=dict)
    accounts: Accounts = field(default_factory=Accounts)
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    secrets: Secrets = field(default_factory=Secrets, repr=False)
    faults: list[Callable[[str, str], None]] = field(default_factory=list, repr=False)
    lost: list[str] = field(default_factory=list)
    garbage: bytes | None = None
    routes: dict[str, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def service_account(self, email: str = EMAIL, project: str = "proj") -> dict[str, str]:
        """Return a new key of this account, made at need: a keyfile_dict."""
        return self.accounts.service_account(email, project)

    def put(self, project: str, name: str, value: str | bytes) -> None:
        """Add a version to a secret, made at need."""
        data = value.encode() if isinstance(value, str) else value
        self.secrets.add(f"projects/{project}/secrets/{name}", data)

    def deny(self, permission: str, email: str = EMAIL) -> None:
        """Take an IAM permission, such as "secretmanager.versions.access", from an account."""
        self.accounts.deny(email, permission)

    def allow(self, permission: str, email: str = EMAIL) -> None:
        """Give a permission back."""
        self.accounts.allow(email, permission)

    def exhaust(self, seconds: float) -> None:
        """Refuse everything for a while, as when a quota is used up."""
        end = time.monotonic() + seconds

        def fault(_method: str, _resource: str) -> None:
            if time.monotonic() < end:
                raise Refused(grpc.StatusCode.RESOURCE_EXHAUSTED, "Quota exceeded for quota metric 'Access requests'.")

        self.faults.append(fault)

    def deny_one(self, name: str, permission: str = "secretmanager.versions.access") -> None:
        """Take a permission on one secret from everybody."""

        def fault(method: str, about: str) -> None:
            if METHODS[method].permission == permission and f"/secrets/{name}/" in f"{about}/":
                raise _denied(permission, about)

        self.faults.append(fault)

    def call(self, method: str, request: Any, bearer: str | None) -> Any:
        """Answer one call of the API. Raises Refused."""
        how = METHODS[method]
        email = self.accounts.email(bearer, f"https://{SERVICE}/")
        if email is None:
            raise Refused(grpc.StatusCode.UNAUTHENTICATED, INVALID if bearer else MISSING)
        about = resource(request)
        self.requests.append((email, method, about))
        for fault in self.faults:
            fault(method, about)
        if isinstance(request, iam.TestIamPermissionsRequest):
            held = [each for each in request.permissions if self.accounts.may(email, each)]
            return iam.TestIamPermissionsResponse(permissions=held if about in self.secrets.known else [])
        if not self.accounts.may(email, how.permission):
            raise _denied(how.permission, about)
        with self._lock:
            answer = how.answer(self.secrets, request)
        if method in self.lost:
            self.lost.remove(method)
            raise Refused(grpc.StatusCode.UNAVAILABLE, "Connection reset by peer")
        return answer if self.garbage is None else self.garbage


def _denied(permission: str, about: str) -> Refused:
    message = f"Permission '{permission}' denied for resource '{about}' (or it may not exist)."
    return Refused(grpc.StatusCode.PERMISSION_DENIED, message)


@contextlib.contextmanager
def running() -> Iterator[SecretManager]:
    """Serve for a while, in threads; yields the server.

    A child with its `environment` reaches it, and nothing else that is not on 127.0.0.1.
    """
    server, authority = SecretManager(), trustme.CA()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="secret-manager-")))
        authority.cert_pem.write_to_path(str(folder / "ca.pem"))
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(*_HTTP).configure_cert(tls)
        rpc = stack.enter_context(serving_grpc(server, authority.issue_cert(SERVICE, REGIONAL, HOST)))
        http = stack.enter_context(serving(http_server(_http_services(server.accounts), tls)))
        server.routes = {f"{SERVICE}:443": rpc, f"{REGIONAL}:443": rpc}
        server.routes |= {f"{host}:443": http for host in _HTTP}
        proxy = stack.enter_context(serving(connect_proxy(server.routes)))
        server.environment = _environment(f"http://{HOST}:{proxy}", folder / "ca.pem")
        yield server


def _environment(proxy: str, authority: Path) -> dict[str, str]:
    """Return what leads a child here; gRPC reads the small names, requests either."""
    proxies = {"https_proxy": proxy, "no_proxy": f"{HOST},localhost"}
    trust = ("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
    return {
        **proxies,
        **{name.upper(): value for name, value in proxies.items()},
        **dict.fromkeys(trust, str(authority)),
    }


def _http_services(accounts: Accounts) -> Callable[[Request], Answer]:
    """What gives tokens: for a key, for another account, for a token of somebody else's."""

    def answer(request: Request) -> Answer:
        if (request.method, request.path) == ("POST", TOKEN_URI.partition(_OAUTH)[2]):
            return accounts.answer_token(request)
        return (
            answer_impersonation(accounts, request)
            or answer_sts(accounts, request)
            or json_answer(HTTPStatus.NOT_FOUND, {"error": {"code": 404, "message": "Not Found"}})
        )

    return answer


@contextlib.contextmanager
def serving_grpc(server: SecretManager, certificate: trustme.LeafCert) -> Iterator[int]:
    """Serve the API for a while; yields the port."""
    pool = ThreadPoolExecutor(max_workers=8)
    grpc_server = grpc.server(pool, handlers=[_Handler(server)], options=[("grpc.so_reuseport", 0)])
    chain = b"".join(each.bytes() for each in certificate.cert_chain_pems)
    credentials = grpc.ssl_server_credentials([(certificate.private_key_pem.bytes(), chain)])
    port: int = grpc_server.add_secure_port(f"{HOST}:0", credentials)
    grpc_server.start()
    try:
        yield port
    finally:
        grpc_server.stop(grace=None).wait()
        pool.shutdown()


class _Handler(grpc.GenericRpcHandler):  # type: ignore[misc]
    def __init__(self, server: SecretManager) -> None:
        self._server = server

    def service(self, details: Any) -> Any:
        name = details.method.removeprefix(_PREFIX)
        if name not in METHODS:
            return None  # gRPC answers UNIMPLEMENTED

        def answer(request: Any, context: Any) -> Any:
            scheme, _, bearer = dict(details.invocation_metadata).get("authorization", "").partition(" ")
            try:
                return self._server.call(name, request, bearer if scheme == "Bearer" else None)
            except Refused as error:
                context.abort(error.code, str(error))

        return grpc.unary_unary_rpc_method_handler(
            answer, request_deserializer=METHODS[name].parse, response_serializer=_serialized
        )


def _serialized(response: Any) -> bytes:
    """On the wire; `bytes` are there already (an answer that is garbage)."""
    if isinstance(response, bytes):
        return response
    write = getattr(type(response), "serialize", None) or type(response).SerializeToString
    return bytes(write(response))
