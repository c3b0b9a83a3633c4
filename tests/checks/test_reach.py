from __future__ import annotations

import socket
import threading

import pytest

from bootstrap.checks import _reach as module
from bootstrap.checks._reach import reach
from bootstrap.checks.base import Diagnosed, Endpoint
from tests.systems.process import free_port


def cause(endpoint: Endpoint) -> str:
    with pytest.raises(Diagnosed) as caught:
        reach(endpoint)
    return caught.value.cause.name


def test_a_listening_port_is_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert reach(Endpoint("127.0.0.1", port)) == f"127.0.0.1:{port}"


def test_a_closed_port_refuses() -> None:
    assert cause(Endpoint("127.0.0.1", free_port())) == "connection_refused"


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 70 + ".invalid"])
def test_a_wrong_name_is_dns(host: str) -> None:
    assert cause(Endpoint(host, 80)) == "dns"


def test_a_port_that_speaks_no_tls_is_tls() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            connection.recv(1000)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            connection.close()

        threading.Thread(target=answer, daemon=True).start()
        assert cause(Endpoint("127.0.0.1", server.getsockname()[1], tls=True)) == "tls"


def test_a_server_that_never_shakes_hands_is_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TIMEOUT", 0.3)  # ten seconds of waiting would prove nothing more
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert cause(Endpoint("127.0.0.1", server.getsockname()[1], tls=True)) == "timeout"


def test_behind_a_proxy_nothing_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert "proxy" in reach(Endpoint("db.example.com", 443, tls=True))
