"""A CONNECT proxy that leads names of the internet to ports of 127.0.0.1, and all others nowhere."""

from __future__ import annotations

import selectors
import socket
import socketserver
from functools import partial
from typing import TYPE_CHECKING, Any

from .in_process import ThreadedServer
from .process import HOST

if TYPE_CHECKING:
    from collections.abc import Mapping

_CHUNK = 65536


def connect_proxy(routes: Mapping[str, int]) -> ThreadedServer:
    """Return a proxy; `routes` has ports by "host:port", and may change while it runs."""
    return ThreadedServer(partial(_Handler, routes))


class _Handler(socketserver.StreamRequestHandler):
    rbufsize = 0  # what follows the head is the tunnel's

    def __init__(self, routes: Mapping[str, int], *arguments: Any) -> None:
        self._routes = routes
        super().__init__(*arguments)

    def handle(self) -> None:
        method, target = (*self.rfile.readline().decode("latin-1").split(), "", "")[:2]
        while self.rfile.readline().strip():
            pass
        port = self._routes.get(target) if method == "CONNECT" else None
        if port is None:
            self.wfile.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
            return
        with socket.create_connection((HOST, port)) as upstream:
            self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            _join(self.connection, upstream)


def _join(one: socket.socket, other: socket.socket) -> None:
    """Copy both ways until either side hangs up."""
    peers = {one: other, other: one}
    with selectors.DefaultSelector() as selector:
        for each, peer in peers.items():
            selector.register(each, selectors.EVENT_READ, peer)
        while True:
            for key, _ in selector.select():
                source: Any = key.fileobj
                data = source.recv(_CHUNK)
                if not data:
                    return
                key.data.sendall(data)
