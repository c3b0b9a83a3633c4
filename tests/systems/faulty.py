"""Servers in this process that fail in one way each: silent, refused, or with a bad certificate."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import ssl
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import certificates
from .in_process import Answer, http_server, serving
from .process import HOST

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .certificates import Pair

_BODY = b"ok"


@contextlib.contextmanager
def silent() -> Iterator[tuple[str, int]]:
    """Accept every connection, and never say a word on it."""
    with _served(_Silent()) as address:
        yield address


@contextlib.contextmanager
def refused() -> Iterator[tuple[str, int]]:
    """Yield an address that refuses connections, and that nobody else can take meanwhile."""
    with socket.socket() as bound:
        bound.bind((HOST, 0))  # without listening
        yield HOST, bound.getsockname()[1]


@contextlib.contextmanager
def plain_http() -> Iterator[tuple[str, int]]:
    """Answer every request with 200 and "ok", without TLS."""
    with _served(_Http(None)) as address:
        yield address


STRANGERS = (  # what web servers say that are not the server that was meant: status, type and text
    (200, "text/html", "<html>Welcome</html>"),
    (200, "application/json", '["a list"]'),
    (200, "application/json", "{}"),
    (204, "text/html", ""),
    (302, "text/html", ""),
    (401, "text/html", "<html>Log in</html>"),
    (403, "text/html", "<html>Blocked</html>"),
    (404, "text/html", "<html>Not Found</html>"),
    (404, "application/json", '{"detail": "Not Found"}'),
    (404, "application/json", '["a list"]'),
    (502, "text/html", "<html>Bad gateway</html>"),
    (503, "text/html", "<html>Maintenance</html>"),
    (503, "text/html", ""),
)


@contextlib.contextmanager
def stranger(status: int, content_type: str, text: str) -> Iterator[str]:
    """Answer every request so; yields the URL."""
    answer = Answer(status, text.encode(), [("Content-Type", content_type)])
    with serving(http_server(lambda _: answer)) as port:
        yield f"http://{HOST}:{port}"


@contextlib.contextmanager
def https(pair: Pair) -> Iterator[tuple[str, int]]:
    """Answer every request with 200 and "ok", over TLS with this certificate."""
    with _served(_Http(pair.context())) as address:
        yield address


@contextlib.contextmanager
def self_signed_tls() -> Iterator[tuple[str, int]]:
    """Serve like `https`, with a certificate that no authority has signed."""
    with _new_certificates() as made, https(made.self_signed) as address:
        yield address


@contextlib.contextmanager
def expired_tls() -> Iterator[tuple[str, int]]:
    """Serve like `https`, with a certificate that was valid until yesterday.

    Nobody trusts its authority either: to see the expiry alone, use `https` and certificates.make.
    """
    with _new_certificates() as made, https(made.expired) as address:
        yield address


@contextlib.contextmanager
def _new_certificates() -> Iterator[certificates.Certificates]:
    with tempfile.TemporaryDirectory() as folder:
        yield certificates.make(Path(folder))


@contextlib.contextmanager
def _served(server: socketserver.TCPServer) -> Iterator[tuple[str, int]]:
    """Serve in a thread for a while."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield HOST, server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Silent(socketserver.TCPServer):
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__((HOST, 0), socketserver.BaseRequestHandler)
        self.held: list[Any] = []

    def process_request(self, request: Any, _: Any) -> None:
        """Keep the connection open, whatever comes."""
        self.held.append(request)

    def server_close(self) -> None:
        super().server_close()
        for each in self.held:
            each.close()


class _Http(ThreadingHTTPServer):
    def __init__(self, context: ssl.SSLContext | None) -> None:
        super().__init__((HOST, 0), _Handler)
        self.context = context

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Shake hands in the connection's own thread: a client that is slow to, delays no other."""
        with contextlib.suppress(ssl.SSLError, ConnectionError):  # a client that refuses us hangs up
            if self.context is None:
                super().finish_request(request, client_address)
                return
            request.settimeout(_Handler.timeout)
            with self.context.wrap_socket(request, server_side=True) as encrypted:
                super().finish_request(encrypted, client_address)


class _Handler(BaseHTTPRequestHandler):
    timeout = 10

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.send_response(200)
        self.send_header("Content-Length", str(len(_BODY)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(_BODY)

    do_HEAD = do_POST = do_GET  # noqa: N815 (http.server's names)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
