"""Servers in threads of ours, which end with all their connections."""

from __future__ import annotations

import contextlib
import json
import socket
import socketserver
import ssl
import sys
import threading
from dataclasses import dataclass, field
from email.message import Message
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

from .process import HOST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_POLL_SECONDS = 0.02


class ThreadedServer(socketserver.ThreadingTCPServer):
    """A TCP server on a free port of 127.0.0.1, with TLS if it has a context."""

    daemon_threads = False
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(
        self, handler: Callable[..., socketserver.BaseRequestHandler], tls: ssl.SSLContext | None = None
    ) -> None:
        self._tls = tls
        self._connections: set[socket.socket] = set()
        super().__init__((HOST, 0), handler)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection; its TLS handshake is the business of its own thread."""
        connection, address = super().get_request()
        if self._tls:
            connection = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        self._connections.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        """Close a connection."""
        self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report a bug of ours; a client that hangs up or dislikes our certificate is none."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    def hang_up(self) -> None:
        """Cut all connections, so that their threads end."""
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def serving(server: ThreadedServer) -> Iterator[int]:
    """Serve for a while; yield the port."""
    thread = threading.Thread(target=server.serve_forever, args=(_POLL_SECONDS,))
    thread.start()
    try:
        yield server.port
    finally:
        server.shutdown()
        thread.join()
        server.hang_up()
        server.server_close()


@dataclass(frozen=True)
class Request:
    """An HTTP request; `target` is the path with its query."""

    method: str
    target: str
    headers: Message
    body: bytes = field(repr=False)

    @property
    def path(self) -> str:
        """The path alone, still quoted."""
        return self.target.partition("?")[0]

    @property
    def bearer(self) -> str | None:
        """The access token, if there is one."""
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        return token if scheme.lower() == "bearer" and token else None


@dataclass(frozen=True)
class Answer:
    """An HTTP answer."""

    status: int
    body: bytes = b""
    headers: Sequence[tuple[str, str]] = ()


def json_answer(status: int, content: object) -> Answer:
    """Return an answer in JSON."""
    return Answer(status, json.dumps(content).encode(), [("Content-Type", "application/json; charset=UTF-8")])


def http_server(answer: Callable[[Request], Answer], tls: ssl.SSLContext | None = None) -> ThreadedServer:
    """Return an HTTP server that answers every request with `answer`."""
    return ThreadedServer(partial(_Handler, answer), tls)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else a keep-alive connection waits 40 ms for each answer

    def __init__(self, answer: Callable[[Request], Answer], *arguments: Any) -> None:
        self._answer = answer
        super().__init__(*arguments)

    def do_GET(self) -> None:
        if "Transfer-Encoding" in self.headers:
            self.close_connection = True
            self._send(Answer(HTTPStatus.LENGTH_REQUIRED))
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._send(self._answer(Request(self.command, self.path, self.headers, body)))

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_GET  # noqa: N815 - http.server's names

    def _send(self, answer: Answer) -> None:
        self.send_response_only(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def log_message(self, *_: object) -> None:
        pass
