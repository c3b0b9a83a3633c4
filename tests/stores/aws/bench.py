"""What the tests of AWS's stores have in common: the server, an account for each test, and a front that fails."""

from __future__ import annotations

import http.client
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from bootstrap.errors import Exit, Malformed, NotFound, StoreError
from bootstrap.plugins import STORES
from bootstrap.stores.base import Context
from bootstrap.stores.kind import StoreKind
from tests.stores.contract import CANARY
from tests.systems import in_process, moto, require
from tests.systems.in_process import Answer, Request

Opened: TypeAlias = Callable[..., Any]
BOTH = ("aws_secrets_manager", "aws_parameter_store")
SERVICES = {"aws_secrets_manager": "secretsmanager", "aws_parameter_store": "ssm"}
PATH = "databases/warehouse"
ACCOUNT = "123456789012"  # moto's
_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[moto.Moto]:
    require("moto", "make test")
    with moto.running(tmp_path_factory.mktemp("moto")) as running:
        yield running


@pytest.fixture(scope="session")
def key(server: moto.Moto) -> tuple[str, str]:
    """Of a user who may do everything."""
    return server.mint()


@pytest.fixture
def region() -> str:
    """One that no other test has used: what it holds is ours alone."""
    number = next(_NUMBERS)
    return f"eu-test{chr(97 + number // 26 % 26)}{chr(97 + number % 26)}-{number // 676 + 1}"


@pytest.fixture
def opened(server: moto.Moto, key: tuple[str, str], region: str, tmp_path: Path) -> Opened:
    """A store called "team", for a user who may do everything, or a new one who may do what `policy` says."""

    def store(kind: str, *, policy: Sequence[Mapping[str, Any]] | None = None, **options: Any) -> Any:
        given = {"kind": kind, "region": region, "endpoint_url": server.url, **options}
        if "auth" not in given:
            own = key if policy is None else server.mint(f"user-{next(_NUMBERS)}", policy)
            given["auth"] = keys(tmp_path, *own)
        found = STORES.get(kind, StoreKind)
        return found.open_store(found.Options.model_validate(given), Context("team", tmp_path))

    return store


def keys(folder: Path, key_id: str, secret: str, token: str | None = None) -> dict[str, Any]:
    """`auth` for a key, whose secret is in a file."""
    (folder / f"{key_id}.secret").write_text(secret)
    auth: dict[str, Any] = {
        "method": "keys",
        "access_key_id": key_id,
        "secret_access_key": {"file": f"{key_id}.secret"},
    }
    if token is not None:
        (folder / f"{key_id}.token").write_text(token)
        auth["session_token"] = {"file": f"{key_id}.token"}
    return auth


def api(server: moto.Moto, kind: str, region: str) -> Any:
    """The administrator's client of the service, where the store is."""
    import boto3

    given = server.client("iam")._request_signer._credentials
    return boto3.client(
        SERVICES[kind],
        region_name=region,
        endpoint_url=server.url,
        aws_access_key_id=given.access_key,
        aws_secret_access_key=given.secret_key,
    )


@dataclass
class Front:
    """Stands before the server: counts, loses answers, and answers by itself where it is told to.

    `lost` are operations whose next answer is lost, `faults` what to answer instead of asking (None: ask), `before` what
    else happens before an operation.
    """

    server: moto.Moto
    requests: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    faults: list[Callable[[str], Answer | None]] = field(default_factory=list)
    before: list[Callable[[str], object]] = field(default_factory=list)
    url: str = ""

    def answer(self, request: Request) -> Answer:
        operation = request.headers.get("X-Amz-Target", "").rpartition(".")[2]  # STS has none
        self.requests.append(operation)
        self.bodies.append(request.body)
        for act in self.before:
            act(operation)
        for fault in self.faults:
            instead = fault(operation)
            if instead is not None:
                return instead
        answer = self._forwarded(request)
        if operation in self.lost:
            self.lost.remove(operation)
            raise ConnectionResetError
        return answer

    def _forwarded(self, request: Request) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", int(self.server.url.rpartition(":")[2]), timeout=10)
        try:
            headers = dict(request.headers.items())
            connection.request(request.method, request.target, request.body, headers)  # the host is signed, too
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        kept = [
            (name, value) for name, value in answer.getheaders() if name.lower() in ("content-type", "x-amzn-errortype")
        ]
        return Answer(answer.status, body, kept)


@contextmanager
def fronted(server: moto.Moto) -> Iterator[Front]:
    """Run a front for a while."""
    front = Front(server)
    with in_process.serving(in_process.http_server(front.answer)) as port:
        front.url = f"http://127.0.0.1:{port}"
        yield front


@pytest.fixture
def front(server: moto.Moto) -> Iterator[Front]:
    with fronted(server) as running:
        yield running


def refusal(code: str, message: str = "", status: int = 400) -> Answer:
    """An answer of AWS's to what it doesn't do."""
    return in_process.json_answer(status, {"__type": code, "message": message})


def failure(kind: type[StoreError], ask: Callable[[], object]) -> StoreError:
    """The failure, which is of exactly this kind, says where and what next, and shows nothing."""
    with pytest.raises(StoreError) as caught:
        ask()
    error = caught.value
    assert type(error) is kind, error.message
    assert error.exit_code == (Exit.FAILED if issubclass(kind, NotFound | Malformed) else Exit.STORE)
    assert f"team:{PATH}" in error.message or "store team:" in error.message
    assert error.hint
    assert CANARY not in f"{error.message} {error.hint}"
    assert "\n" not in error.message
    return error
