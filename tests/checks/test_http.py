from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from bootstrap.checks import _http_answer, _http_session, http
from bootstrap.checks.base import Endpoint
from tests.checks.bench import Bench, Cell, unreachable
from tests.systems import certificates, faulty

pytestmark = pytest.mark.airflow
REDIRECTS = {"/moved": "/login", "/folder": "/folder/", "/renamed": "/hello", "/malformed": "http://[bad]/"}
BLOCK = b"x" * 2**16


class Server(ThreadingHTTPServer):
    """Asks for `expected`, if any, and counts what it has sent of the answer that has no end."""

    daemon_threads = True

    def __init__(self, expected: str = "") -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.expected = expected
        self.sent = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Answer(BaseHTTPRequestHandler):
    """/status/N answers with N, /endless never ends, some paths redirect, and to a proxy's client it says 407."""

    server: Server

    def do_GET(self) -> None:
        if self.path.startswith("http://"):
            self.answer(407)
        elif self.server.expected and self.headers["Authorization"] != self.server.expected:
            self.answer(401)
        elif self.path in REDIRECTS:
            self.answer(302, Location=REDIRECTS[self.path])
        elif self.path == "/endless":
            self.send_endlessly()
        else:
            self.answer(int(self.path.removeprefix("/status/")) if self.path.startswith("/status/") else 200)

    do_HEAD = do_GET  # noqa: N815  http.server's names
    do_CONNECT = do_GET  # noqa: N815

    def answer(self, status: int, **headers: str) -> None:
        if self.command == "CONNECT":
            status = 407
        body = "hello, wörld".encode() if status == 200 else b""
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def send_endlessly(self) -> None:
        self.send_response(200)
        self.end_headers()
        while True:  # until the client hangs up
            try:
                self.wfile.write(BLOCK)
            except OSError:
                return
            self.server.sent += len(BLOCK)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving(expected: str = "") -> Iterator[Server]:
    with Server(expected) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@dataclass
class Place:
    """An open server, one that asks for a login, and one for each certificate."""

    open: Server
    closed: Server
    made: certificates.Certificates
    https: dict[str, int] = field(default_factory=dict)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, bench: Bench) -> Iterator[Place]:
    made = certificates.make(tmp_path_factory.mktemp("http"))
    basic = base64.b64encode(f"etl:ü {bench.canary.core}".encode("latin-1")).decode()
    with ExitStack() as stack:
        opened, closed = stack.enter_context(serving()), stack.enter_context(serving(f"Basic {basic}"))
        found = Place(opened, closed, made)
        for name in ("valid", "self_signed", "unknown_ca", "expired", "wrong_name"):
            found.https[name] = stack.enter_context(faulty.https(getattr(made, name)))[1]
        yield found


def test_http(bench: Bench, place: Place, isolated: bool) -> None:  # noqa: FBT001  a fixture
    password = f"ü {bench.canary.core}"
    good = {"conn_type": "http", "host": place.open.url, "login": "etl", "password": password}
    closed = {**good, "host": place.closed.url}
    plain = {"conn_type": "http", "host": "127.0.0.1", "port": place.open.server_address[1]}
    proxy = {"proxies": {"http": place.open.url, "https": place.open.url}}

    def secure(name: str, **extra: Any) -> dict[str, Any]:
        return {**plain, "schema": "https", "port": place.https[name], "extra": extra}

    def status(number: int) -> dict[str, Any]:
        return {"http": {"path": f"/status/{number}"}}

    moved = {"path": "/moved"}
    with unreachable(plain, "http", silent_at="access") as others:
        results = bench.hold(
            {
                "gets": Cell(good, {"http": {"path": "hello", "contains": "hello, wörld"}}),
                "heads": Cell(good, {"http": {"method": "HEAD"}}),
                "logs_in": Cell(closed, "http"),
                "wrong_status_is_right": Cell(good, {"http": {"path": "/status/404", "status": 404}}),
                "trusts": Cell(secure("valid"), {"http": {"contains": "ok"}}),
                "trusts_a_file": Cell(secure("valid", verify=str(place.made.ca)), "http"),
                "trusts_anyone": Cell(secure("expired", verify=False), "http"),
                "trusts_any_name": Cell(secure("wrong_name", verify_ssl=False), "http"),
                "same_address": Cell(good, {"http": {"path": "/folder"}}),
                "may_redirect": Cell(good, {"http": {**moved, "redirects": True}}),
                "must_redirect": Cell(
                    {**good, "extra": {"allow_redirects": False}}, {"http": {**moved, "status": 302}}
                ),
                "endless": Cell(good, {"http": {"path": "/endless", "contains": "xxx"}}),
                "endless_unread": Cell(good, {"http": {"path": "/endless"}}),
                "wrong_password": Cell(
                    {**closed, "password": "wrong"}, "http", "authenticate", "auth", says="401", hint="store put"
                ),
                "no_login": Cell({**closed, "login": None}, "http", "authenticate", "auth"),
                "unsendable": Cell(
                    {**closed, "password": bench.canary.value}, "http", "access", "secret_malformed", says="Latin-1"
                ),
                "forbidden": Cell(
                    good, status(403), "access", "permission", says="403 Forbidden", hint="GET on `path`"
                ),
                "not_found": Cell(good, status(404), "access", "not_found", says="/status/404"),
                "proxy_login": Cell({**good, "extra": proxy}, "http", "authenticate", "auth", says="407", hint="proxy"),
                "proxy_login_for_tls": Cell(
                    secure("valid", **proxy), "http", "authenticate", "auth", says="407", hint="proxy"
                ),
                "too_many": Cell(good, status(429), "access", "check_error", says="429", hint="try again later"),
                "broken": Cell(good, status(500), "access", "check_error", says="500", hint="its log"),
                "broken_whatever_extra_says": Cell(
                    {**good, "extra": {"check_response": False}}, status(500), "access", "check_error"
                ),
                "gateway": Cell(good, status(504), "access", "timeout"),
                "other_status": Cell(
                    good, {"http": {"path": "/status/204", "status": 200}}, "access", "check_error", says="of 200"
                ),
                "log_in_page": Cell(good, {"http": moved}, "authenticate", "auth", says="/moved redirects", hint="log"),
                "log_in_page_unfollowed": Cell(
                    {**good, "extra": {"allow_redirects": False}},
                    {"http": moved},
                    "authenticate",
                    "auth",
                    says="/login",
                ),
                "renamed": Cell(
                    good,
                    {"http": {"path": "/renamed"}},
                    "access",
                    "check_error",
                    says="/hello",
                    hint="`redirects: true`",
                ),
                "redirects_to_no_url": Cell(
                    good, {"http": {"path": "/malformed", "redirects": True}}, "access", "check_error", says="malformed"
                ),
                "no_url": Cell({**good, "host": "http://[bad]"}, "http", "reach", "secret_malformed", hint="address"),
                "other_text": Cell(good, {"http": {"contains": "bye"}}, "access", "check_error", says="'bye'"),
                "no_text": Cell(
                    good, {"http": {"contains": "hello", "method": "HEAD"}}, "access", "check_error", says="HEAD"
                ),
                "not_in_what_is_read": Cell(
                    good, {"http": {"path": "/endless", "contains": "y"}}, "access", "check_error", says="'y'"
                ),
                "self_signed": Cell(secure("self_signed"), "http", "reach", "tls", says="self-signed", hint="CA"),
                "unknown_ca": Cell(secure("unknown_ca"), "http", "reach", "tls", says="issuer"),
                "expired": Cell(secure("expired"), "http", "reach", "tls", says="expired", hint="renew"),
                "wrong_name": Cell(secure("wrong_name"), "http", "reach", "tls", says="mismatch"),
                "no_tls": Cell({**plain, "schema": "https"}, "http", "reach", "tls"),
                "no_bundle": Cell(
                    secure("valid", verify="/no/such"), "http", "access", "secret_malformed", hint="`verify`"
                ),
                **others,
            },
            isolated=isolated,
            env={"REQUESTS_CA_BUNDLE": str(place.made.bundle)},
        )
    if not isolated:
        assert results["endless"].seconds < 10
    assert place.open.sent < 100 * 2**20


@pytest.mark.parametrize(
    ("host", "extra", "expected"),
    [
        ("https://a.example/x", {}, Endpoint("a.example", 443, tls=True)),
        ("https://a.example:8443", {"verify": "/ca"}, Endpoint("a.example", 8443, tls=True, verify="/ca")),
        ("a.example", {"verify_ssl": False}, Endpoint("a.example", 80, verify=False)),
        ("https://a.example", {"cert": "/mine"}, Endpoint("a.example", 443)),  # the handshake may ask for it
        ("https://a.example", {"proxies": {"https": "x"}}, None),
        ("_http._tcp.example.com", {"srv_lookup": True}, None),
        ("", {}, None),
    ],
)
def test_reach_tries_what_the_hook_will(host: str, extra: dict[str, Any], expected: Endpoint | None) -> None:
    assert http.endpoint(SimpleNamespace(host=host, port=None, schema=None, extra_dejson=extra)) == expected


def test_a_bundle_of_the_environment_may_go_before_verify(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Releases of HttpHook before 6 hand no `verify` to the request: requests takes the environment's then."""
    made = certificates.make(tmp_path)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    with faulty.https(made.valid) as (host, port), pytest.raises(requests.exceptions.SSLError) as failed:
        requests.get(f"https://{host}:{port}", timeout=10)
    assert http.cause(failed.value) is None
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/etc/ssl/cert.pem")
    found = http.cause(failed.value)
    assert found is not None
    assert (found.name, "add its CA to the file of REQUESTS_CA_BUNDLE" in found.hint) == ("tls", True)


def test_the_same_certificate_is_trusted_for_nobody_as_for_the_connection(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made = certificates.make(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificates.make(tmp_path / "other").ca))
    with faulty.https(made.valid) as (host, port), requests.Session() as session:
        session.auth, session.verify = ("u", "p"), str(made.ca)
        url = f"https://{host}:{port}/"
        hook = SimpleNamespace(get_conn=lambda: session, method="GET", url_from_endpoint=lambda _: url)
        assert _http_session.asked(hook, "") == "unasked"


def test_text_between_two_chunks_is_found() -> None:
    assert _http_answer._found(iter([b"abc", b"def"]), {b"cd"})
    assert _http_answer._found(iter([b"a", b"b", b"c", b"d"]), {b"abcd"})
    assert not _http_answer._found(iter([b"abc", b"def"]), {b"ce"})
    assert _http_answer._found(iter([]), {b""})
