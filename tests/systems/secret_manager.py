"""Google Secret Manager's stand-in, under its own name: for clients that take no other address."""

from __future__ import annotations

import contextlib
import re
import ssl
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import google_crc32c
import grpc  # type: ignore[import-untyped]
import trustme
from google.cloud import secretmanager_v1 as sm

from .connect_proxy import connect_proxy
from .google_accounts import TOKEN_URI, Accounts
from .google_permissions import INVALID, MISSING
from .in_process import Answer, Request, http_server, json_answer, serving
from .process import HOST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SERVICE, _OAUTH = "secretmanager.googleapis.com", "oauth2.googleapis.com"
_PREFIX = "/google.cloud.secretmanager.v1.SecretManagerService/"
_NAME = re.compile(
    r"projects/(?P<project>[^/]+)(/secrets/(?P<secret>[A-Za-z0-9_-]{1,255})(/versions/(?P<version>\w+))?)?"
)


class Refused(Exception):
    """A gRPC status that is not OK."""

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class SecretManager:
    """A running server. An account may do everything until it is denied something."""

    environment: dict[str, str] = field(default_factory=dict)
    accounts: Accounts = field(default_factory=Accounts)
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    _secrets: dict[str, list[bytes]] = field(default_factory=dict, repr=False)

    def service_account(
        self, email: str = "airflow@proj.iam.gserviceaccount.com", project: str = "proj"
    ) -> dict[str, str]:
        """Return a new key of this account, made at need: a keyfile_dict."""
        return self.accounts.service_account(email, project)

    def put(self, project: str, name: str, value: str) -> None:
        """Add a version to a secret, made at need."""
        self._secrets.setdefault(f"projects/{project}/secrets/{name}", []).append(value.encode())

    def deny(self, permission: str, email: str = "airflow@proj.iam.gserviceaccount.com") -> None:
        """Take an IAM permission, such as "secretmanager.versions.access", from an account."""
        self.accounts.deny(email, permission)

    def allow(self, permission: str, email: str = "airflow@proj.iam.gserviceaccount.com") -> None:
        """Give a permission back."""
        self.accounts.allow(email, permission)

    def call(self, method: str, request: Any, bearer: str | None) -> Any:
        """Answer one call of the API. Raises Refused."""
        how = _METHODS[method]
        email = self.accounts.email(bearer, f"https://{_SERVICE}/")
        if email is None:
            raise Refused(grpc.StatusCode.UNAUTHENTICATED, INVALID if bearer else MISSING)
        resource = request.name if "name" in type(request).meta.fields else request.parent
        self.requests.append((email, method, resource))
        if not _NAME.fullmatch(resource):
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, "Invalid resource field value in the request.")
        if not self.accounts.may(email, how.permission):
            message = f"Permission '{how.permission}' denied for resource '{resource}' (or it may not exist)."
            raise Refused(grpc.StatusCode.PERMISSION_DENIED, message)
        return how.answer(self, request)

    def _access(self, request: Any) -> Any:
        secret, _, version = request.name.partition("/versions/")
        payloads = self._secrets.get(secret)
        if not payloads:
            raise Refused(grpc.StatusCode.NOT_FOUND, f"Secret [{secret}] not found or has no versions.")
        number = len(payloads) if version == "latest" else int(version) if version.isdigit() else 0
        name = f"{secret}/versions/{number or version}"
        if not 1 <= number <= len(payloads):
            raise Refused(grpc.StatusCode.NOT_FOUND, f"Secret Version [{name}] not found.")
        data = payloads[number - 1]
        payload = sm.SecretPayload(data=data, data_crc32c=google_crc32c.value(data))
        return sm.AccessSecretVersionResponse(name=name, payload=payload)

    def _get(self, request: Any) -> Any:
        self._versions(request.name)
        return sm.Secret(name=request.name)

    def _list(self, request: Any) -> Any:
        found = [sm.Secret(name=name) for name in sorted(self._secrets) if name.startswith(f"{request.parent}/")]
        return sm.ListSecretsResponse(secrets=found, total_size=len(found))

    def _create(self, request: Any) -> Any:
        name = f"{request.parent}/secrets/{request.secret_id}"
        if not _NAME.fullmatch(name):
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, "Invalid resource field value in the request.")
        if name in self._secrets:
            raise Refused(grpc.StatusCode.ALREADY_EXISTS, f"Secret [{name}] already exists.")
        self._secrets[name] = []
        return sm.Secret(name=name, replication=request.secret.replication)

    def _add(self, request: Any) -> Any:
        payloads = self._versions(request.parent)
        payloads.append(request.payload.data)
        return sm.SecretVersion(name=f"{request.parent}/versions/{len(payloads)}", state=sm.SecretVersion.State.ENABLED)

    def _versions(self, name: str) -> list[bytes]:
        if name not in self._secrets:
            raise Refused(grpc.StatusCode.NOT_FOUND, f"Secret [{name}] not found.")
        return self._secrets[name]


@dataclass(frozen=True)
class _Method:
    """A method of the API: what it takes, the permission that it needs, and how it is answered."""

    request: Any
    permission: str
    answer: Callable[[SecretManager, Any], Any]


_METHODS = {
    "AccessSecretVersion": _Method(
        sm.AccessSecretVersionRequest, "secretmanager.versions.access", SecretManager._access
    ),
    "AddSecretVersion": _Method(sm.AddSecretVersionRequest, "secretmanager.versions.add", SecretManager._add),
    "CreateSecret": _Method(sm.CreateSecretRequest, "secretmanager.secrets.create", SecretManager._create),
    "GetSecret": _Method(sm.GetSecretRequest, "secretmanager.secrets.get", SecretManager._get),
    "ListSecrets": _Method(sm.ListSecretsRequest, "secretmanager.secrets.list", SecretManager._list),
}


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
        authority.issue_cert(_OAUTH).configure_cert(tls)
        routes = {
            f"{_SERVICE}:443": stack.enter_context(_serving_grpc(server, authority.issue_cert(_SERVICE))),
            f"{_OAUTH}:443": stack.enter_context(serving(http_server(_token_endpoint(server.accounts), tls))),
        }
        proxy = stack.enter_context(serving(connect_proxy(routes)))
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


def _token_endpoint(accounts: Accounts) -> Callable[[Request], Answer]:
    def answer(request: Request) -> Answer:
        if (request.method, request.path) == ("POST", TOKEN_URI.partition(_OAUTH)[2]):
            return accounts.answer_token(request)
        return json_answer(HTTPStatus.NOT_FOUND, {"error": {"code": 404, "message": "Not Found"}})

    return answer


@contextlib.contextmanager
def _serving_grpc(server: SecretManager, certificate: trustme.LeafCert) -> Iterator[int]:
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
        if name not in _METHODS:
            return None  # gRPC answers UNIMPLEMENTED

        def answer(request: Any, context: Any) -> Any:
            scheme, _, bearer = dict(details.invocation_metadata).get("authorization", "").partition(" ")
            try:
                return self._server.call(name, request, bearer if scheme == "Bearer" else None)
            except Refused as error:
                context.abort(error.code, str(error))

        return grpc.unary_unary_rpc_method_handler(
            answer,
            request_deserializer=_METHODS[name].request.deserialize,
            response_serializer=lambda response: type(response).serialize(response),
        )
